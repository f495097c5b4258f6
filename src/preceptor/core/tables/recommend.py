"""Tables of the stage `recommend`. A number that doesn't exist is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class RecommendRow(Row):
    """How an arm ranks the real targets of a part; all rows of a part are over the same targets.

    arm: lm, generator, or an arm of the ranking comparison; model: what it is. form: alone; calibrated (temperature, shares
    of popularity and uniform); prior (share·model + the rest·the generator's prior); generator (the former multiplied with the
    law). What a form has to fit is fitted on validation. run, params, tokens: of a language model. seeds: models averaged.
    balance: targets (each counts the same) or users (each user does).

    targets, users: how many. inside: targets among the candidates, items with a training interaction that weren't met before
    where items don't repeat; others are ranked last. held_out: targets that are held-out items. nats: −ln p(target) over the
    candidates, of targets inside. over_knn: NDCG@10 less that of item-kNN alone, over the same users. lo, hi: intervals.
    """

    FILE: ClassVar[str] = "recommend.csv"

    part: str
    arm: str
    model: str
    form: str
    run: str | None
    params: int | None
    tokens: int | None
    seeds: int
    balance: str
    targets: int
    users: int
    inside: int
    held_out: int
    nats: float | None
    nats_lo: float | None
    nats_hi: float | None
    recall_10: float
    recall_10_lo: float | None
    recall_10_hi: float | None
    recall_100: float
    recall_100_lo: float | None
    recall_100_hi: float | None
    ndcg_10: float
    ndcg_10_lo: float | None
    ndcg_10_hi: float | None
    over_knn: float | None
    over_knn_lo: float | None
    over_knn_hi: float | None


@dataclass(frozen=True)
class FittedRow(Row):
    """What was fitted on validation for a form of a model: weights (exponents where they are multiplied) of the model
    and of the other side, the temperature of the model's scores and the exponent of popularity, where there are any."""

    FILE: ClassVar[str] = "fitted.csv"

    arm: str
    run: str | None
    tokens: int | None
    seed: int | None
    form: str
    model: float
    other: float
    temperature: float | None
    popularity: float | None
