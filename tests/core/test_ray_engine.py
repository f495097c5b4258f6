import math
import os
import re
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import preceptor
from core.fake_ray import FakeRay, played
from preceptor.core import disk, ray_engine, ray_worker, workers
from preceptor.core.errors import PreceptorError
from preceptor.core.workers import Task


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    with played(monkeypatch) as fake:
        yield fake


def work(amount: int) -> int:
    for _ in range(amount):
        workers.advance(1)
    return amount


def refuse(found: int) -> None:
    raise PreceptorError("No", found=found)


def fill(path: Path) -> None:
    disk.save_array(path, np.zeros(1 << 20))


def large() -> bytes:
    return bytes(2 << 20)


def test_tasks_run_on_the_engine_and_their_progress_is_heard(ray: FakeRay, tmp_path: Path) -> None:
    told: list[float] = []
    with workers.on("ray", tmp_path):
        assert not workers.alone()
        with workers.pool(2, threads=1, advance=told.append) as pool:
            assert [f.result() for f in [pool.submit(work, 5), pool.submit(os.getenv, "OMP_NUM_THREADS")]] == [5, "1"]
    assert sum(told) == 5
    assert ray.began == [
        {
            "address": "local",
            "num_cpus": workers.count(),
            "include_dashboard": False,
            "logging_level": "ERROR",
            "configure_logging": False,
        }
    ]
    assert ray.ended == 1
    assert list(tmp_path.iterdir()) == []  # the mark is taken away


def test_a_lost_task_is_tried_again_and_its_progress_counted_once(ray: FakeRay, tmp_path: Path) -> None:
    told: list[float] = []
    ray.lose = 2
    with workers.on("ray", tmp_path), workers.pool(1, advance=told.append) as pool:
        assert pool.submit(work, 3).result() == 3
    assert ray.attempts == 3
    assert sum(told) == 3


def test_a_task_lost_too_often_is_named_with_its_machines(ray: FakeRay, tmp_path: Path) -> None:
    ray.lose = 3
    with workers.on("ray", tmp_path), workers.pool(1) as pool, pytest.raises(PreceptorError) as error:
        pool.submit(Task("run L4-s1", math.sqrt), 4).result()
    assert "A task was lost 3 times" in str(error.value)
    assert "run L4-s1" in str(error.value)
    assert "node aaaa1111: RayError: the worker died" in str(error.value)


def test_a_worker_process_that_ends_is_tried_again_too(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path), workers.pool(1) as pool, pytest.raises(PreceptorError, match="ended with code 3"):
        pool.submit(os._exit, 3).result()
    assert ray.attempts == ray_engine.TRIES


def test_an_error_of_a_task_is_not_tried_again_and_says_where(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path), workers.pool(1) as pool, pytest.raises(PreceptorError, match="No") as error:
        pool.submit(Task("the third", refuse), 3).result()
    assert ray.attempts == 1
    assert "the third, on machine" in error.value.__notes__[-1]
    assert "In a worker process" in error.value.__notes__[0]
    assert re.search(r"where: +machine .*, node aaaa1111\n  found: +3", str(error.value))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_store_that_is_full_is_said_with_the_machine(ray: FakeRay, tmp_path: Path) -> None:
    (tmp_path / "x.npy").symlink_to("/dev/full")
    with (
        workers.on("ray", tmp_path),
        workers.pool(1) as pool,
        pytest.raises(
            PreceptorError, match=r"The disk is full\n  where: .*x\.npy, on machine .*, node aaaa1111\n[\s\S]*free some"
        ),
    ):
        pool.submit(fill, tmp_path / "x.npy").result()
    assert ray.attempts == 1


def test_other_errors_of_a_task_stay_what_they_are(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path), workers.pool(1) as pool, pytest.raises(ValueError, match="math domain error"):
        pool.submit(math.sqrt, -4).result()


def test_small_things_alone_travel(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path), workers.pool(1) as pool:
        with pytest.raises(ValueError, match="data go through files"):
            pool.submit(len, bytes(2 << 20))
        with pytest.raises(ValueError, match="data go through files"):
            pool.submit(large).result()
    with workers.pool(1) as pool, pytest.raises(ValueError, match="data go through files"):
        pool.submit(large).result()


def test_threads_and_gpus_are_asked_for_and_must_be_there(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path):
        with pytest.raises(PreceptorError, match=r"No machine[\s\S]*node aaaa1111: 2 CPUs[\s\S]*one with 3 CPUs"):
            workers.pool(1, threads=3)
        with pytest.raises(PreceptorError, match="1 GPUs"):
            workers.pool(1, gpus=1)
        ray.nodes_there.append(("there", "cccc2222dddd", 4, 1))
        with workers.pool(1, threads=3, gpus=1):
            pass
    assert {k: ray.asked[-1][k] for k in ("num_cpus", "num_gpus", "max_retries")} == {
        "num_cpus": 3,
        "num_gpus": 1,
        "max_retries": 0,
    }


def test_the_processes_of_a_task_are_asked_for_too(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path):
        with pytest.raises(PreceptorError, match="one with 4 CPUs and 2 GPUs"):
            workers.pool(1, threads=2, gpus=2, processes=2)
        ray.nodes_there.append(("there", "cccc2222dddd", 4, 2))
        with workers.pool(1, threads=2, gpus=2, processes=2) as pool:
            assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "2"
    assert ray.asked[-1]["num_cpus"] == 4
    assert ray.asked[-1]["num_gpus"] == 2


def test_a_cluster_that_lost_its_machines_is_no_endless_wait(ray: FakeRay, tmp_path: Path) -> None:
    with workers.on("ray", tmp_path), workers.pool(1) as pool:
        ray.nodes_there, ray.silent = [], 1
        with pytest.raises(PreceptorError, match="No machine"):
            pool.submit(math.sqrt, 4).result()


def test_left_by_an_error_its_tasks_are_stopped(ray: FakeRay, tmp_path: Path) -> None:
    def interrupted() -> None:
        with workers.on("ray", tmp_path), workers.pool(1) as pool:
            pool.submit(math.sqrt, 4).result()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert workers.count() >= 1
    with workers.pool(1) as pool:  # of this machine again
        assert pool.submit(math.sqrt, 4).result() == 2
    assert ray.attempts == 1


@pytest.mark.parametrize("engine", ["", "dask", "ray://", "ray://host", "ray://host:port", "local://x:1"])
def test_another_engine_is_refused(engine: str, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="No such engine"), workers.on(engine, tmp_path):
        pass


def test_without_ray_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(PreceptorError, match=r"Ray isn't installed[\s\S]*pip install 'preceptor\[ray\]'"),
        workers.on("ray", tmp_path),
    ):
        pass


def test_a_cluster_that_is_not_there_is_said(ray: FakeRay, tmp_path: Path) -> None:
    with (
        pytest.raises(PreceptorError, match=r"can't be joined[\s\S]*ray://127.0.0.1:1[\s\S]*ray start --address=127.0.0.1:1"),
        workers.on("ray://127.0.0.1:1", tmp_path),
    ):
        pass


def test_a_folder_that_cannot_be_marked_ends_the_cluster(ray: FakeRay, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PreceptorError, match="A file is where a folder"), workers.on("ray", tmp_path / "file"):
        pass
    assert ray.ended == 1


class TestTheMachine:
    @pytest.fixture
    def card(self, tmp_path: Path) -> dict[str, object]:
        (tmp_path / "token").write_text("secret")
        return ray_engine.card(tmp_path / "token", "secret", keep=True)

    def test_one_like_the_drivers_is_fit(self, card: dict[str, object]) -> None:
        assert ray_worker.refusal(card) == {}

    def test_another_version_is_refused(self, card: dict[str, object]) -> None:
        found = ray_worker.refusal({**card, "version": "0.9"})
        assert "another version" in found["problem"]
        assert found["found"].startswith(preceptor.__version__)

    def test_another_source_is_refused(self, card: dict[str, object]) -> None:
        assert "another source" in ray_worker.refusal({**card, "source": "00"})["problem"]

    def test_another_folder_under_the_path_is_refused(self, card: dict[str, object], tmp_path: Path) -> None:
        assert "doesn't see the run's folder" in ray_worker.refusal({**card, "secret": "other"})["problem"]
        (tmp_path / "token").unlink()
        assert "No such file" in ray_worker.refusal(card)["found"]

    def test_no_preceptor_is_refused(self, card: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "preceptor", None)
        assert "can't be imported" in ray_worker.refusal(card)["problem"]

    def test_what_it_refuses_names_it(self, ray: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_worker, "refusal", lambda card: {"problem": "It is another", "found": "0.1"})
        with (
            workers.on("ray", tmp_path),
            workers.pool(1) as pool,
            pytest.raises(PreceptorError, match=r"It is another\n  where: .*node aaaa1111\n  found: +0.1"),
        ):
            pool.submit(math.sqrt, 4).result()
        assert ray.attempts == 1

    @pytest.mark.parametrize(("off", "word"), [(60.0, "ahead"), (-60.0, "behind")])
    def test_another_clock_is_refused(self, off: float, word: str) -> None:
        now = time.time()
        with pytest.raises(PreceptorError, match=rf"The clock of a machine[\s\S]*machine there[\s\S]*60 s {word}"):
            ray_engine._assert_clock("there", now + off, now - 0.1 if off > 0 else now, now)

    def test_a_machine_with_another_clock_is_named(self, ray: FakeRay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = time.time
        monkeypatch.setattr(ray_worker, "time", types.SimpleNamespace(time=lambda: now() + 3600))
        with (
            workers.on("ray", tmp_path),
            workers.pool(1) as pool,
            pytest.raises(
                PreceptorError, match=r"The clock of a machine[\s\S]*where: .*aaaa1111[\s\S]*3600 s ahead[\s\S]*by NTP"
            ),
        ):
            pool.submit(math.sqrt, 4).result()
        assert ray.attempts == 1

    def test_a_task_that_waited_for_an_hour_is_no_clock_that_differs(self) -> None:
        now = time.time()
        ray_engine._assert_clock("there", now - 1800, since=now - 3600, now=now)

    def test_the_source_is_known_by_name_and_content(self, tmp_path: Path) -> None:
        found = set()
        for name, text in [("a.py", "1"), ("b.py", "1"), ("b.py", "2")]:
            home = tmp_path / f"{name}{text}"
            home.mkdir()
            (home / name).write_text(text)
            (home / "notes.txt").write_text(name + text)
            found.add(ray_worker.source_digest(home))
        assert len(found) == 3


def test_nothing_but_the_engine_knows_of_ray() -> None:
    src = Path(str(preceptor.__file__)).parent
    knows = {p.stem for p in src.rglob("*.py") if "import ray" in p.read_text(encoding="utf-8")}
    assert knows == {"ray_engine"}
