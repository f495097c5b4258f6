import os
import signal
import subprocess
import sys
import time

import pytest

from preceptor.core import workers
from preceptor.core.errors import PreceptorError


def test_worker_has_its_threads() -> None:
    with workers.pool(tasks=1, threads=1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_bad_number_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", given)
    with pytest.raises(PreceptorError, match=f"PRECEPTOR_WORKERS[\\s\\S]*{given}"):
        workers.count()


def test_worker_dies_with_its_parent() -> None:
    code = (
        "import os, time\nfrom preceptor.core import workers\n"
        "if __name__ == '__main__':\n"
        "    pool = workers.pool(1)\n    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    pool.submit(time.sleep, 600)\n    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": "src"}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
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
