"""A study on a Ray cluster of two nodes of this machine, and in shards: the bytes of a local run, whatever is killed."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from preceptor import study, study_task
from preceptor.codes import item_blocks
from preceptor.core import blocks, workers
from preceptor.core.artifact import canonical
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import Shard
from preceptor.generator import bank_tasks
from preceptor.graph import row_blocks
from ray_cluster import SRC, Cluster, cluster, command, wait_for
from reliability import small

pytest.importorskip("ray", reason="Ray isn't installed; make test-slow installs it, or pip install 'preceptor[ray]'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with study.yaml, and `local`, in which the study is made by one process."""
    home = tmp_path_factory.mktemp("cluster")
    (home / "study.yaml").write_text(canonical(study.saved(small.config(home))))
    done = _start(home, "run", "study.yaml", "--out", str(home / "local"), workers="1")
    assert done.wait() == 0, (home / "said.txt").read_text()
    return home


@pytest.fixture(scope="module")
def two() -> Iterator[Cluster]:
    with cluster(1, 1) as made:
        yield made


def _start(home: Path, *words: str, workers: str = "2", around: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    with open(home / "said.txt", "ab") as log:
        return subprocess.Popen(
            [*around, sys.executable, "-m", "preceptor", *words],
            cwd=home,
            env={**os.environ, "PYTHONPATH": str(SRC), "PRECEPTOR_WORKERS": workers, "PRECEPTOR_CACHE": str(home / "cache")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def test_a_whole_study_on_two_nodes(home: Path, two: Cluster) -> None:
    done = _start(home, "run", "study.yaml", "--out", str(home / "ray"), "--engine", f"ray://{two.address}")
    assert done.wait() == 0, (home / "said.txt").read_text()
    assert small.differences(home / "ray", home / "local") == []


def _seeing(mount: str) -> list[str]:
    """A command that runs what follows with a mount of its own; skips the test where that isn't allowed."""
    apart = ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    if subprocess.run([*apart, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this test mounts folders, which needs the right to")
    return apart


def test_nodes_and_driver_that_mount_the_store_by_themselves(home: Path, tmp_path: Path) -> None:
    store, path = tmp_path / "store", tmp_path / "mounted"
    path.mkdir()
    small.fresh_copy(home / "local", store / "out")
    for lm in (store / "out" / "lm", store / "out" / "arms" / "plain" / "lm"):
        shutil.rmtree(lm)
    apart = _seeing(f'mount --bind "{store}" "{path}"')
    with cluster(0) as made:
        for _ in range(2):
            made.start(1, around=apart)
        words = ("run", "study.yaml", "--out", str(path / "out"), "--engine", f"ray://{made.address}")
        assert _start(home, *words, around=apart).wait() == 0, (home / "said.txt").read_text()
    assert list(path.iterdir()) == []  # which nobody mounted here
    assert small.differences(store / "out", home / "local") == []


def test_a_whole_study_in_shards(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(home / "cache"))
    settings, out = study.load_config(str(home / "study.yaml")), home / "shards"
    shared = []
    for stage, arm in small.steps(settings):
        full = f"{stage}@{arm}" if arm else stage
        try:
            for share in (2, 1):
                study_task.shards(settings, out, full).carry_out(share, 2)
        except PreceptorError as error:
            assert f"is the study's own {stage}" in str(error)  # noqa: PT017  an arm shares what isn't its own
            shared.append(full)
            continue
        study_task.merge(settings, out, full)
    assert "data@plain" in shared
    assert "lm@plain" not in shared
    assert small.differences(out, home / "local") == []


@pytest.mark.parametrize("stage", ["codes", "graph", "generator"])
def test_blocks_of_a_stage_on_two_nodes(stage: str, home: Path, two: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_blocks, "WORDS", 10)
    monkeypatch.setattr(row_blocks, "EACH", {"pairs": 200, "graph": 200})
    monkeypatch.setattr(bank_tasks, "LEAST", 1)
    made: list[str] = []
    carry_out = blocks.carry_out

    def watched(tasks: list[Shard], folder: Path, label: str) -> None:
        made.extend(task.name for task in tasks)
        carry_out(tasks, folder, label)

    monkeypatch.setattr(blocks, "carry_out", watched)
    out = small.fresh_copy(home / "local", home / f"blocks-{stage}")
    shutil.rmtree(out / stage)
    study.run(study.load_config(str(home / "study.yaml")), out, stage, f"ray://{two.address}")
    assert len(made) > 2
    assert small.differences(out, home / "local") == []


def test_models_of_two_processes_each_on_a_node(home: Path) -> None:
    settings = study.load_config(str(home / "study.yaml"))
    settings = dataclasses.replace(settings, lm=dataclasses.replace(settings.lm, processes=2, batch_tokens=256, warmup=256))
    here, there = (small.fresh_copy(home / "local", home / f"pair-{way}") for way in ("local", "ray"))
    with cluster(2) as made:
        for out, engine in ((here, workers.LOCAL), (there, f"ray://{made.address}")):
            shutil.rmtree(out / "lm")
            study.run(settings, out, "lm", engine)
        assert small.differences(there, here) == []
        one_row = dataclasses.replace(settings, lm=dataclasses.replace(settings.lm, batch_tokens=128, warmup=128))
        shutil.rmtree(out / "lm")
        with pytest.raises(PreceptorError, match=r"can't be shared out evenly[\s\S]*1 rows for 2 processes"):
            study.run(one_row, out, "lm", engine)


@pytest.mark.parametrize("what", ["worker", "worker of Ray", "node", "driver"])
def test_what_is_killed_in_mid_stage_changes_no_byte(home: Path, what: str) -> None:
    out = small.fresh_copy(home / "local", home / f"killed-{what.replace(' ', '-')}")
    for lm in (out / "lm", out / "arms" / "plain" / "lm"):
        shutil.rmtree(lm)
    (home / "said.txt").unlink()
    with cluster(1, 1) as made:
        words = ("pretrain", "study.yaml", "--out", str(out), "--engine", f"ray://{made.address}")
        run = _start(home, *words)
        wait_for(lambda: made.workers(1) or run.poll() is not None)
        assert run.poll() is None, (home / "said.txt").read_text()
        if what == "worker":
            os.kill(made.workers(1)[0], signal.SIGKILL)
        elif what == "worker of Ray":
            os.kill(_parent(made.workers(1)[0]), signal.SIGKILL)
        elif what == "node":
            made.kill(1)
        else:
            run.kill()
            run.wait()
            wait_for(lambda: not (made.workers(0) or made.workers(1)))  # they die with it
            run = _start(home, *words)
        assert run.wait() == 0, (home / "said.txt").read_text()
    assert small.differences(out, home / "local") == []
    if what != "driver":
        assert "it is tried again" in (home / "said.txt").read_text()


def _parent(pid: int) -> int:
    """The process of Ray that started a worker process of ours."""
    found = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert command(found).startswith(b"ray::")
    return found


def test_a_task_that_kills_its_worker_each_time_is_named(two: Cluster, tmp_path: Path) -> None:
    with (
        workers.on(f"ray://{two.address}", tmp_path),
        workers.pool(1) as pool,
        pytest.raises(PreceptorError, match=r"lost 3 times[\s\S]*where: +the third[\s\S]*ended with code 3"),
    ):
        pool.submit(workers.Task("the third", os._exit), 3).result()


def test_a_node_with_another_version_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(SRC / "preceptor", other / "preceptor", ignore=shutil.ignore_patterns("__pycache__"))
    top = other / "preceptor" / "__init__.py"
    top.write_text(top.read_text().replace("__version__ = ", '__version__ = "0.0" + '))
    with cluster(0) as made:
        made.start(1, source=other)
        with (
            workers.on(f"ray://{made.address}", tmp_path),
            workers.pool(1) as pool,
            pytest.raises(PreceptorError, match=r"another version of Preceptor[\s\S]*machine .*, node [0-9a-f]{8}"),
        ):
            pool.submit(os.getpid).result()


def test_a_node_without_the_shared_folder_is_named(tmp_path: Path) -> None:
    with cluster(0) as made:
        made.start(1, around=_seeing(f'mount -t tmpfs none "{tmp_path}"'))
        with (
            workers.on(f"ray://{made.address}", tmp_path),
            workers.pool(1) as pool,
            pytest.raises(PreceptorError, match=r"doesn't see the run's folder[\s\S]*No such file"),
        ):
            pool.submit(os.getpid).result()
