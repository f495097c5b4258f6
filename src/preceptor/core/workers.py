"""Where tasks run, and how many side by side: the one seam to worker processes here, and to machines elsewhere.

`pool` gives `submit(task) -> Future`. Behind it are processes of this machine (`core/processes.py`), or, within `on("ray", …)`,
Ray's workers (`core/ray_engine.py`); nothing else in the package knows which. The number of workers is never part of a config:
results don't depend on it. A task returns a small thing; data go through files below a folder that every machine sees.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Protocol

from preceptor.core.errors import PreceptorError
from preceptor.core.processes import Advance, Pool, Task
from preceptor.core.processes import advance as say_advance

__all__ = ["LOCAL", "Task", "advance", "alone", "check_engine", "count", "on", "pool"]

LOCAL, RAY = "local", "ray"
ENGINES = f"{LOCAL}, {RAY} or {RAY}://host:port"


class Elsewhere(Protocol):
    """An engine other than the processes of this machine."""

    def pool(self, tasks: int, threads: int, gpus: int, processes: int, advance: Advance | None) -> Executor:
        """As `pool` of this module."""

    def close(self) -> None:
        """Part from it."""


_elsewhere: list[Elsewhere] = []  # the engine in use, if it isn't this machine's processes


def count() -> int:
    """Worker processes to run side by side here: the environment variable PRECEPTOR_WORKERS, else the cores we may use."""
    given = os.environ.get("PRECEPTOR_WORKERS")
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdigit() or int(given) < 1:
        raise PreceptorError(
            "Bad number of workers", where="environment variable PRECEPTOR_WORKERS", found=given, expected="an integer ≥ 1"
        )
    return int(given)


def alone() -> bool:
    """Whether a pool would have one process here, so that a caller may as well carry out its tasks itself."""
    return not _elsewhere and count() == 1


def elsewhere() -> bool:
    """Whether tasks may go to other machines."""
    return bool(_elsewhere)


def check_engine(engine: str) -> None:
    """Refuse a name that is no engine's."""
    kind, _, address = engine.partition("://")
    host, _, port = address.rpartition(":")
    if not (engine in {LOCAL, RAY} or (kind == RAY and host and port.isdigit())):
        raise PreceptorError("No such engine", where="--engine", found=engine, expected=ENGINES)


@contextlib.contextmanager
def on(engine: str, shared: Path) -> Iterator[None]:
    """Within, pools run their tasks on `engine`: local, ray (a cluster of this machine alone), or ray://host:port (one that is
    there).

    shared: the folder that every machine sees, below which tasks read and write. Raises PreceptorError where the engine isn't
    installed or can't be reached.
    """
    check_engine(engine)
    if engine == LOCAL:
        yield
        return
    if _elsewhere:
        raise RuntimeError("an engine is in use already")
    from preceptor.core.ray_engine import RayEngine

    _elsewhere.append(RayEngine(engine.partition("://")[2], shared, count()))
    try:
        yield
    finally:
        _elsewhere.pop().close()


def pool(
    tasks: int,
    threads: int = 1,
    advance: Callable[[float], None] | None = None,
    gpus: int = 0,
    processes: int = 1,
    even: bool = False,
) -> Executor:
    """A pool of at most one worker per task, each limited to `threads` compute threads. Use as a context manager.

    A task is a function that a fresh interpreter can import (not one of a script), with arguments that can be pickled, by
    preference a `Task`, which has a name. What it says of its progress (`advance` in this module) is handed to `advance` here,
    one call at a time. A worker whose parent is killed dies at once, so that it can't write into a folder which the next run
    has taken over. Left by an exception, the pool kills its workers. gpus: of a task; here such tasks go one after the other.
    processes: that a task keeps busy, with `threads` each. even: that the tasks take equally long; then three of them share two
    cores here, where otherwise a core would be idle during the third. At most half as many workers more than cores: each has
    memory of its own.
    """
    if _elsewhere:
        return _elsewhere[0].pool(tasks, threads, gpus, processes, advance)
    return Pool(side_by_side(tasks, processes, gpus, even), threads, advance)


def side_by_side(tasks: int, processes: int = 1, gpus: int = 0, even: bool = False) -> int:
    """How many tasks a pool carries out at a time on this machine. Those that need a GPU would all take the first one."""
    at_once = 1 if gpus else max(1, min(count() // processes, tasks))
    return tasks if even and at_once < tasks <= 1.5 * at_once else at_once


def advance(work: float) -> None:
    """Within a task: say that so much more is done. The pool's `advance` hears of it now and then, if a pool runs the task."""
    say_advance(work)
