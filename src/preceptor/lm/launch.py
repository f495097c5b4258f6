"""A run that several processes train together (`lm.processes`): the task starts torchrun, and torchrun starts them, all on the
task's machine.

The processes say how far they are, and what went wrong, by files of a temporary folder, and end with the task, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from preceptor.core import disk, processes, terminal, workers
from preceptor.core.errors import PreceptorError
from preceptor.lm.run import Run

_LOOK_SECONDS = 0.5  # between two looks at how far they are
_TOLD = struct.Struct("<d")


def launch(run: Run) -> None:
    """Train and evaluate the run by `run.config.processes` processes; finished parts are skipped.

    Raises what the first of them raises that isn't the loss of another, or PreceptorError where they end without a word.
    """
    with tempfile.TemporaryDirectory(prefix="preceptor-") as name:
        home = Path(name)
        (home / "run").write_bytes(pickle.dumps(run))
        process = subprocess.Popen(
            [sys.executable, "-m", "preceptor.lm.launch", name, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        )
        done = 0.0
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_SECONDS)
                now = _heard(home)
                workers.advance(now - done)
                done = now
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            raise _error(run, home, process.returncode)


def main() -> None:
    """Run by `launch` as torchrun, which starts `lm.worker` for each of the run's processes."""
    name, parent = sys.argv[1:]
    processes.die_with(int(parent))
    from torch.distributed.run import main as torchrun

    count = pickle.loads((Path(name) / "run").read_bytes()).config.processes
    torchrun(["--standalone", f"--nproc-per-node={count}", "-m", "preceptor.lm.worker", name, str(os.getpid())])


def one(home: Path, parent: int, train: Callable[[Run, Callable[[float], None]], None]) -> None:
    """Be one of the run's processes. home: the folder of `launch`. parent: the process that ends this one with itself."""
    processes.die_with(parent)
    with terminal.guarded():
        _one(home, train)


def _one(home: Path, train: Callable[[Run, Callable[[float], None]], None]) -> None:
    from preceptor.lm import group

    run: Run = pickle.loads((home / "run").read_bytes())
    done = 0.0

    def tell(work: float) -> None:
        nonlocal done
        done += work
        if here.first:
            os.pwrite(told, _TOLD.pack(done), 0)

    here = group.join(run.config.device)
    told = os.open(home / "told", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        train(run, tell)
    except Exception as error:
        disk.write_atomic(home / f"error-{here.rank}", pickle.dumps(processes.portable(error)))
        raise
    finally:
        os.close(told)
        group.leave()


def _heard(home: Path) -> float:
    """The work that is done, as the first process says."""
    try:
        found = (home / "told").read_bytes()
    except FileNotFoundError:
        return 0.0
    return float(_TOLD.unpack(found)[0]) if len(found) == _TOLD.size else 0.0


def _error(run: Run, home: Path, code: int) -> Exception:
    found: list[Exception] = [pickle.loads(path.read_bytes()) for path in sorted(home.glob("error-*"))]
    own = [error for error in found if "Another process of this run is gone" not in str(error)]
    if own or found:
        return (own or found)[0]
    return PreceptorError(
        "The processes of a run ended without a word",
        where=run.folder,
        found=f"torchrun ended with code {code}",
        expected=f"{run.config.processes} processes on one machine",
        remedy=f"see the lines above (memory?); then {disk.AGAIN}",
    )


if __name__ == "__main__":
    main()
