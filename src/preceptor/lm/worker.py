"""A worker process of a sweep: reads runs from standard input, trains them, reports progress on standard output.

A process of its own interpreter (not a fork, not a re-import of the caller's script): a sweep can be started from any script
or notebook. It ends with its parent: the kernel is asked to kill it then, and a broken pipe does it otherwise.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

REPORT_SECONDS = 0.5


def main() -> None:
    """Serve runs until standard input ends: a line of JSON each, {config, depth, trunk, curriculum, sets, folder}."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # a library's chatter must not mix with our lines
    for line in sys.stdin:
        _serve(json.loads(line), out)


def _serve(task: dict, out: TextIO) -> None:
    import torch
    import transformers

    from preceptor.curriculum.stream import EvalSet, Stream
    from preceptor.lm.config import LMConfig
    from preceptor.lm.train import train_run

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in task["config"].items()}
    config = LMConfig(**fields)
    torch.set_num_threads(config.threads)
    folder = Path(task["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # a worker whose parent was killed may still be writing its last bytes
    pending, shown = 0, time.monotonic()

    def report(tokens: int) -> None:
        nonlocal pending, shown
        pending += tokens
        if time.monotonic() - shown > REPORT_SECONDS:
            print(json.dumps({"tokens": pending}), file=out, flush=True)
            pending, shown = 0, time.monotonic()

    sets = {name: EvalSet.load(Path(path)) for name, path in task["sets"].items()}
    train_run(config, task["depth"], task["trunk"], Stream.open(Path(task["curriculum"])), sets, folder, report)
    print(json.dumps({"tokens": pending, "done": True}), file=out, flush=True)
    os.close(lock)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    main()
