"""Ranking metrics from the ranks of the target items in the whole catalogue.

One relevant item a target: Recall@k = 1[rank ≤ k] and NDCG@k = 1[rank ≤ k] / log2(1 + rank), so the ideal DCG is 1. No
negatives are sampled (Krichene & Rendle, KDD 2020: sampled metrics may reverse the order of models). Ties count against the
model: a constant score gives the last rank, not the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

KS = (1, 5, 10, 20, 50, 100)
METRICS = ("recall", "ndcg")
HEAD, MID, TAIL, UNSEEN = range(4)
GROUPS = ("head", "mid", "tail", "unseen")


def ranks(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pessimistic rank (1 = best) of target[n] in row n: the number of items whose score is at least the target's.

    scores: float [n, items]; −inf marks an item as not offered. A NaN counts as above the target, and a target that is itself
    −inf or NaN gets the last rank. Returns int32 [n].
    """
    return _ranks(np.ascontiguousarray(scores), np.asarray(target, dtype=np.int64))


def recall(ranks: np.ndarray, k: int) -> np.ndarray:
    """Recall@k of each target, float64."""
    return (ranks <= k).astype(np.float64)


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    """NDCG@k of each target, float64."""
    return np.where(ranks <= k, 1.0 / np.log2(1.0 + ranks), 0.0)


def value(metric: str, ranks: np.ndarray, k: int) -> np.ndarray:
    """`recall` or `ndcg` at k of each target, float64, shape of ranks."""
    return {"recall": recall, "ndcg": ndcg}[metric](ranks, k)


def item_balanced(values: np.ndarray, item: np.ndarray, popularity: np.ndarray) -> float:
    """Mean over target items that have training interactions of the mean over the item's targets; NaN if there are none.

    values: float [targets]; item: the target items; popularity: training interactions of every item.
    """
    keep = popularity[item] > 0
    sums = np.bincount(item[keep], weights=values[keep], minlength=len(popularity))
    counts = np.bincount(item[keep], minlength=len(popularity))
    met = counts > 0
    return float(np.mean(sums[met] / counts[met])) if met.any() else float("nan")


def user_balanced(values: np.ndarray, user: np.ndarray) -> float:
    """Mean over users of the mean over the user's targets: heavy users weigh no more than others. NaN if empty."""
    if not len(values):
        return float("nan")
    _, index = np.unique(user, return_inverse=True)
    return float(np.mean(np.bincount(index, weights=values) / np.bincount(index)))


def popularity_groups(popularity: np.ndarray, head: float = 0.5, mid: float = 0.8) -> np.ndarray:
    """HEAD, MID, TAIL or UNSEEN of every item, uint8.

    Items in falling order of training interactions (ties by index): those that together hold the first `head` share of all
    interactions are the head, up to the `mid` share the middle, the rest the tail; without interactions: unseen.
    """
    order = np.argsort(-popularity, kind="stable")
    before = (
        np.cumsum(popularity[order]) - popularity[order]
    )  # share held by more popular items decides, so head is never empty
    total = max(int(popularity.sum()), 1)
    group = np.full(len(popularity), TAIL, dtype=np.uint8)
    group[order[before < mid * total]] = MID
    group[order[before < head * total]] = HEAD
    group[popularity == 0] = UNSEEN
    return group


def coverage(top: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that stands in at least one list. top: int [targets, k], −1 where a list is shorter."""
    return len(np.unique(top[top >= 0])) / n_items


def mean_popularity(top: np.ndarray, popularity: np.ndarray) -> float:
    """Mean popularity rank share of the recommended items: 0 = always the most popular, 1 = always the least. NaN if empty."""
    place = np.empty(len(popularity))
    place[np.argsort(-popularity, kind="stable")] = np.arange(len(popularity)) / max(len(popularity) - 1, 1)
    listed = top[top >= 0]
    return float(place[listed].mean()) if len(listed) else float("nan")


@njit(cache=True)
def _ranks(scores: Any, target: Any) -> Any:
    out = np.empty(len(target), dtype=np.int32)
    for n in range(len(target)):
        own = scores[n, target[n]]
        count = 0
        if own == -np.inf:
            count = scores.shape[1]
        else:
            for i in range(scores.shape[1]):
                # `not <` instead of `>=`, so that NaN counts against the model
                if not scores[n, i] < own:
                    count += 1
        out[n] = count
    return out
