"""Tasks on a Ray cluster: Ray Core alone, which finds a machine for each task and says when one is lost.

A Ray worker looks at its machine (`core/ray_worker.py`), then starts the same process that `core/processes.py` starts here, so
that a task has the same surroundings anywhere. No Ray Data, no runtime_env, no data in Ray's object store: a call and an answer
are a few hundred bytes. Ray is imported when it is asked for.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import preceptor
from preceptor.core import disk, ray_worker
from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.processes import ADVANCE, RESULT, Advance, name_of, packed
from preceptor.core.progress import say

TRIES = 3  # of a task whose worker or machine is lost
SKEW_SECONDS = 10.0  # by which a machine's clock may differ from the driver's
_CONNECT_SECONDS = 10.0
_PATIENCE = 20.0  # seconds of silence after which we look whether there is a machine left
_MOST_WAITING = 256  # tasks that Ray holds at a time
_TOKEN = ".shared-"


class RayEngine:
    """A cluster that runs at `address` ("host:port"), or, for "", one of this machine with `size` CPUs, which ends with us.

    shared: the folder that every machine must see.
    """

    def __init__(self, address: str, shared: Path, size: int) -> None:
        self._ray, self._shared = _ray(), shared
        self._ours = not self._ray.is_initialized()
        if self._ours:
            _connect(self._ray, address, size)
        try:
            self._token, self._secret = _mark(shared)
        except BaseException:
            self.close()
            raise

    def pool(self, tasks: int, threads: int, gpus: int, processes: int, advance: Advance | None) -> Executor:
        """A pool of at most one Ray worker per task, each with `threads` CPUs for each of its processes, and `gpus` GPUs."""
        room = _Room(threads * processes, gpus)
        room.check(self._ray)
        return _Pool(self._ray, card(self._token, self._secret, keep=not gpus), tasks, threads, room, advance)

    def close(self) -> None:
        """Take the mark away, and part from the cluster; one that we started ends."""
        with contextlib.suppress(OSError):
            for path in self._shared.glob(_TOKEN + "*"):
                path.unlink()
        if self._ours:
            self._ray.shutdown()


def card(token: Path, secret: str, keep: bool) -> dict[str, Any]:
    """What a worker compares its machine with. keep: whether its process waits for the pool's next task."""
    return {
        "version": preceptor.__version__,
        "source": ray_worker.source_digest(Path(str(preceptor.__file__)).parent),
        "token": str(token),
        "secret": secret,
        "pool": secrets.token_hex(8),
        "cwd": os.getcwd(),
        "keep": keep,
    }


@dataclass(frozen=True)
class _Room:
    """What a task takes of a machine."""

    cpus: int
    gpus: int

    def check(self, ray: Any) -> None:
        """Raise PreceptorError where no machine of the cluster could ever take a task."""
        there = [node for node in ray.nodes() if node["Alive"]]
        rooms = [(node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0)) for node in there]
        if any(cpu >= self.cpus and gpu >= self.gpus for cpu, gpu in rooms):
            return
        names = [f"{n['NodeManagerHostname']}, node {n['NodeID'][:8]}" for n in there]
        raise PreceptorError(
            "No machine of the cluster has room for a task",
            found=Lines([f"{name}: {cpu:g} CPUs, {gpu:g} GPUs" for name, (cpu, gpu) in zip(names, rooms, strict=True)]),
            expected=f"one with {self.cpus} CPUs and {self.gpus} GPUs",
            remedy="start a larger node (ray start --address=… --num-cpus=…), or ask for fewer threads",
        )


class _Pool(Executor):
    """Threads of the driver, each of which hands a task to Ray, hears what it says, and hands it over again where it's lost."""

    def __init__(
        self, ray: Any, of_driver: Mapping[str, Any], tasks: int, threads: int, room: _Room, advance: Advance | None
    ) -> None:
        self._ray, self._card, self._threads, self._room, self._advance = ray, of_driver, threads, room, advance
        self._waiting = ThreadPoolExecutor(max(1, min(tasks, _MOST_WAITING)), thread_name_prefix="ray")
        self._lock = threading.Lock()
        self._streams: set[Any] = set()
        self._stopped = False
        ray.cloudpickle.register_pickle_by_value(ray_worker)
        self._remote = ray.remote(_on_its_node()).options(
            num_returns="streaming", num_cpus=room.cpus, num_gpus=room.gpus, max_retries=0, scheduling_strategy="SPREAD"
        )

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        call = packed("A call", (work, arguments, named))
        return self._waiting.submit(self._carry_out, name_of(work), call)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._waiting.shutdown(wait=wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool | None:
        if kind is not None:
            with self._lock:
                self._stopped, running = True, list(self._streams)
            for stream in running:
                self._ray.cancel(stream, force=True)
        self.shutdown(cancel_futures=kind is not None)
        return None

    def _carry_out(self, name: str, call: bytes) -> Any:
        """The task's result. Raises what it raises, or PreceptorError where it was lost too often."""
        lost: list[str] = []
        while len(lost) < TRIES:
            attempt = _Attempt(name)
            try:
                for said in self._answers(call):
                    attempt.take(*said, tell=self._tell)
                    if attempt.ended:
                        return attempt.result()
                reason = attempt.died or "it ended without an answer"
            except self._ray.exceptions.RayTaskError:
                raise
            except self._ray.exceptions.RayError as error:
                reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            if self._stopped:
                raise RuntimeError(f"{name} was stopped")
            lost.append(f"{attempt.machine}: {reason}")
            self._tell(-attempt.told)
            if len(lost) < TRIES:
                say(f"{name} was lost on {attempt.machine} ({reason}); it is tried again")
        raise PreceptorError(
            f"A task was lost {TRIES} times",
            where=name,
            found=Lines(lost),
            remedy=f"look at these machines (memory?), or ask for fewer tasks side by side; then {disk.AGAIN}",
        )

    def _answers(self, call: bytes) -> Iterator[tuple[str, Any]]:
        """What a worker says, as it says it."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("the pool was stopped")
            stream = self._remote.remote(self._card, call, self._threads)
            self._streams.add(stream)
        try:
            while True:
                while not self._ray.wait([stream], timeout=_PATIENCE)[0]:
                    self._room.check(self._ray)
                try:
                    said = next(stream)
                except StopIteration:
                    return
                yield self._ray.get(said)
        finally:
            with self._lock:
                self._streams.discard(stream)

    def _tell(self, work: float) -> None:
        if self._advance and work:
            with self._lock:
                self._advance(work)


class _Attempt:
    """What the driver heard of one try of a task."""

    def __init__(self, name: str) -> None:
        self.machine, self.told, self.died, self.ended = "a machine that never answered", 0.0, "", False
        self._name, self._since = name, time.time()
        self._answer: tuple[int, Any] = (RESULT, None)

    def take(self, kind: str, content: Any, tell: Callable[[float], None]) -> None:
        """Take in what the worker says. Raises PreceptorError where its machine isn't fit."""
        if kind == ray_worker.STARTED:
            self.machine = content["machine"]
            _assert_clock(self.machine, content["time"], self._since, time.time())
        elif kind == ray_worker.REFUSED:
            raise PreceptorError(content.pop("problem"), where=f"machine {self.machine}", **content)
        elif kind == ray_worker.DIED:
            self.died = content
        else:
            sort, said = content[0], pickle.loads(content[1])
            if sort == ADVANCE:
                self.told += said
                tell(said)
            else:
                self.ended, self._answer = True, (sort, said)

    def result(self) -> Any:
        """What the task returned. Raises what it raised; an error that a person can act on, such as a full disk, names the
        machine."""
        kind, content = self._answer
        if kind == RESULT:
            return content
        error = disk.explanation(content, self._name) or content
        if isinstance(error, PreceptorError):
            error = error.on(self.machine)
        error.add_note(f"{self._name}, on machine {self.machine}")
        raise error


def _on_its_node() -> Callable[..., Iterator[tuple[str, Any]]]:
    """`ray_worker.carry_out` for Ray: it adds the node's name, which Ray alone knows. Sent by value too."""
    carry_out = ray_worker.carry_out

    def task(of_driver: Mapping[str, Any], call: bytes, threads: int) -> Iterator[tuple[str, Any]]:
        import ray

        yield from carry_out(of_driver, call, threads, ray.get_runtime_context().get_node_id())

    return task


def _ray() -> Any:
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless a person asks for it
        if os.path.exists(os.path.expanduser("~/.ray/auth_token")):
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # as `ray start` takes it; joining a cluster doesn't by itself
        import ray
    except ImportError as error:
        raise PreceptorError(
            "Ray isn't installed", where="--engine", found=error, remedy="pip install 'preceptor[ray]', on every machine"
        ) from None
    return ray


def _connect(ray: Any, address: str, size: int) -> None:
    quiet = {"logging_level": "ERROR", "configure_logging": False}
    if not address:
        ray.init(address="local", num_cpus=size, include_dashboard=False, **quiet)
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()
        ray.init(address=address, **quiet)
    except Exception as error:
        here = platform.node()
        raise PreceptorError(
            "The Ray cluster can't be joined",
            where=f"ray://{address}, from machine {here}",
            found=f"{type(error).__name__}: {error}".partition("\n")[0],
            expected="the address that `ray start --head` printed, and a node of that cluster on this machine",
            remedy=f"on this machine: ray start --address={address} (with --num-cpus=0 if it shall do no tasks); with the same"
            " versions of Python and Ray as the head",
        ) from error


def _mark(shared: Path) -> tuple[Path, str]:
    """Write the file by which a machine shows that it sees the folder; (path, content)."""
    secret = secrets.token_hex(16)
    token = shared.absolute() / f"{_TOKEN}{secret[:8]}"
    with disk.explained(shared):
        disk.write_atomic(token, secret)
    return token, secret


def _assert_clock(machine: str, theirs: float, since: float, now: float) -> None:
    """The machine's clock was read between two moments of ours. Raises PreceptorError where it can't have been."""
    off = theirs - now if theirs > now else min(0.0, theirs - since)
    if abs(off) > SKEW_SECONDS:
        raise PreceptorError(
            "The clock of a machine differs from the driver's",
            where=f"machine {machine}",
            found=f"{abs(off):.0f} s {'ahead' if off > 0 else 'behind'}",
            expected=f"at most {SKEW_SECONDS:.0f} s",
            remedy="set the clocks of all machines by NTP",
        )
