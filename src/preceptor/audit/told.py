"""Are synthetic histories told from real ones? By a classifier, and by single plain features.

Users are parted at random in three: graph users, from whom alone the law is made, and two groups of absent users. Classes are
told from the histories of the first absent group: those of the other absent group (real from real: what chance and the
classifier's small sample give), those of graph users, and synthetic ones. All classes have as many histories, begin where
histories begin, and synthetic ones are cut to the lengths of the real ones, so that neither number nor length tells.

Items that no graph user met are left out of the absent users' histories: no law of theirs can give
them (the share is stated). AUC 0.5: not told; 1: always. Classifiers are fitted on some users and judged on others; a better
one may tell more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.audit import likeness
from preceptor.audit.config import ToldConfig
from preceptor.audit.told_features import FEATURES, places, plain
from preceptor.audit.told_rounds import MEMBERS, PAPER, REFERENCE, STUDY, WALKS, WHOLE, Law, Round, parted
from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import auc, percentile_interval, resampled_users
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig

__all__ = ["MARGIN", "MEMBERS", "PAPER", "REFERENCE", "STUDY", "WALKS", "WHOLE", "report", "words"]
MARGIN = 0.05  # AUC beyond real from real that is allowed


def report(
    train: TrainSplit,
    graph: GraphConfig,
    histories: GeneratorConfig,
    law: Law,
    config: ToldConfig,
    seed: int,
    walks: Mapping[str, GeneratorConfig] | None = None,
) -> dict[str, Any]:
    """What told.json holds.

    graph: of the study; walks are on it. walks: how they are drawn, by name; None: the paper's alone.
    Returns {"items", "rounds", "absent", "graph_users", "unknown", "margin", "classes": [{"name", "auc", "interval", "over",
    "over_interval", "ended", "by"}], "features": [{"name", "feature", "auc", "interval", "says"}], "likeness": as
    likeness.report has it, "left_out": why, or None}. over: beyond the AUC of real from real, on the same users. by: the row of
    the single feature that tells most. says: what its AUC means, in words.
    """
    items = config.items or histories.length
    found: dict[str, Any] = {"items": items, "rounds": config.rounds, "margin": MARGIN, "absent": 0, "graph_users": 0}
    found |= {"unknown": None, "classes": [], "features": [], "likeness": None, "left_out": None}
    try:
        rounds = parted(train, graph, histories, law, config, seed, walks)
    except PreceptorError as error:
        return found | {"left_out": error.problem}
    found["graph_users"] = len(np.unique(rounds[-1].part.user))
    found["absent"] = round(float(np.mean([len(made.classes[""]) for made in rounds])))
    found["unknown"] = float(np.mean([made.unknown for made in rounds]))
    found["likeness"] = likeness.report(train, rounds, config.bootstraps, seed)
    weights = _weights(train.n_users, max(len(made.classes[""]) for made in rounds), config, seed)
    areas = [_areas(made, weights, config, seed, r) for r, made in enumerate(rounds)]
    base = np.mean([area[REFERENCE][0] for area in areas], axis=0)
    for name in areas[0]:
        mean = np.mean([area[name][0] for area in areas], axis=0)
        ended = [made.ended[name] for made in rounds if name in made.ended]
        row = {"name": name, **_interval("auc", "interval", mean), "ended": float(np.mean(ended)) if ended else None}
        over = {"over": None, "over_interval": None} if name == REFERENCE else _interval("over", "over_interval", mean - base)
        single = np.mean([area[name][1] for area in areas], axis=0)  # [features, 1 + resamples]
        plainly = [
            {"name": name, "feature": feature, **_interval("auc", "interval", value), "says": words(feature, value[0])}
            for feature, value in zip(FEATURES, single, strict=True)
        ]
        found["features"] += plainly
        found["classes"].append({**row, **over, "by": max(plainly, key=lambda one: abs(one["auc"] - 0.5))})
    return found


def _weights(n_users: int, n: int, config: ToldConfig, seed: int) -> np.ndarray:
    """How often each user, then each of n synthetic histories, counts: as they are, and in the resamples. [1 + R, owners]."""
    draws = rng.generator(seed, "told/bootstrap")
    parts = [resampled_users(draws, count, config.bootstraps) for count in (n_users, n)]
    return np.concatenate([np.ones((1, n_users + n)), np.concatenate(parts, axis=1)])


def _areas(made: Round, weights: np.ndarray, config: ToldConfig, seed: int, r: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By class: AUC of the classifier [1 + R], and of each feature [features, 1 + R]."""
    from preceptor.audit import told_classifier as classifier

    shown = {
        name: classifier.Shown(plain(h.items, h.lengths, made.known), places(h.items, h.lengths, made.known), h.lengths)
        for name, h in made.classes.items()
    }
    real, n = made.classes[""], len(made.classes[""])
    part = classifier.folds(n, config.folds, seed, f"told/folds/{r}")
    out = {}
    for name in made.classes:
        if not name:
            continue
        other = classifier.folds(n, config.folds, seed, f"told/folds/{r}/{name}")
        key = int(rng.purpose_key(seed, f"told/{r}/{name}") >> 2)
        score = classifier.cross_fitted(shown[""], shown[name], part, other, config.epochs, key)
        owner, positive = np.concatenate([real.owner, made.classes[name].owner]), np.repeat([False, True], n)
        fold = np.concatenate([part, other])  # logits of different folds aren't comparable
        each = [auc(score[fold == k], positive[fold == k], weights, owner[fold == k]) for k in range(config.folds)]
        values = np.concatenate([shown[""].plain, shown[name].plain]).T
        out[name] = (np.mean(each, axis=0), np.stack([auc(v, positive, weights, owner) for v in values]))
    return out


def _interval(name: str, ends: str, values: np.ndarray) -> dict[str, Any]:
    """values: the estimate, then its resamples."""
    found = percentile_interval(float(values[0]), values[1:])
    return {name: found.value, ends: None if np.isnan(found.lo) else [found.lo, found.hi]}


def words(feature: str, area: float) -> str:
    """What a feature's AUC says of synthetic histories beside real ones."""
    higher, lower = FEATURES[feature]
    return higher if area >= 0.5 else lower
