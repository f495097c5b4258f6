"""Worker processes: how many, and a pool whose workers die with the run that started them.

The number is never part of a config: results don't depend on it. Each worker computes with a fixed number of threads, which
a config records, because floating-point sums do depend on that.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

from preceptor.core.errors import PreceptorError

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def count() -> int:
    """Worker processes to run side by side: the environment variable PRECEPTOR_WORKERS, else the cores we may use."""
    given = os.environ.get("PRECEPTOR_WORKERS")
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdigit() or int(given) < 1:
        raise PreceptorError(
            "Bad number of workers", where="environment variable PRECEPTOR_WORKERS", found=given, expected="an integer ≥ 1"
        )
    return int(given)


def pool(tasks: int, threads: int = 1) -> ProcessPoolExecutor:
    """A pool of spawned processes, at most one a task, each limited to `threads` compute threads.

    Spawned, not forked: torch and numba hold threads that don't survive a fork. A worker whose parent is killed dies at
    once, so that it can't write into a folder which the next run has taken over.
    """
    return ProcessPoolExecutor(
        max_workers=max(1, min(count(), tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(threads, os.getpid()),
    )


def _start(threads: int, parent: int) -> None:
    """Runs first in a worker, before torch or numba are imported there."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """Covers systems without prctl, and a parent that died before prctl was called."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
