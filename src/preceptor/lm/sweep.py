"""A grid of runs over worker processes, the longest first; finished runs are skipped."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import as_completed
from pathlib import Path

from preceptor.core import disk, workers
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress, say
from preceptor.curriculum.stream import Stream
from preceptor.lm import worker
from preceptor.lm.config import LMConfig
from preceptor.lm.grid import remaining_tokens, run_name, size_of, trunks
from preceptor.lm.run import Run, started_by_torchrun


def sweep(config: LMConfig, stream: Stream, sets: Mapping[str, Path], out: Path) -> None:
    """Train every run of the grid into `out`/<run>, as many side by side as there are workers.

    sets: folders of the evaluation sets by name. Progress counts floating-point operations, since large models
    pay more for a token.
    Raises PreceptorError when a run fails.
    """
    if started_by_torchrun():
        together(config, stream.folder, sets, out)
        return
    total, left = 0, []
    for depth, trunk in trunks(config):
        folder = out / run_name(depth, trunk)
        cost = size_of(config, depth, stream.vocab_size, stream.context).flops_per_token
        if not (folder / "trunk.json").exists():
            total += remaining_tokens(config, stream.block_tokens, folder) * cost
            left.append(Run(config, depth, trunk, stream.folder, dict(sets), folder, cost))
    with (
        Progress("language models", total, "FLOP") as progress,
        workers.pool(len(left), config.threads, progress.advance, config.gpus, config.processes) as pool,
    ):
        futures = {pool.submit(workers.Task(run.folder.name, worker.train), run): run for run in left}
        for future in as_completed(futures):
            error = future.exception()
            ours = isinstance(error, Exception) and (isinstance(error, PreceptorError) or disk.explanation(error, out))
            if error is None or ours:
                future.result()
                continue
            for note in getattr(error, "__notes__", ()):
                say(note)
            raise PreceptorError(
                "Training failed",
                where=futures[future].folder,
                found=f"{type(error).__name__}: {error}",
                remedy="see the lines above",
            ) from error


def together(config: LMConfig, curriculum: Path, sets: Mapping[str, Path], out: Path) -> None:
    """Train the runs one after the other, each by all processes of torchrun; every one of them calls this."""
    for depth, trunk in trunks(config):
        worker.train(Run(config, depth, trunk, curriculum, dict(sets), out / run_name(depth, trunk), 0))
