import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor

import pytest

from preceptor.core import workers
from preceptor.core.errors import PreceptorError

ENVIRONMENT = {**os.environ, "PYTHONPATH": "src"}


def test_worker_has_its_threads() -> None:
    with workers.pool(tasks=1, threads=1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        assert pool.submit(workers.count).result() == 1  # what shares out its own work has no more of them


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_bad_number_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", given)
    with pytest.raises(PreceptorError, match=f"PRECEPTOR_WORKERS[\\s\\S]*{given}"):
        workers.count()


def test_tasks_of_several_processes_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "4")
    sizes = [workers.pool(9, processes=processes)._size for processes in (1, 2, 3, 8)]  # type: ignore[attr-defined]
    assert sizes == [4, 2, 1, 1]


def test_tasks_that_need_a_gpu_go_one_after_the_other_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "4")
    assert workers.side_by_side(8) == 4
    assert workers.side_by_side(3) == 3
    assert workers.side_by_side(8, gpus=1) == 1


@pytest.mark.parametrize(("tasks", "found"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 2)])
def test_even_tasks_share_the_cores_where_one_would_be_idle(tasks: int, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    assert workers.side_by_side(tasks, even=True) == found
    assert workers.side_by_side(tasks, gpus=1, even=True) == 1
    monkeypatch.setenv("PRECEPTOR_WORKERS", "16")
    assert [workers.side_by_side(n, even=True) for n in (24, 25, 31)] == [24, 16, 16]


def test_worker_dies_with_its_parent() -> None:
    code = (
        "import os, time\nfrom preceptor.core import workers\n"
        "if __name__ == '__main__':\n"
        "    pool = workers.pool(1)\n    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    pool.submit(time.sleep, 600)\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    for _ in range(50):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{worker}/stat") as f:  # a zombie nobody reaps is dead too
            if f.read().rsplit(")", 1)[1].split()[0] == "Z":
                return
        time.sleep(0.1)
    pytest.fail("the worker outlived its parent")


def test_errors_come_back_with_where_they_were_raised() -> None:
    with workers.pool(1) as pool, pytest.raises(ZeroDivisionError) as error:
        pool.submit(divmod, 1, 0).result()
    assert "In a worker process" in error.value.__notes__[0]
    with workers.pool(1) as pool, pytest.raises(PreceptorError, match=r"found: +3") as raised:
        pool.submit(refuse, 3).result()
    assert raised.value.found == 3


def test_a_worker_that_ends_breaks_the_pool_and_is_waited_for_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")
    with workers.pool(2) as pool:
        futures = [pool.submit(os._exit, 3), pool.submit(math.sqrt, 4)]
        for future in futures:
            with pytest.raises(BrokenExecutor, match="code 3"):
                future.result(timeout=60)
        with pytest.raises(BrokenExecutor):
            pool.submit(math.sqrt, 4)


def test_progress_reaches_the_leader() -> None:
    told: list[float] = []
    with workers.pool(2, advance=told.append) as pool:
        assert [f.result() for f in [pool.submit(work, 5), pool.submit(work, 7)]] == [5, 7]
    assert sum(told) == 12
    workers.advance(1)  # nobody to tell: nothing happens


def test_an_error_of_the_caller_stops_the_workers() -> None:
    def interrupted() -> None:
        with workers.pool(1) as pool:
            pool.submit(os.getpid).result()
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 60


def test_a_script_without_a_main_guard_may_use_workers() -> None:
    code = "import math\nfrom preceptor.core import workers\nprint(workers.pool(1).submit(math.sqrt, 4).result())"
    done = subprocess.run(
        [sys.executable, "-"], input=code, capture_output=True, text=True, check=True, timeout=60, env=ENVIRONMENT
    )
    assert done.stdout == "2.0\n"


def refuse(found: int) -> None:
    raise PreceptorError("No", found=found)


def work(amount: int) -> int:
    for _ in range(amount):
        workers.advance(1)
    return amount
