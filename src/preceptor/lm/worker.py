"""One run of a sweep, as a worker process carries it out. No torch until then: who leads a sweep doesn't load it."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path

from preceptor.core import workers
from preceptor.lm import launch
from preceptor.lm.run import Run, end, started_by_torchrun


def train_below(run: Run, home: Path) -> None:
    """As `train`, into `home`/runs/<name>, of which the run's folder is the name.

    A run by itself has no stage that samples from the base beforehand, so it does that too, to the same bytes.
    """
    if run.config.rehearsal:
        from preceptor.curriculum.stream import Stream
        from preceptor.lm import rehearsal

        rehearsal.make(run.config, Stream.open(run.curriculum), home)
    train(dataclasses.replace(run, folder=home / "runs" / run.folder))


def train(run: Run, tell: Callable[[float], None] = workers.advance) -> None:
    """Train and evaluate the run; finished parts are skipped. tell: hears of the work that is done.

    A run of several processes is handed to torchrun, unless that started this process.
    """
    if run.config.processes > 1 and not started_by_torchrun():
        launch.launch(run)
        return
    import torch
    import transformers

    from preceptor.curriculum.stream import EvalSet, Stream
    from preceptor.lm import bases, rehearsal, replay
    from preceptor.lm.group import Group
    from preceptor.lm.train import train_run

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(run.config.threads)
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(run.folder, os.O_RDONLY)
    try:
        if int(os.environ.get("RANK", "0")) == 0:  # the one that writes
            fcntl.flock(lock, fcntl.LOCK_EX)  # a worker whose parent was killed may still be writing its last bytes
        sets = {name: EvalSet.load(path) for name, path in run.sets.items()}
        Group().wait()  # what the stage makes before its runs is there now
        config = bases.of_run(run.config, run.depth, run.trunk)
        stream = replay.between(config, rehearsal.between(config, Stream.open(run.curriculum), run.folder.parents[1]))
        train_run(
            config, run.depth, run.trunk, stream, sets, run.folder,
            report=lambda tokens: tell(tokens * run.flops_per_token),
        )  # fmt: skip
    finally:
        os.close(lock)


if __name__ == "__main__":  # one of the processes that torchrun starts
    launch.one(Path(sys.argv[1]), int(sys.argv[2]), train)
    end(0)
