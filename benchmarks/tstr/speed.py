"""What a training step, a full cross-entropy and an evaluation of the ranking models cost beside their usual shape.

    python -m benchmarks.tstr.speed [--out results/tstr] [--rounds 24] [--cases step,loss,evaluation]

step        one update of SASRec (2 blocks, 64 wide, 2 heads, last 50 items, one drawn negative per position) against the
            shape of pmixer's SASRec.pytorch, written here: left-padded batches of 50, nn.MultiheadAttention, pointwise
            Conv1d, two lookups of positive and negative items, Adam. Both take the same histories of ml-100k, gradient and
            update included.
loss        full cross-entropy with its gradient against the padded version: logits of every position of the padded batch at
            once, F.cross_entropy with padding ignored. Same hidden states, same loss (compared after the rounds). Memory is
            the growth of a fresh process's peak.
evaluation  ranks of the target among all items, given the scores, against the usual way: torch.topk of 100, and a search for
            the target in them.

In a round both arms do the same work, one after the other in an order drawn anew, in this process, on one thread; a ratio is
the median over rounds of the peer's CPU time over ours, with a 95 % bootstrap interval of that median. Rows go to speed.csv.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.lm.trainer import median_ratio
from benchmarks.tstr.tables import replace
from preceptor.core import metrics
from preceptor.core.tables import row
from preceptor.data import read, sources
from preceptor.ranking.config import Recipe
from preceptor.ranking.histories import RealHistories
from preceptor.ranking.losses import full_cross_entropy, of_update
from preceptor.ranking.sasrec import SASRec
from preceptor.ranking.teach import Plain, lesson_loss

LENGTH, WIDTH, HEADS, BLOCKS, RATE = 50, 64, 2, 2, 1e-3
ITEMS = (1_682, 17_000)
POSITIONS = 3200


@dataclass(frozen=True)
class SpeedRow(row.Row):
    """A case: CPU milliseconds of both, their ratio with its interval, and MiB of memory where that is measured."""

    FILE: ClassVar[str] = "speed.csv"
    case: str
    ours_ms: float
    peer_ms: float
    ratio: float
    lo: float
    hi: float
    rounds: int
    ours_mib: float | None
    peer_mib: float | None


class PeerSASRec(nn.Module):
    """SASRec as pmixer's SASRec.pytorch is shaped: what most people run. Item 0 is the padding, on the left."""

    def __init__(self, n_items: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, WIDTH, padding_idx=0)
        self.places = nn.Embedding(LENGTH + 1, WIDTH, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH, eps=1e-8) for _ in range(2 * BLOCKS + 1))
        self.attention = nn.ModuleList(nn.MultiheadAttention(WIDTH, HEADS, dropout) for _ in range(BLOCKS))
        self.mix = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(WIDTH, WIDTH, 1), nn.Dropout(dropout), nn.ReLU(), nn.Conv1d(WIDTH, WIDTH, 1), nn.Dropout(dropout)
            )
            for _ in range(BLOCKS)
        )

    def forward(self, before: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.arange(1, before.shape[1] + 1).expand_as(before) * (before != 0)
        x = self.dropout(self.items(before) * WIDTH**0.5 + self.places(place))
        hidden = ~torch.tril(torch.ones(before.shape[1], before.shape[1], dtype=torch.bool))
        for k in range(BLOCKS):
            x = x.transpose(0, 1)
            query = self.norms[2 * k](x)
            x = (query + self.attention[k](query, x, x, attn_mask=hidden)[0]).transpose(0, 1)
            y = self.norms[2 * k + 1](x)
            x = self.mix[k](y.transpose(-1, -2)).transpose(-1, -2) + y
        x = self.norms[-1](x)
        return (x * self.items(positive)).sum(-1), (x * self.items(negative)).sum(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/tstr"))
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--cases", default="step,loss,evaluation")
    parser.add_argument("--peak", nargs=2, metavar=("ARM", "ITEMS"), help="used by the benchmark itself")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.peak:
        print(peak(args.peak[0], int(args.peak[1])))
        return
    for case in args.cases.split(","):
        for found in {"step": step, "loss": loss, "evaluation": evaluation}[case](args.rounds):
            replace(args.out, SpeedRow, [found], "case")
            said = f"{found.case}: ours {found.ours_ms:.1f} ms, peer {found.peer_ms:.1f} ms, ratio {found.ratio:.2f}"
            print(f"{said} [{found.lo:.2f}, {found.hi:.2f}], {found.rounds} rounds", flush=True)


def step(rounds: int) -> list[SpeedRow]:
    train = read.read(sources.locate("ml-100k")).split().train
    recipe = Recipe(LENGTH, WIDTH, BLOCKS, HEADS, 0.2, RATE, loss="bce")
    ours, peer = SASRec(train.n_items, recipe, 0).train(), PeerSASRec(train.n_items, 0.2).train()
    source = Plain(RealHistories(train, LENGTH, POSITIONS, 0))
    adams = [torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.98)) for model in (ours, peer)]
    draws = np.random.Generator(np.random.Philox(2))

    def our_step(update: int) -> None:
        value, _ = lesson_loss(ours, source.lesson(update), of_update("bce", 0, update))
        _descend(adams[0], value)

    def peer_step(update: int) -> None:
        lesson = source.lesson(update)  # both pay for the batch
        padded = np.zeros((3, len(lesson.items), LENGTH), np.int64)
        for b, (items, n) in enumerate(zip(lesson.items, lesson.lengths, strict=True)):
            padded[0, b, LENGTH - n + 1 :] = items[: n - 1] + 1
            padded[1, b, LENGTH - n + 1 :] = items[1:n] + 1
        padded[2] = draws.integers(1, train.n_items + 1, padded[2].shape)
        before, positive, negative = torch.from_numpy(padded)
        real = positive != 0
        good, bad = peer(before, positive, negative)
        _descend(adams[1], (F.softplus(-good[real]) + F.softplus(bad[real])).mean())

    ms = paired(our_step, peer_step, rounds)
    return [_row("step, 1,682 items, one negative", ms, rounds)]


def loss(rounds: int) -> list[SpeedRow]:
    rows = []
    for n_items in ITEMS:
        ours, peer = _losses(n_items)
        values = {}

        def our_loss(update: int, ours: Callable[[], float] = ours, values: dict[str, float] = values) -> None:
            values["ours"] = ours()

        def peer_loss(update: int, peer: Callable[[], float] = peer, values: dict[str, float] = values) -> None:
            values["peer"] = peer()

        ms = paired(our_loss, peer_loss, rounds)
        assert abs(values["ours"] - values["peer"]) < 1e-4 * values["peer"], values
        mib = [
            float(
                subprocess.run(
                    [sys.executable, "-m", __spec__.name, "--peak", arm, str(n_items)], check=True, capture_output=True
                ).stdout
            )
            for arm in ("ours", "peer")
        ]
        rows.append(_row(f"full cross-entropy, {n_items:,} items", ms, rounds, *mib))
    return rows


def evaluation(rounds: int) -> list[SpeedRow]:
    rows = []
    for n_items in ITEMS:
        random = np.random.Generator(np.random.Philox(3))
        scores = random.normal(size=(512, n_items)).astype(np.float32)
        target = random.integers(0, n_items, 512)
        found: dict[str, float] = {}

        def ours(
            update: int, scores: np.ndarray = scores, target: np.ndarray = target, found: dict[str, float] = found
        ) -> None:
            rank = metrics.ranks(scores, target)
            found["ours"] = float(metrics.ndcg(rank, 10).mean() + metrics.recall(rank, 100).mean())

        def peer(
            update: int, scores: np.ndarray = scores, target: np.ndarray = target, found: dict[str, float] = found
        ) -> None:
            _, top = torch.topk(torch.from_numpy(scores), 100, dim=-1)
            hit = (top == torch.from_numpy(target)[:, None]).numpy()
            place = np.where(hit.any(1), hit.argmax(1) + 1, 1 << 30)
            found["peer"] = float(metrics.ndcg(place, 10).mean() + metrics.recall(place, 100).mean())

        ms = paired(ours, peer, rounds)
        assert abs(found["ours"] - found["peer"]) < 1e-9, found
        rows.append(_row(f"evaluation, {n_items:,} items, 512 targets", ms, rounds))
    return rows


def paired(
    ours: Callable[[int], None], peer: Callable[[int], None], rounds: int, each: int = 3
) -> tuple[list[float], list[float]]:
    """CPU milliseconds per piece of work of both, by round; one round before the first doesn't count."""
    draws = np.random.Generator(np.random.Philox(0))
    spent: tuple[list[float], list[float]] = ([], [])
    for at in range(-1, rounds):
        for arm in draws.permutation(2):
            begin = time.process_time()
            for k in range(each):
                (ours, peer)[arm](max(at, 0) * each + k)
            if at >= 0:
                spent[arm].append(1000 * (time.process_time() - begin) / each)
    return spent


def peak(arm: str, n_items: int) -> float:
    """MiB by which one loss and its gradient raise this process's peak."""
    work = _losses(n_items)[arm == "peer"]
    before = _most_memory()
    work()
    return _most_memory() - before


def _most_memory() -> float:
    """MiB that this process has held at most. getrusage would count what the process that started it held."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _losses(n_items: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """The full cross-entropy of a padded batch and its gradient: ours on what counts, the usual one on all of it.

    Lengths are those of real histories cut at 50, drawn with a mean of about 30.
    """
    random = np.random.Generator(np.random.Philox(1))
    n = np.minimum(random.geometric(1 / 40, POSITIONS // LENGTH) + 1, LENGTH)
    counted = torch.from_numpy(np.arange(LENGTH) < n[:, None])
    hidden = torch.from_numpy(random.normal(size=(len(n), LENGTH, WIDTH)).astype(np.float32)).requires_grad_()
    items = torch.from_numpy((random.normal(size=(n_items, WIDTH)) / 8).astype(np.float32)).requires_grad_()
    target = torch.from_numpy(random.integers(0, n_items, (len(n), LENGTH)))
    ignored = torch.where(counted, target, -100)

    def clean() -> None:
        hidden.grad = items.grad = None

    def ours() -> float:
        clean()
        value = full_cross_entropy(hidden[counted], items, target[counted])
        value.backward()
        return float(value.detach())

    def peer() -> float:
        clean()
        logits = hidden @ items.T
        value = F.cross_entropy(logits.view(-1, n_items), ignored.view(-1), ignore_index=-100)
        value.backward()
        return float(value.detach())

    return ours, peer


def _descend(adam: torch.optim.Adam, value: Tensor) -> None:
    adam.zero_grad(set_to_none=True)
    value.backward()
    adam.step()


def _row(case: str, ms: tuple[list[float], list[float]], rounds: int, *mib: float) -> SpeedRow:
    ours, peer = (float(np.median(m)) for m in ms)
    value, low, high = median_ratio(ms[1], ms[0])
    return SpeedRow(case, ours, peer, value, low, high, rounds, *(mib or (None, None)))


if __name__ == "__main__":
    main()
