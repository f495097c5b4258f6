"""Full-catalogue ranking of targets: every item is a candidate, no negatives are sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from preceptor.core import metrics, rng
from preceptor.data.rows import Targets

TOP = 10  # items kept of each list, for coverage and popularity


class Scorer(Protocol):
    """Anything that scores the catalogue after a history."""

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        """float32 [rows, items]: the higher, the better. Only histories may be read, never the target items."""
        ...


@dataclass(frozen=True)
class Ranked:
    """rank: int32 [targets], 1 = best, ties against the model. top: int32 [targets, TOP], best first, −1 beyond the end."""

    rank: np.ndarray
    top: np.ndarray


def rank_targets(scorer: Scorer, targets: Targets, mask_history: bool, batch: int = 256) -> Ranked:
    """Rank every target among the whole catalogue. With `mask_history` items of the history are not offered.

    Targets are visited by length of history, so that a batch pads little; the result is in the order given.
    """
    n = len(targets)
    rank, top = np.empty(n, dtype=np.int32), np.full((n, TOP), -1, dtype=np.int32)
    order = np.argsort(targets.end - targets.start, kind="stable")
    wanted = targets.item
    for begin in range(0, n, batch):
        rows = order[begin : begin + batch]
        scores = scorer.scores(targets, rows)
        if mask_history:
            place, items = histories_of(targets, rows)
            scores[place, items] = -np.inf
        rank[rows] = metrics.ranks(scores, wanted[rows])
        top[rows, : scores.shape[1]] = best(scores, TOP)
    return Ranked(rank, top)


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """The k best items of each row, best first, equal scores by index; −1 for items not offered. int32 [rows, ≤ k]."""
    k = min(k, scores.shape[1])
    # the k-th best score is a threshold; stable order among what reaches it makes ties independent of the partition
    cut = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k, None]
    out = np.full((len(scores), k), -1, dtype=np.int32)
    for n, row in enumerate(scores):
        items = np.flatnonzero((row >= cut[n]) & (row > -np.inf))
        found = items[np.argsort(-row[items], kind="stable")][:k]
        out[n, : len(found)] = found
    return out


def histories_of(targets: Targets, rows: np.ndarray, longest: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The (last `longest`) history items of the rows, flat: (place in rows int64, item int32), oldest first."""
    end = targets.end[rows]
    size = end - targets.start[rows]
    if longest is not None:
        size = np.minimum(size, longest)
    place = np.repeat(np.arange(len(rows)), size)
    within = np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)
    return place, targets.sequence[np.repeat(end - size, size) + within]


def sampled_rows(n: int, count: int, seed: int) -> np.ndarray:
    """Numbers of a keyed sample of at most `count` of n targets, ascending, int64; 0 keeps all."""
    if not count or n <= count:
        return np.arange(n)
    return np.sort(rng.permutation(seed, "validation-targets", n)[:count]).astype(np.int64)


def subsample(targets: Targets, count: int, seed: int) -> Targets:
    """The targets of `sampled_rows`, in their order."""
    if not count or len(targets) <= count:
        return targets
    kept = sampled_rows(len(targets), count, seed)
    return Targets(targets.user[kept], targets.sequence, targets.start[kept], targets.end[kept])
