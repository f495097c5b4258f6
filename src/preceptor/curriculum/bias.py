"""How skewed a log or a sampler is towards popular items and places in the history (design §5, bias report)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.data.log import TrainSplit
from preceptor.graph.tables import WalkTables
from preceptor.graph.walks import sample

_WALKS = 20_000


def report(train: TrainSplit, samplers: Mapping[str, WalkTables], seed: int) -> dict[str, Any]:
    """Bias of the training log ("log") and of 20,000 walks of each sampler, by name, see `of_histories`."""
    popularity = train.popularity
    start = np.repeat(train.user_indptr[:-1], np.diff(train.user_indptr))
    found = {"log": of_histories(np.asarray(train.item), np.arange(len(train.item)) - start, popularity)}
    for name, tables in samplers.items():
        walked, lengths = sample(tables, seed, "bias", 0, _WALKS)
        steps = np.broadcast_to(np.arange(walked.shape[1]), walked.shape)
        inside = steps < lengths[:, None]
        found[name] = of_histories(walked[inside], steps[inside], popularity)
    return found


def of_histories(items: np.ndarray, position: np.ndarray, popularity: np.ndarray) -> dict[str, Any]:
    """Bias of interactions or walk steps: items int [n] at places position int [n] of their histories.

    popularity: training interactions per item. popularity_exponent: slope of log count on log rank over the items met, by
    least squares weighted by count (1: Zipf). gini: of the counts over all items. coverage: share of items met.
    exposure_correlation: Spearman's rank correlation of counts with popularity, over items with either.
    position_correlation: the same of popularity with position.
    """
    counts = np.bincount(items, minlength=len(popularity)).astype(np.float64)
    either = (counts > 0) | (popularity > 0)
    return {
        "steps": len(items),
        "popularity_exponent": zipf_exponent(counts),
        "gini": gini(counts),
        "coverage": float((counts > 0).mean()),
        "exposure_correlation": spearman(counts[either], popularity[either]),
        "position_correlation": spearman(popularity[items], position),
    }


def zipf_exponent(counts: np.ndarray) -> float | None:
    """Minus the slope of log count on log rank over positive counts, weighted by count; None for fewer than 3."""
    ordered = np.sort(counts[counts > 0])[::-1]
    if len(ordered) < 3:
        return None
    x, y = np.log(np.arange(1, len(ordered) + 1)), np.log(ordered)
    w = ordered / ordered.sum()
    dx, dy = x - w @ x, y - w @ y
    return float(-(w @ (dx * dy)) / (w @ (dx * dx)))


def gini(counts: np.ndarray) -> float | None:
    """Gini coefficient of non-negative counts: 0 all equal, towards 1 all in one place. None where all are 0."""
    ordered = np.sort(counts)
    total = ordered.sum()
    n = len(ordered)
    if not total:
        return None
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Rank correlation with mean ranks for ties; None where either is constant."""
    ranks = []
    for x in (a, b):
        _, where, count = np.unique(x, return_inverse=True, return_counts=True)
        mean_rank = np.cumsum(count) - (count - 1) / 2
        ranks.append(mean_rank[where] - mean_rank[where].mean() if len(x) else mean_rank)
    scale = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float(ranks[0] @ ranks[1] / scale) if scale > 0 else None
