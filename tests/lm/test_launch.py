"""Runs that several processes train, as tasks: the files of torchrun by hand, on every way that tasks are carried out."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.fake_ray import played
from lm.bases import base
from lm.many import children, curve, torchrun
from lm.toy import CONFIG
from preceptor.core import artifact, processes, workers
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.shards import Shards
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import STATE, training_tokens
from preceptor.lm.stage import STAGE


def settings(folder: Path, **changes: object) -> LMConfig:
    """What `torchrun` passes on, and nothing else."""
    given = {"tokens": (512, 1024), "batch_tokens": 128, "warmup": 256, "lr": 0.02, "processes": 2}
    return LMConfig(base=str(folder), **(given | changes))  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != artifact.RUN)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.slow
def test_two_processes_end_in_the_files_of_torchrun_in_every_way(
    made: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, inputs = settings(base(tmp_path / "base")), {"curriculum": made}
    for n in (1, 2):
        said = (run := torchrun(n, made, tmp_path / f"{n}", config)).communicate(timeout=600)[0]
        assert run.returncode == 0, said
    STAGE.make(config, inputs, tmp_path / "local")
    Shards(STAGE, config, inputs, tmp_path / "hand").carry_out(1, 1)
    Shards(STAGE, config, inputs, tmp_path / "hand").merge()
    with played(monkeypatch) as ray, workers.on("ray", tmp_path):
        STAGE.make(config, inputs, tmp_path / "ray")
        assert ray.asked[-1]["num_cpus"] == 2
    for way in ("local", "hand", "ray"):
        assert contents(tmp_path / way / "lm") == contents(tmp_path / "2" / "lm")
    assert curve(tmp_path / "local") == pytest.approx(curve(tmp_path / "1"), rel=1e-5)


@pytest.mark.slow
def test_progress_and_errors_of_the_processes_reach_the_driver(made: Artifact, tmp_path: Path) -> None:
    inputs = {"curriculum": made}
    config = settings(base(tmp_path / "base"))
    [shard] = STAGE.shards(config, inputs)  # type: ignore[misc]
    told: list[float] = []
    run = dataclasses.replace(shard.arguments[0], flops_per_token=1)
    with workers.pool(1, 1, told.append) as pool:
        pool.submit(shard.work, run, tmp_path).result()
    assert sum(told) == training_tokens(config)
    uneven = settings(tmp_path / "base", processes=3)
    with pytest.raises(PreceptorError, match=r"A batch can't be shared out evenly[\s\S]*4 rows for 3 processes"):
        STAGE.make(uneven, inputs, tmp_path / "uneven")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes in /proc")
def test_processes_end_with_their_task(made: Artifact, tmp_path: Path) -> None:
    config = settings(base(tmp_path / "base"), tokens=(512, 65_536))
    [shard] = STAGE.shards(config, {"curriculum": made})  # type: ignore[misc]
    with processes.Pool(1, 1, None) as pool:
        lost = pool.submit(shard.work, *shard.arguments, tmp_path)
        wait_for(tmp_path / "runs" / "d2-s0" / STATE)
        worker = pool._workers[0][0]._process.pid
        all_of_them = [worker, *(agent := children(worker)), *children(agent[0])]
        assert len(all_of_them) == 4
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in all_of_them[1:]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(alive(pid) for pid in all_of_them[1:])
        with pytest.raises(processes.BrokenExecutor):
            lost.result()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 300
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert path.exists()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_processes_are_no_part_of_what_a_run_is(made: Artifact) -> None:
    inputs = {"curriculum": made}
    two = dataclasses.replace(CONFIG, processes=2)
    assert STAGE.key(two, inputs) == STAGE.key(CONFIG, inputs)
    with pytest.raises(PreceptorError, match=r"lm\.processes"):
        STAGE.check(dataclasses.replace(CONFIG, processes=0))


def test_a_run_takes_a_gpu_for_each_of_its_processes(made: Artifact) -> None:
    assert STAGE.shards is not None
    config = dataclasses.replace(CONFIG, processes=4, threads=2)
    asked = {(s.threads, s.processes, s.gpus) for s in STAGE.shards(config, {"curriculum": made})}
    assert asked == {(2, 4, 0)}
    on_gpus = dataclasses.replace(config, device="cuda")
    assert {s.gpus for s in STAGE.shards(on_gpus, {"curriculum": made})} == {4}


def test_a_process_ends_at_once_with_its_code_and_all_it_said() -> None:
    said = "import atexit; from preceptor.lm import run; atexit.register(print, 'late'); print('said', end=''); run.end(3)"
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False, timeout=120)
    assert (found.returncode, found.stdout) == (3, "said")
