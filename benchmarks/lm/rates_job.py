"""One run of rates.py, in a module of its own so that a worker process can import it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.lm.config import LMConfig

SET = "uih-in-graph"


def job(curriculum: Path, config: LMConfig, depth: int) -> list[tuple[int, float, float]]:
    """(tokens, loss, excess) of each budget of one run."""
    import torch

    from preceptor.lm.train import train_run

    torch.set_num_threads(1)
    tested = EvalSet.load(curriculum / "eval" / SET)
    with tempfile.TemporaryDirectory() as folder:
        train_run(config, depth, 0, Stream.open(curriculum), {SET: tested}, Path(folder))
        found = []
        for tokens in config.tokens:
            (one,) = json.loads((Path(folder) / "points" / f"{tokens}.json").read_text(encoding="utf-8"))["sets"]
            found.append((tokens, one["loss"], one["excess"]))
    return found
