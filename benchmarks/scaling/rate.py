"""What a token costs to train on here, in CPU seconds of one thread: measured by size, for the plans of the scaling studies.

    python -m benchmarks.scaling.rate          # writes results/scaling/rates.csv; half a minute of one idle core

Each probe trains a model of the ladder on random tokens for some steps after others that aren't counted, and takes the least of
three CPU times per token: time on the clock says more of who else is at work. Between the probes a token costs
a + b·FLOP, both at least 0 by least squares. Evaluation, and what lies before the language models, isn't in it.
"""

from __future__ import annotations

import platform
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.scaling.cells import FOLDERS, Cell
from benchmarks.scaling.rows import read, write
from preceptor.lm.config import LMConfig
from preceptor.lm.ladder import rung

OUT = Path(__file__).parents[2] / "results" / "scaling" / "rates.csv"
HEAD = ("depth", "width", "vocab", "flops_per_token", "cpu_seconds_per_million_tokens", "processor")
PROBES = ((2, 16, 2200), (2, 64, 2200), (6, 48, 2200), (2, 192, 2200), (2, 64, 30_500))
CONTEXT, BATCH = 256, 512
STEPS, WARM = 12, 3
OTHER_ROWS = 520  # of the vocabulary: a small BPE and markers


def probe(depth: int, width: int, vocab: int) -> tuple[int, float]:
    """(FLOP per token, CPU seconds per token) of a size."""
    from preceptor.lm.checkpoints import new_model
    from preceptor.lm.learner import Learner

    config = LMConfig(depths=(depth,), aspect=width // depth, tokens=(1 << 20,), warmup=BATCH)
    size = rung(config, depth, vocab, CONTEXT)
    draws = np.random.default_rng(0)
    tokens = draws.integers(0, vocab, (64, CONTEXT)).astype(np.int32)
    stream: Any = SimpleNamespace(
        block=lambda b: tokens[b % 64], block_tokens=CONTEXT, context=CONTEXT, vocab_size=vocab, eos=0, first_code=1, meta={}
    )
    learner = Learner(config, size, stream, new_model(size, CONTEXT, 0, 0, 0), 1 << 20, 0)
    nowhere = Path("/nonexistent/state")
    learner.train_until(WARM, nowhere, lambda tokens: None)
    best = float("inf")
    for part in range(3):
        begun = time.process_time()
        learner.train_until(WARM + STEPS * (part + 1), nowhere, lambda tokens: None)
        best = min(best, (time.process_time() - begun) / (STEPS * BATCH))
    return size.flops_per_token, best


def cost_of(flops: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """(a, b) of seconds = a + b·FLOP per token, each at least 0, by least squares of relative errors."""
    from scipy.optimize import nnls

    found = nnls(np.stack([1 / seconds, flops / seconds], axis=1), np.ones(len(flops)))[0]
    return float(found[0]), float(found[1])


def cpu_seconds(cell: Cell) -> float:
    """CPU seconds of a cell's training, by the measured rates; nan where none were measured."""
    rows = read(OUT)
    if not rows:
        return float("nan")
    a, b = cost_of(*(np.array([float(r[name]) for r in rows]) for name in HEAD[3:5]))
    size = rung(cell.lm(), cell.size.depth, OTHER_ROWS + items_of(cell.log), CONTEXT)
    return cell.trained() * (a + b * size.flops_per_token) / 1e6


def items_of(log: str) -> int:
    """Items of a log, about."""
    settings = dict(part.split("=") for part in log.partition(":")[2].split(",") if part)
    return int(settings.get("n_items", FOLDERS.get(log, 1682)))


def main() -> None:
    rows = []
    for depth, width, vocab in PROBES:
        flops, seconds = probe(depth, width, vocab)
        values = (depth, width, vocab, flops, round(1e6 * seconds, 2), platform.processor() or platform.machine())
        rows.append(dict(zip(HEAD, values, strict=True)))
        print(*values, flush=True)
    write(OUT, rows)


if __name__ == "__main__":
    main()
