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
from preceptor.ranking import calibrate, combine
from preceptor.recommend.arms import PRIOR, Model, scorer_of
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
    share = next((r.model for r in fitted if (r.run, r.tokens, r.form) == (model.run, model.tokens, PRIOR)), None)
    p = _probabilities(model, ground, part, share, config.threads)
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
    return replace(part, number=part.number[rows], offered=offered, law=None, prior=_rows(part.prior, rows))


def _rows(law: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if law is None else law[rows]


def _probabilities(model: Model, ground: Ground, part: Part, share: float | None, threads: int) -> np.ndarray:
    """The model's probabilities over X(h), with the prior given back where there is one; float [targets, I]."""
    with limited(threads):
        scores = calibrate.dense(scorer_of(model, ground), part.offered)
    q = calibrate.probabilities(scores, calibrate.RAW, part.offered)
    return q if share is None or part.prior is None else combine.added(q, part.prior, share)
