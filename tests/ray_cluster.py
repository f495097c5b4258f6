"""A Ray cluster of nodes on this machine, started by `ray start` and ended by process id. Nothing else here is touched."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
SRC = Path(__file__).parents[1] / "src"
# Read when ray is imported: nodes and drivers of these tests share a token of their own, whatever the home folder has.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
_PATIENCE = {  # for a busy machine
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_worker_register_timeout_seconds": "240",
    "RAY_agent_register_timeout_ms": "240000",
}


class Cluster:
    """address: of the head, host:port. nodes: the process of each `ray start --block`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{_free_port()}"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def start(self, cpus: int, source: Path = SRC, around: Sequence[str] = ()) -> None:
        """Start a node: the head, or one more. source: the Preceptor it imports. around: a command that starts it."""
        port = self.address.partition(":")[2]
        first = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        role = [f"--address={self.address}"] if self.nodes else first
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        asked = ["start", "--block", f"--num-cpus={cpus}", "--disable-usage-stats", "--node-ip-address=127.0.0.1", *role]
        with open(self._log(), "wb") as said:
            process = subprocess.Popen(
                [*around, *RAY, *asked],
                env=kept | _PATIENCE | {"PYTHONPATH": str(source), "RAY_worker_niceness": "0"},
                stdout=said,
                stderr=said,
            )
        self.nodes.append(process)
        self._wait(len(self.nodes))

    def _wait(self, nodes: int) -> None:
        code = (
            "import ray, sys\nray.init(address=sys.argv[1], logging_level='ERROR')\nprint(sum(n['Alive'] for n in ray.nodes()))"
        )
        until = time.monotonic() + 240
        while time.monotonic() < until:
            assert self.nodes[-1].poll() is None, self._log(-1).read_text()
            asked = [sys.executable, "-c", code, self.address]
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=240)
            if done.returncode == 0 and int(done.stdout.split()[-1]) >= nodes:
                return
            time.sleep(1)
        raise AssertionError("the nodes aren't there")

    def _log(self, more: int = 0) -> Path:
        return self.folder / f"node-{len(self.nodes) + more}.log"

    def kill(self, number: int) -> None:
        """Kill every process of a node at once, as when a machine loses its power."""
        for pid in [*descendants(self.nodes[number].pid), self.nodes[number].pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.nodes[number].wait()

    def workers(self, number: int) -> list[int]:
        """Pids of the processes on a node that carry out tasks of Preceptor."""
        return [pid for pid in descendants(self.nodes[number].pid) if b"processes.serve()" in command(pid)]

    def stop(self) -> None:
        for number in reversed(range(len(self.nodes))):
            if self.nodes[number].poll() is None:
                self.kill(number)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Pids of all processes below a process, the deepest first."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [*descendants(child), child]
    return found


def command(pid: int) -> bytes:
    """The command line of a process; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_for(ready: Callable[[], object], seconds: float = 300.0) -> None:
    """Until something is so."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


@contextlib.contextmanager
def cluster(*cpus: int) -> Iterator[Cluster]:
    """A cluster of nodes with so many CPUs each. Its sockets need a short path, so it has a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    made = Cluster(folder)
    try:
        for number in cpus:
            made.start(number)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
