"""A few real people: their last items, what the largest language model would recommend, and what they did next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from preceptor.core import metrics, rng
from preceptor.core.tables.recommend import ANSWER, HISTORY, NEXT, ExampleRow, FittedRow
from preceptor.core.threads import limited
from preceptor.generator.events import select
from preceptor.ranking import calibrate
from preceptor.ranking.calibrate import Calibration
from preceptor.recommend.arms import Model, scorer_of
from preceptor.recommend.calibrated import calibration_of
from preceptor.recommend.config import RecommendConfig
from preceptor.recommend.footing import TEST, VALIDATION, Ground, Part, opened, train_of

SHOWN, ANSWERS = 5, 5  # items of a history, and of an answer


def examples(
    models: Sequence[Model], ground: Ground, fitted: Sequence[FittedRow], titles: pl.Series, config: RecommendConfig
) -> list[ExampleRow]:
    """The rows of examples.csv: of the part that is opened last, `config.examples` users drawn by key, a target of each.

    titles: of the catalogue's items, in order. Only targets among the candidates are drawn; none without a model.
    """
    model = max(models, key=lambda m: (m.params, m.tokens), default=None)
    if model is None or not config.examples:
        return []
    parts = opened(ground)
    name = TEST if TEST in parts else VALIDATION
    part = _some(parts[name], ground, config)
    chosen = calibration_of(fitted, model.run, model.tokens)
    assert chosen is not None  # every model that is ranked is calibrated
    p = _probabilities(model, ground, part, chosen, config.threads)
    targets, rank = part.offered.targets, metrics.ranks(p, part.offered.targets.item)
    found = []
    for t in range(len(targets)):
        item, likeliest = int(targets.item[t]), np.argsort(-p[t], kind="stable")[:ANSWERS]
        listed = [
            *((HISTORY, i, int(x), None) for i, x in enumerate(targets.history(t)[-SHOWN:], 1)),
            *((ANSWER, i, int(x), float(p[t, x])) for i, x in enumerate(likeliest, 1)),
            (NEXT, int(rank[t]), item, float(p[t, item])),
        ]
        found += [
            ExampleRow(name, model.run, model.tokens, t + 1, role, place, x, titles[x] or "", chance)
            for role, place, x, chance in listed
        ]
    return found


def _some(part: Part, ground: Ground, config: RecommendConfig) -> Part:
    """A target of each of a few users."""
    inside = np.flatnonzero(part.offered.inside)
    drawn = inside[rng.permutation(config.seed, "recommend/examples", len(inside))]
    _, first = np.unique(np.asarray(part.offered.targets.user)[drawn], return_index=True)
    rows = drawn[np.sort(first)][: config.examples]
    offered = calibrate.offer(select(part.offered.targets, rows), train_of(ground.data).popularity, ground.repeats)
    return replace(part, number=part.number[rows], offered=offered, law=None)


def _probabilities(model: Model, ground: Ground, part: Part, chosen: Calibration, threads: int) -> np.ndarray:
    """The calibrated model's probabilities over X(h), float [targets, I]."""
    with limited(threads):
        scores = calibrate.dense(scorer_of(model, ground), part.offered)
    return calibrate.probabilities(scores, chosen, part.offered)
