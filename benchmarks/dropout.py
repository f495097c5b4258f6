"""Training SASRec on the CPU: what keyed dropout costs or saves of a whole step, and what compiling it would save.

    python -m benchmarks.dropout [--out results/kernels/dropout.csv] [--seconds 20]

At the sizes of `quick` (1,682 items, width 64, two layers, 3,200 positions an update, histories of 20 and 50 items, dropout 0.2
and 0.5, full cross-entropy), the same training step alternates in one process on one thread, on models of equal weights:

ours      preceptor.ranking.dropout: masks from (key, call) in numpy, eight units a draw
compiled  the same masks filled by numba, as they were until 0.2.0 (kept here alone)
torch     torch.nn.functional.dropout, from torch's global generator
none      no dropout at all, to show what there is to save

A step is the batch's loss, backward, clipping and fused Adam, as `ranking/train.py` makes it. The order is drawn anew each
round. A ratio is the median over rounds of another arm's CPU time over ours, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from numba import njit, uint64
from torch import nn

from benchmarks.lm.cpu import median_ratio
from preceptor.core.rng import draw, stream_state
from preceptor.ranking.config import RankingConfig, Recipe
from preceptor.ranking.dropout import Dropout
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.teach import Lesson, lesson_loss

ITEMS = 1682
ARMS = ("ours", "compiled", "torch", "none")
WARM = 3


class Compiled(Dropout):
    """The same masks, filled by compiled code."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = np.empty(x.numel(), dtype=np.float32)
        fill(mask, self.key, np.uint64(self.calls), self.threshold, np.float32(256 / (256 - self.threshold)))
        self.calls += 1
        return x * torch.from_numpy(mask).view(x.shape)


@njit
def fill(mask: Any, key: Any, index: Any, threshold: Any, scale: Any) -> None:
    """mask[i] = 0 if byte i of the stream is below the threshold, else scale."""
    state = stream_state(key, index)
    full = len(mask) // 8
    zero = np.float32(0.0)
    for w in range(full):
        word = draw(state, uint64(w))
        for b in range(8):
            mask[w * 8 + b] = zero if ((word >> uint64(8 * b)) & uint64(255)) < threshold else scale
    word = draw(state, uint64(full))
    for i in range(full * 8, len(mask)):
        mask[i] = zero if ((word >> uint64(8 * (i - full * 8))) & uint64(255)) < threshold else scale


def main() -> None:
    """Print a line for each setting and arm, and write them all as CSV where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU time for each setting, about")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = RankingConfig()
    rows = [row for n in (20, 50) for p in config.dropouts for row in measure(config, n, p, args.seconds)]
    if args.out:
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measure(config: RankingConfig, length: int, p: float, budget: float) -> list[dict[str, Any]]:
    """A row for each arm other than ours, at one setting."""
    recipe = Recipe(length=length, dim=config.dim, layers=config.layers, heads=config.heads, dropout=p)
    modules = {"ours": Dropout(p, 0), "compiled": Compiled(p, 0), "torch": nn.Dropout(p), "none": nn.Identity()}
    models, optimisers = {}, {}
    for arm in ARMS:
        models[arm] = SASRec(ITEMS, recipe, 0).train()
        models[arm].dropout = modules[arm].train()
        optimisers[arm] = torch.optim.Adam(models[arm].parameters(), lr=2e-3, betas=(0.9, 0.98), fused=True)
    draws = np.random.Generator(np.random.Philox(0))
    batch = config.positions // length
    lengths = np.full(batch, length + 1, np.int32)
    rounds: list[dict[str, float]] = []
    begin = time.process_time()
    while len(rounds) < WARM + 20 or time.process_time() - begin < budget:
        items = draws.integers(0, ITEMS, (batch, length + 1), dtype=np.int32)
        seconds = {}
        for arm in (ARMS[i] for i in draws.permutation(len(ARMS))):
            start = time.process_time()
            loss, _ = lesson_loss(models[arm], Lesson(items, lengths))
            optimisers[arm].zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(models[arm].parameters()), 1.0)
            optimisers[arm].step()
            seconds[arm] = time.process_time() - start
        rounds.append(seconds)
    out = []
    for arm in ARMS[1:]:
        ratio, lo, hi = median_ratio([r[arm] for r in rounds[WARM:]], [r["ours"] for r in rounds[WARM:]])
        ms = {a: 1e3 * float(np.median([r[a] for r in rounds[WARM:]])) for a in (arm, "ours")}
        out.append(
            {
                "length": length,
                "dropout": p,
                "arm": arm,
                "rounds": len(rounds) - WARM,
                "ms_a_step": round(ms[arm], 1),
                "ms_a_step_ours": round(ms["ours"], 1),
                "ratio": round(ratio, 3),
                "low": round(lo, 3),
                "high": round(hi, 3),
            }
        )
        print(
            f"length {length}, dropout {p}: ours {ms['ours']:.1f} ms a step, {arm} {ms[arm]:.1f}; "
            f"ratio {ratio:.2f} [{lo:.2f}, {hi:.2f}], {len(rounds) - WARM} rounds",
            flush=True,
        )
    return out


if __name__ == "__main__":
    main()
