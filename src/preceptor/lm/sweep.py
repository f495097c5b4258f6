"""A grid of runs over worker processes, the longest first; finished runs are skipped."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue

import preceptor
from preceptor.core import workers
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.curriculum.stream import Stream
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import remaining_tokens, run_name, size_of, trunks

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
# glibc gives large blocks back to the system after each step and faults them in again: 3 % of a step, and more on some hosts.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_TRIM_THRESHOLD_": str(1 << 30), "OMP_WAIT_POLICY": "PASSIVE"}


def sweep(config: LMConfig, stream: Stream, sets: Mapping[str, Path], out: Path) -> None:
    """Train every run of the grid into `out`/<run>, as many side by side as there are workers.

    sets: folders of the evaluation sets by name. Progress counts floating-point operations, since large models
    pay more for a token.
    Raises PreceptorError when a worker fails.
    """
    queue: SimpleQueue[tuple[dict, int]] = SimpleQueue()
    total, n = 0, 0
    for depth, trunk in trunks(config):
        folder = out / run_name(depth, trunk)
        cost = size_of(config, depth, stream.vocab_size, stream.context).flops_per_token
        left = remaining_tokens(config, stream.block_tokens, folder)
        if not (folder / "trunk.json").exists():
            n += 1
            total += left * cost
            task = {"config": dataclasses.asdict(config), "depth": depth, "trunk": trunk, "curriculum": str(stream.folder)}
            queue.put((task | {"sets": {k: str(v) for k, v in sets.items()}, "folder": str(folder)}, cost))
    with Progress("language models", total, "FLOP") as progress:
        pool = [_Worker(queue, progress, config.threads) for _ in range(min(n, workers.count()))]
        try:
            for w in pool:
                w.start()
            for w in pool:
                while w.is_alive():
                    w.join(0.2)
                    if any(x.failure for x in pool):
                        break
        finally:
            for w in pool:
                w.stop()
    for w in pool:
        if w.failure:
            raise PreceptorError("Training failed", where=w.failure[0], found=w.failure[1], remedy="see the lines above")


class _Worker(threading.Thread):
    """Feeds one worker process and reads its progress."""

    lock = threading.Lock()

    def __init__(self, queue: SimpleQueue[tuple[dict, int]], progress: Progress, threads: int) -> None:
        super().__init__(daemon=True)
        self.queue, self.progress = queue, progress
        self.failure: tuple[str, str] | None = None
        source = str(Path(str(preceptor.__file__)).parents[1])
        path = os.pathsep.join(p for p in (source, os.environ.get("PYTHONPATH", "")) if p)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "preceptor.lm.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | _KEEP_MEMORY | {"PYTHONPATH": path, **dict.fromkeys(_THREADS, str(threads))},
        )

    def run(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        while True:
            try:
                task, cost = self.queue.get_nowait()
            except Empty:
                break
            with contextlib.suppress(BrokenPipeError):  # the missing answer tells below
                print(json.dumps(task), file=self.process.stdin, flush=True)
            finished = False
            while not finished and (line := self.process.stdout.readline()):
                answer = json.loads(line)
                finished = "done" in answer
                with self.lock:
                    self.progress.advance(answer["tokens"] * cost)
            if not finished:
                self.failure = (task["folder"], f"the worker process ended with code {self.process.wait()}")
                return

    def stop(self) -> None:
        """End the process; harmless when it has ended."""
        self.process.kill()
        self.process.wait()
