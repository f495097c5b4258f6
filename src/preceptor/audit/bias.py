"""How skewed a log or a sampler is towards popular items and places in the history (design §5, bias report).

Everything here describes how flat the exposure is. Flat isn't the same as unbiased: items differ in quality, and a truthful
sampler shows good ones more often. The distance to a known truth is measured by `truth.py`, on the simulated market.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from preceptor.audit.config import AuditConfig
from preceptor.core.metrics import GROUPS, popularity_groups
from preceptor.core.statistics import gini, ranks, spearman
from preceptor.data.log import TrainSplit
from preceptor.generator import policies
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.histories import Sampler, sample
from preceptor.generator.walk_tables import WalkTables, with_policy

PLACES = 64  # of a history or walk that the position curve shows
_RANKS = 40  # points of the rank curve


def report(
    train: TrainSplit, every: WalkTables, seen: Sampler | None, histories: GeneratorConfig, config: AuditConfig
) -> dict[str, Any]:
    """Bias of the training log, of walks of every policy on the whole graph, and of the training histories.

    every: the sampler of graph-all; its graph, start, lengths and rule on repeats are kept and the policy is exchanged.
    seen: the study's own sampler on graph-seen, whose walks the language models read; None leaves it out.
    histories: p, q and decay of the policies.
    Returns {"walks", "item_share" of each popularity group, "columns": {"log" | policy | "training": see of_histories}}.
    """
    popularity = train.popularity
    start = np.repeat(train.user_indptr[:-1], np.diff(train.user_indptr))
    columns = {"log": of_histories(np.asarray(train.item), np.arange(len(train.item)) - start, popularity)}
    samplers: dict[str, Sampler] = {name: with_policy(every, policy) for name, policy in policies_of(every, histories).items()}
    if seen is not None:
        samplers["training"] = seen
    for name, tables in samplers.items():
        columns[name] = of_histories(*steps_of(tables, config.walks, config.seed, f"audit/bias/{name}"), popularity)
    group = popularity_groups(popularity)
    share = np.bincount(group, minlength=len(GROUPS)) / max(1, len(group))
    return {"walks": config.walks, "item_share": dict(zip(GROUPS, share.tolist(), strict=True)), "columns": columns}


def policies_of(tables: WalkTables, config: GeneratorConfig) -> dict[str, np.ndarray]:
    """The three walk policies by name, with the sampler's own rule on repeats."""
    repeats = bool(tables.policy[1])
    return {
        "first-order": policies.first_order(repeats),
        "node2vec": policies.node2vec(config.p, config.q, repeats),
        "history": policies.history(config.decay, tables.longest, repeats),
    }


def steps_of(tables: Sampler, walks: int, seed: int, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Items of fresh walks and their places in the walk, from 0; two int arrays of one length."""
    walked, lengths = sample(tables, seed, purpose, 0, walks)
    places = np.broadcast_to(np.arange(walked.shape[1]), walked.shape)
    inside = places < lengths[:, None]
    return walked[inside], places[inside]


def of_histories(items: np.ndarray, position: np.ndarray, popularity: np.ndarray) -> dict[str, Any]:
    """Bias of interactions or walk steps: items int [n] at places position int [n] of their histories.

    popularity: training interactions per item, int [I].
    popularity_exponent: slope of log count on log rank over the items met, by least squares weighted by count (1: Zipf).
    gini: of the counts over all items. coverage: share of items met.
    exposure: share of the steps on head, mid and tail items, those that together hold the first 50 %, up to 80 %, and the
        rest of the training interactions; unseen: items without any.
    exposure_correlation: Spearman's rank correlation of counts with popularity, over items with either.
    position_correlation: the same of popularity with position.
    rank_curve: [rank, share of the steps] of the items in falling order of their count.
    position_curve: [place from 1, mean popularity percentile of its items, steps]; 0.5 is that of items drawn uniformly.
    """
    counts = np.bincount(items, minlength=len(popularity)).astype(np.float64)
    either = (counts > 0) | (popularity > 0)
    group = popularity_groups(popularity)
    exposure = np.bincount(group, weights=counts, minlength=len(GROUPS)) / max(1, len(items))
    return {
        "steps": len(items),
        "popularity_exponent": zipf_exponent(counts),
        "gini": gini(counts),
        "coverage": float((counts > 0).mean()),
        "exposure": dict(zip(GROUPS, exposure.tolist(), strict=True)),
        "exposure_correlation": spearman(counts[either], popularity[either]),
        "position_correlation": spearman(popularity[items], position),
        "rank_curve": rank_curve(counts),
        "position_curve": position_curve(items, position, popularity),
    }


def rank_curve(counts: np.ndarray) -> list[list[float]]:
    """[rank from 1, share of all counts] of positive counts in falling order, at up to 40 ranks evenly apart in the log."""
    ordered = np.sort(counts[counts > 0])[::-1]
    if not len(ordered):
        return []
    ranks = np.unique(np.rint(np.geomspace(1, len(ordered), _RANKS)).astype(np.int64))
    return [[int(r), float(ordered[r - 1] / ordered.sum())] for r in ranks]


def position_curve(items: np.ndarray, position: np.ndarray, popularity: np.ndarray) -> list[list[float]]:
    """[place from 1, mean popularity percentile, steps] for the first 64 places that occur."""
    percentile = percentiles(popularity)
    inside = position < PLACES
    steps = np.bincount(position[inside], minlength=PLACES)
    total = np.bincount(position[inside], weights=percentile[items[inside]], minlength=PLACES)
    return [[place + 1, float(total[place] / steps[place]), int(steps[place])] for place in np.flatnonzero(steps).tolist()]


def percentiles(popularity: np.ndarray) -> np.ndarray:
    """Place of each item among all by popularity, ties at their mean: float64 [I] in (0, 1), the mean is 0.5."""
    return ranks(popularity) / max(1, len(popularity))


def zipf_exponent(counts: np.ndarray) -> float | None:
    """Minus the slope of log count on log rank over positive counts, weighted by count; None for fewer than 3."""
    ordered = np.sort(counts[counts > 0])[::-1]
    if len(ordered) < 3:
        return None
    x, y = np.log(np.arange(1, len(ordered) + 1)), np.log(ordered)
    w = ordered / ordered.sum()
    dx, dy = x - w @ x, y - w @ y
    return float(-(w @ (dx * dy)) / (w @ (dx * dx)))
