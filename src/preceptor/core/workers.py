"""Worker processes: how many, and a pool of them that dies with the run that started it.

The number is never part of a config: results don't depend on it. Each worker computes with a fixed number of threads, which
a config records, because floating-point sums do depend on that.

`pool` is the one seam to where tasks run: whatever gives `submit(task) -> Future` can take its place. Here it is processes of
their own interpreter (not forks: torch and numba hold threads that don't survive one; not re-imports of the caller's script:
a study can be started from any script or notebook). Standard library only, so that it works uninstalled.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any

import preceptor
from preceptor.core.errors import PreceptorError
from preceptor.core.terminal import guarded

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# glibc gives large blocks back to the system after each step and faults them in again: 3 % of a step, and more on some hosts.
_SURROUNDINGS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
_REPORT_SECONDS = 0.5  # between reports of a task's progress
_ADVANCE, _RESULT, _ERROR = range(3)


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


def pool(tasks: int, threads: int = 1, advance: Callable[[float], None] | None = None) -> Executor:
    """A pool of at most one process a task, each limited to `threads` compute threads. Use as a context manager.

    A task is a function that a fresh interpreter can import (not one of a script), with arguments that can be pickled. What
    it says of its progress (`advance` in this module) is handed to `advance` here, one call at a time. A worker whose parent
    is killed dies at once, so that it can't write into a folder which the next run has taken over. Left by an exception, the
    pool kills its workers.
    """
    return _Pool(max(1, min(count(), tasks)), threads, advance)


class _Pool(Executor):
    """Threads of this process, each of which hands tasks to one worker process and waits for its answers."""

    def __init__(self, size: int, threads: int, advance: Callable[[float], None] | None) -> None:
        self._size, self._threads, self._advance = size, threads, advance
        self._calls: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._workers: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []
        self._lock = threading.Lock()
        self._broken: BrokenExecutor | None = None

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        call = pickle.dumps((work, arguments, named))
        future: Future[Any] = Future()
        with self._lock:
            if self._broken:
                raise self._broken
            self._calls.put((future, call))
        if len(self._workers) < self._size:
            self._start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for future in self._waiting():
                future.cancel()
        for _ in self._workers:
            self._calls.put(None)
        for _, thread in self._workers if wait else ():
            thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            for process, _ in self._workers:
                process.kill()
        self.shutdown(cancel_futures=kind is not None)
        return None

    def _start(self) -> None:
        # the kernel ties a worker's life to the thread that started it: that of the caller, not one of ours
        # An interrupt is the parent's to answer: held back here, it can't end a worker that has only begun to start.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = self._spawn()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        thread = threading.Thread(target=self._feed, args=(process,), daemon=True)
        self._workers.append((process, thread))
        thread.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        source = str(Path(str(preceptor.__file__)).parents[1])
        return subprocess.Popen(
            [sys.executable, "-c", "from preceptor.core import workers; workers.serve()", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ
            | _SURROUNDINGS
            | dict.fromkeys(_THREAD_VARIABLES, str(self._threads))
            | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([source, *map(os.path.abspath, sys.path)]))},
        )

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        while (entry := self._calls.get()) is not None:
            future, call = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                kind, answer = self._ask(process, call)
            except OSError:
                with self._lock:
                    self._broken = BrokenExecutor(f"the worker process ended with code {process.wait()}")
                    lost = [f for f in self._waiting() if f.set_running_or_notify_cancel()]
                for one in (future, *lost):
                    one.set_exception(self._broken)
                return
            except Exception as error:  # an answer that can't be read
                kind, answer = _ERROR, error
            if kind == _ERROR:
                future.set_exception(answer)
            else:
                future.set_result(answer)
        process.stdin.close()  # this ends it
        process.wait()

    def _ask(self, process: subprocess.Popen[bytes], call: bytes) -> tuple[int, Any]:
        """The answer to a call; OSError where the process ends before it."""
        assert process.stdin is not None
        assert process.stdout is not None
        _send(process.stdin, call)
        while True:
            kind, answer = pickle.loads(_receive(process.stdout))
            if kind != _ADVANCE:
                return kind, answer
            if self._advance:
                with self._lock:
                    self._advance(answer)

    def _waiting(self) -> list[Future[Any]]:
        """The futures of calls that no worker has taken up; they are taken off the queue."""
        found: list[Future[Any]] = []
        try:
            while True:
                entry = self._calls.get_nowait()
                if entry is not None:
                    found.append(entry[0])
        except Empty:
            return found


class _Leader:
    """What a worker process knows of the process that gives it tasks."""

    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._done, self._said = 0.0, time.monotonic()

    def advance(self, work: float, now: bool = False) -> None:
        self._done += work
        if self._done and (now or time.monotonic() - self._said > _REPORT_SECONDS):
            self.answer(_ADVANCE, self._done)
            self._done, self._said = 0.0, time.monotonic()

    def answer(self, kind: int, content: Any) -> None:
        _send(self._answers, pickle.dumps((kind, content)))


_leader: _Leader | None = None  # set in worker processes


def advance(work: float) -> None:
    """Within a task: say that so much more is done. The pool's `advance` hears of it now and then, if a pool runs the task."""
    if _leader:
        _leader.advance(work)


def serve() -> None:
    """Run in a worker process: carry out calls from standard input until it ends, and answer on standard output."""
    global _leader
    _die_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    calls, _leader = os.fdopen(os.dup(0), "rb"), _Leader(os.fdopen(os.dup(1), "wb"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # a library's chatter must not mix with our answers
    with guarded():
        _serve(calls, _leader)


def _serve(calls: IO[bytes], leader: _Leader) -> None:
    while True:
        try:
            call = _receive(calls)
        except OSError:
            return
        try:
            work, arguments, named = pickle.loads(call)
            kind, content = _RESULT, work(*arguments, **named)
        except Exception as error:
            error.add_note(f"In a worker process:\n{traceback.format_exc()}")
            kind, content = _ERROR, _portable(error)
        leader.advance(0, now=True)
        leader.answer(kind, content)


def _portable(error: Exception) -> Exception:
    """The error, or one of its text where it can't be sent."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return error


def _die_with(parent: int) -> None:
    """End this process when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    """Covers systems without prctl, and a parent that died before prctl was called."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(struct.pack("<Q", len(content)) + content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes:
    """What `_send` wrote. Raises OSError where the other side is gone."""
    head = pipe.read(8)
    content = pipe.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else b""
    if not content:
        raise BrokenPipeError("the other side is gone")
    return content
