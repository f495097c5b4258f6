"""Tables of the stage `recommend`. A number that doesn't exist is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class RecommendRow(Row):
    """How an arm ranks the real targets of a part; rows of equal part and study_arm are over the same targets.

    study_arm: the arm of the study whose language models these are, or stand beside; empty: the study's own. arm: lm, or an arm
    of the ranking comparison (tables/ranking.py). form: calibrated on validation, every arm in the same way
    (`ranking.calibrate`); of language models also alone (as they are), and generator (the calibrated one multiplied with the
    law). run, params, tokens: of a language model; run is None where it is the mean over the seeds of a size and budget. seeds:
    models averaged. verdict: of a trained ranking arm, as there; else empty. balance: targets (each counts the same) or users
    (each user does).

    targets, users: how many. inside: targets among the candidates, items with a training interaction that weren't met before
    where items don't repeat; others are ranked last. held_out: targets that are held-out items. nats: −ln p(target) over the
    candidates, of targets inside. over_knn, over_law: NDCG@10 less item-kNN's and less the law's (arm generator), over the same
    users; nats_over_law: nats less the law's. lo, hi: intervals.
    """

    FILE: ClassVar[str] = "recommend.csv"

    part: str
    study_arm: str
    arm: str
    form: str
    run: str | None
    params: int | None
    tokens: int | None
    seeds: int
    verdict: str
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
    over_law: float | None
    over_law_lo: float | None
    over_law_hi: float | None
    nats_over_law: float | None
    nats_over_law_lo: float | None
    nats_over_law_hi: float | None


@dataclass(frozen=True)
class FittedRow(Row):
    """What was fitted on validation for a form of a language model. study_arm: as in RecommendRow.

    calibrated: temperature, exponent alpha of popularity, and the weights of model, popularity and uniform, which sum to 1.
    generator: the exponents of the (calibrated) model and of the law.
    """

    FILE: ClassVar[str] = "fitted.csv"

    study_arm: str
    run: str
    tokens: int
    form: str
    temperature: float | None
    alpha: float | None
    model: float
    popularity: float | None
    uniform: float | None
    law: float | None


HISTORY, ANSWER, NEXT = "history", "answer", "next"


@dataclass(frozen=True)
class ExampleRow(Row):
    """An item of one of a few real histories that are shown with the model's answer beside what the person did next.

    example: from 1. role: history (the last items before, oldest first), answer (the model's likeliest items, likeliest first)
    or next (what the person did). place: from 1; of `next` its rank among the candidates. probability: the
    calibrated model's; None in the history. title: text of the catalogue, which is untrusted.
    """

    FILE: ClassVar[str] = "examples.csv"

    part: str
    run: str
    tokens: int
    example: int
    role: str
    place: int
    item: int
    title: str
    probability: float | None
