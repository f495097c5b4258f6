"""Training SASRec on the CPU: what the compiled, keyed dropout saves of a whole step.

    python benchmarks/dropout.py [--out results/kernels/dropout.csv] [--seconds 30]

At the sizes of `quick` (1,682 items, width 64, two layers, 3,200 positions an update, histories of 20 and 50 items, dropout 0.2
and 0.5, full cross-entropy), the same training step alternates in one process on one thread, on models of equal weights:

compiled  preceptor.ranking.dropout: masks from (key, call), eight units a draw
torch     torch.nn.functional.dropout, from torch's global generator
keyed     torch's Bernoulli masks from a generator seeded by a key
none      no dropout at all, to show what there is to save

A step is the batch's loss, backward, clipping and fused Adam, as `ranking/train.py` makes it. The order is drawn anew each
round. A ratio is the median over rounds of another arm's CPU time over the compiled one's, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import numpy as np
import torch
from lm_cpu import median_ratio
from torch import nn
from torch.nn import functional as F

from preceptor.ranking.config import RankingConfig, Recipe
from preceptor.ranking.dropout import Dropout
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.train import batch_loss

ITEMS = 1682
ARMS = ("compiled", "torch", "keyed", "none")
WARM = 3


class Torch(nn.Module):
    """Torch's own dropout; from a generator of its own where `keyed`."""

    def __init__(self, p: float, keyed: bool) -> None:
        super().__init__()
        self.p = p
        self.generator = torch.Generator().manual_seed(0) if keyed else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.generator is None:
            return F.dropout(x, self.p, self.training)
        return x * torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator).div_(1 - self.p)


def main() -> None:
    """Print a line for each setting and arm, and write them all as CSV where asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0, help="CPU time for each setting, about")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = RankingConfig()
    rows = [row for n in config.lengths for p in config.dropouts for row in measure(config, n, p, args.seconds)]
    if args.out:
        with open(args.out, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measure(config: RankingConfig, length: int, p: float, budget: float) -> list[dict[str, Any]]:
    """A row for each arm other than the compiled one, at one setting."""
    recipe = Recipe(length=length, dim=config.dim, layers=config.layers, heads=config.heads, dropout=p)
    modules = {"compiled": Dropout(p, 0), "torch": Torch(p, False), "keyed": Torch(p, True), "none": nn.Identity()}
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
            loss, _ = batch_loss(models[arm], items, lengths)
            optimisers[arm].zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(models[arm].parameters()), 1.0)
            optimisers[arm].step()
            seconds[arm] = time.process_time() - start
        rounds.append(seconds)
    out = []
    for arm in ARMS[1:]:
        ratio, lo, hi = median_ratio([r[arm] for r in rounds[WARM:]], [r["compiled"] for r in rounds[WARM:]])
        ms = {a: 1e3 * float(np.median([r[a] for r in rounds[WARM:]])) for a in (arm, "compiled")}
        out.append(
            {
                "length": length,
                "dropout": p,
                "arm": arm,
                "rounds": len(rounds) - WARM,
                "ms_a_step": round(ms[arm], 1),
                "ms_a_step_compiled": round(ms["compiled"], 1),
                "ratio": round(ratio, 3),
                "low": round(lo, 3),
                "high": round(hi, 3),
            }
        )
        print(
            f"length {length}, dropout {p}: compiled {ms['compiled']:.1f} ms a step, {arm} {ms[arm]:.1f}; "
            f"ratio {ratio:.2f} [{lo:.2f}, {hi:.2f}], {len(rounds) - WARM} rounds",
            flush=True,
        )
    return out


if __name__ == "__main__":
    main()
