"""As much of Ray as `core/ray_engine.py` uses, in this process: workers are processes, machines and their loss are played."""

from __future__ import annotations

import contextlib
import sys
import threading
import types
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from preceptor.core import ray_worker, workers


class RayError(Exception):
    """What Ray raises of its own."""


class RayTaskError(RayError):
    """What a task raised."""


class FakeRay(types.ModuleType):
    """nodes_there: (host, node, CPUs, GPUs) of each machine. lose: so many attempts from now on are lost after they began."""

    def __init__(self) -> None:
        super().__init__("ray")
        self.nodes_there = [("here", "aaaa1111bbbb", 2, 0)]
        self.lose = 0
        self.attempts = 0
        self.asked: list[dict[str, Any]] = []
        self.began: list[dict[str, Any]] = []
        self.ended = 0
        self.refuse: Exception | None = None
        self.silent = 0  # times that a wait ends without an answer
        self._worker = threading.Lock()  # one worker, which does one task at a time, as Ray's do
        self.exceptions = types.SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
        self.cloudpickle = types.SimpleNamespace(register_pickle_by_value=lambda module: None)

    def is_initialized(self) -> bool:
        return False

    def init(self, **how: Any) -> None:
        if self.refuse:
            raise self.refuse
        self.began.append(how)

    def shutdown(self) -> None:
        self.ended += 1

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "NodeID": node, "NodeManagerHostname": host, "Resources": {"CPU": cpus, "GPU": gpus}}
            for host, node, cpus, gpus in self.nodes_there
        ]

    def get_runtime_context(self) -> Any:
        return types.SimpleNamespace(get_node_id=lambda: self.nodes_there[0][1])

    def remote(self, task: Callable[..., Iterator[Any]]) -> Any:
        def options(**asked: Any) -> Any:
            self.asked.append(asked)
            return types.SimpleNamespace(remote=lambda *given: _Stream(self, self._alone(task(*given))))

        return types.SimpleNamespace(options=options)

    def _alone(self, said: Iterator[Any]) -> Generator[Any, None, None]:
        with self._worker:
            yield from said

    def wait(self, streams: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        if self.silent:
            self.silent -= 1
            return [], streams
        return streams, []

    def get(self, said: Any) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    def cancel(self, stream: Any, force: bool) -> None:
        stream.lost = True


class _Stream:
    """What a task yields; it breaks off after its first word where the attempt is to be lost."""

    def __init__(self, ray: FakeRay, said: Generator[Any, None, None]) -> None:
        ray.attempts += 1
        self._said, self._number, self.lost = said, 0, ray.lose > 0
        ray.lose -= self.lost

    def __next__(self) -> Any:
        self._number += 1
        if self.lost and self._number > 1:
            self._said.close()
            return RayError("the worker died")
        return next(self._said)


@contextlib.contextmanager
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    """Within, `import ray` gives this; its workers' process ends with it."""
    fake = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", fake)
    yield fake
    if "process" in ray_worker._kept:
        ray_worker._kept["process"].end()
    ray_worker._kept.clear()


def at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pools carry out their tasks in this process, which has imported everything, where two workers are asked for."""
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    monkeypatch.setattr(workers, "pool", lambda tasks, threads=1, advance=None, **more: ThreadPoolExecutor(1))
