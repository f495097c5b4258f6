"""Worker processes of this machine: interpreters of their own that carry out calls and die with the process that started them.

Each is an interpreter of its own (not a fork: torch and numba hold threads that don't survive one; not a re-import of the
caller's script: a study can be started from any script or notebook). Each computes with a fixed number of threads, which a
config records, because floating-point sums depend on that. Standard library only, so that it works uninstalled.
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
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any

import preceptor
from preceptor.core import memory
from preceptor.core.terminal import guarded

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# glibc gives large blocks back to the system after each step and faults them in again: 3 % of a step, and more on some hosts.
_SURROUNDINGS = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}
_REPORT_SECONDS = 0.5  # between reports of a task's progress
SMALL = 1 << 20  # bytes of a call or an answer at most: data go through files
ADVANCE, RESULT, ERROR = range(3)
Advance = Callable[[float], None]


@dataclass(frozen=True)
class Task:
    """A function with a name by which errors call what it does: `pool.submit(Task("run L4-s1", train), run)`."""

    name: str
    work: Callable[..., Any]

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.work(*arguments, **named)


def name_of(work: Callable[..., Any]) -> str:
    """What errors call a task."""
    return work.name if isinstance(work, Task) else getattr(work, "__qualname__", repr(work))


def packed(what: str, content: Any) -> bytes:
    """A call or an answer as bytes. Raises ValueError where it is no small thing."""
    found = pickle.dumps(content)
    if len(found) > SMALL:
        raise ValueError(f"{what} has {len(found):,} bytes, and data go through files: at most {SMALL:,}")
    return found


class Process:
    """A worker process of `threads` compute threads. folder: where it works; None: where we do."""

    def __init__(self, threads: int, folder: str | None = None) -> None:
        # An interrupt is the parent's to answer: held back here, it can't end a worker that has only begun to start.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = _spawn(threads, folder)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def answers(self, call: bytes) -> Iterator[tuple[int, bytes]]:
        """What it answers to a packed (work, arguments, named): (ADVANCE, packed amount) now and then, at last (RESULT, packed
        value) or (ERROR, packed exception). Raises OSError where the process ends before that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _send(self._process.stdin, call)
        kind = ADVANCE
        while kind == ADVANCE:
            content = _receive(self._process.stdout)
            kind = content[0]
            yield kind, content[1:]

    def code(self) -> int:
        """The exit status of a process that has ended."""
        return self._process.wait()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def end(self) -> None:
        """Let it end, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # this ends it
        self._process.wait()


class Pool(Executor):
    """Threads of this process, each of which hands tasks to one worker process and waits for its answers.

    size: of processes at most. advance: hears of the tasks' progress, one call at a time.
    """

    def __init__(self, size: int, threads: int, advance: Advance | None) -> None:
        self._size, self._threads, self._advance = size, threads, advance
        self._calls: SimpleQueue[tuple[Future[Any], bytes] | None] = SimpleQueue()
        self._workers: list[tuple[Process, threading.Thread]] = []
        self._lock = threading.Lock()
        self._broken: BrokenExecutor | None = None

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        call = packed("A call", (work, arguments, named))
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
        process = Process(self._threads)
        thread = threading.Thread(target=self._feed, args=(process,), daemon=True)
        self._workers.append((process, thread))
        thread.start()

    def _feed(self, process: Process) -> None:
        while (entry := self._calls.get()) is not None:
            future, call = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                kind, answer = self._ask(process, call)
            except OSError:
                with self._lock:
                    self._broken = BrokenExecutor(f"the worker process ended with code {process.code()}")
                    lost = [f for f in self._waiting() if f.set_running_or_notify_cancel()]
                for one in (future, *lost):
                    one.set_exception(self._broken)
                return
            except Exception as error:  # an answer that can't be read
                kind, answer = ERROR, error
            if kind == ERROR:
                future.set_exception(answer)
            else:
                future.set_result(answer)
        process.end()

    def _ask(self, process: Process, call: bytes) -> tuple[int, Any]:
        """The answer to a call; OSError where the process ends before it."""
        for kind, content in process.answers(call):
            if kind != ADVANCE:
                return kind, pickle.loads(content)
            if self._advance:
                with self._lock:
                    self._advance(pickle.loads(content))
        raise RuntimeError("a worker process gave no answer")

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
            self.answer(ADVANCE, pickle.dumps(self._done))
            self._done, self._said = 0.0, time.monotonic()

    def answer(self, kind: int, content: bytes) -> None:
        _send(self._answers, bytes([kind]) + content)


def _spawn(threads: int, folder: str | None) -> subprocess.Popen[bytes]:
    source = str(Path(str(preceptor.__file__)).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", "from preceptor.core import processes; processes.serve()", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=folder,
        env=os.environ
        | _SURROUNDINGS
        | dict.fromkeys((*_THREAD_VARIABLES, "PRECEPTOR_WORKERS"), str(threads))
        | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([source, *map(os.path.abspath, sys.path)]))},
    )


_leader: _Leader | None = None  # set in worker processes


def advance(work: float) -> None:
    """Within a task: say that so much more is done. The pool's `advance` hears of it now and then, if a pool runs the task."""
    if _leader:
        _leader.advance(work)


def serve() -> None:
    """Run in a worker process: carry out calls from standard input until it ends, and answer on standard output."""
    global _leader
    die_with(int(sys.argv[1]))
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
        answer = _answered(call)
        leader.advance(0, now=True)
        leader.answer(*answer)
        memory.release()


def _answered(call: bytes) -> tuple[int, bytes]:
    """What a packed call gives: (RESULT, packed value) or (ERROR, packed exception)."""
    try:
        work, arguments, named = pickle.loads(call)
        return RESULT, packed("A task's answer", work(*arguments, **named))
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return ERROR, pickle.dumps(portable(error))


def portable(error: Exception) -> Exception:
    """The error, or one of its text where it can't be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    return error


def die_with(parent: int) -> None:
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
