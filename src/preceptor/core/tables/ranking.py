"""Tables of the stage `ranking`. A metric is recall or ndcg at k, or nats (k = 0, less is better); what doesn't exist is None.

One number per target is kept beside them: ranks/<split>/<part>/<arm>-seed<k>.npy (int32, 1 = best) and nats/… (float32, NaN
where the item is no candidate), targets as in data/<part>, in order. The arm `baseline`, a user's own lists, has ranks of part
test alone: 2^31 − 1 where the target is not in the list. Of part validation only the targets whose numbers are in
ranks/<split>/validation/rows.npy (int64) are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from preceptor.core.tables.row import Row

NO_VERDICT = "no verdict"
NAMES = {  # arms as a person reads them
    "real": "SASRec on the real log",
    "synthetic": "SASRec on synthetic histories",
    "real+synthetic": "SASRec on real + synthetic histories",
    "real-bce": "SASRec on the real log, one-negative loss",
    "real-adjusted": "SASRec on the real log, logit-adjusted loss",
    "real-gru4rec": "GRU4Rec on the real log",
    "synthetic-gru4rec": "GRU4Rec on synthetic histories",
    "real+synthetic-gru4rec": "GRU4Rec on real + synthetic histories",
    "generator": "the generator alone",
    "real-x-generator": "real ⊕ generator, multiplied",
    "real-plus-generator": "real ⊕ generator, added",
    "real+synthetic-x-generator": "real + synthetic ⊕ generator, multiplied",
    "real+synthetic-plus-generator": "real + synthetic ⊕ generator, added",
    "real-x-real": "real ⊕ real (another seed), multiplied",
    "real-plus-real": "real ⊕ real (another seed), added",
    "popularity": "popularity",
    "item-knn": "item-kNN",
    "rp3beta": "RP3beta",
    "ease": "EASE",
    "baseline": "your own baseline",
}


@dataclass(frozen=True)
class ArmMean(Row):
    """An arm's mean over targets and seeds on a split's test part. lo, hi: over users; seed_sd: between seeds.

    balance: target (each counts the same) or user (each user counts the same). verdict: converged, turned or no verdict, the
    worst of the trained arms in it; empty where nothing was trained.
    """

    FILE: ClassVar[str] = "tstr.csv"

    split: str
    arm: str
    balance: str
    metric: str
    k: int
    mean: float | None
    lo: float | None
    hi: float | None
    seed_sd: float | None
    seeds: int
    users: int
    targets: int
    verdict: str


@dataclass(frozen=True)
class Paired(Row):
    """Arm a against arm b over the same users: ratio with [lo, hi], difference a − b with [diff_lo, diff_hi].

    reading: better, worse, not told apart, no interval, or no verdict where an arm in it hasn't converged.
    """

    FILE: ClassVar[str] = "paired.csv"

    split: str
    arm_a: str
    arm_b: str
    balance: str
    metric: str
    k: int
    ratio: float | None
    lo: float | None
    hi: float | None
    difference: float | None
    diff_lo: float | None
    diff_hi: float | None
    reading: str


@dataclass(frozen=True)
class ShownMean(Row):
    """An arm on what people were shown (ranking.impressions): AUC within each user's rows, mean over users and seeds.

    lo, hi: over users. difference, diff_lo, diff_hi, reading: against real, as in Paired.
    """

    FILE: ClassVar[str] = "shown.csv"

    split: str
    arm: str
    auc: float
    lo: float
    hi: float
    difference: float
    diff_lo: float
    diff_hi: float
    reading: str
    seeds: int
    users: int


@dataclass(frozen=True)
class SliceMean(Row):
    """An arm's mean over a part of the targets, or (slice `lists`) a property of its lists of k items."""

    FILE: ClassVar[str] = "slices.csv"

    split: str
    arm: str
    slice: str
    metric: str
    k: int
    mean: float | None
    targets: int


@dataclass(frozen=True)
class Trial(Row):
    """Settings that an arm tried, what they reached on validation (nats, ndcg@10), and whether they were chosen.

    budget: updates; None for the untrained. validation is empty where an arm had one setting, and nothing to try.
    """

    FILE: ClassVar[str] = "trials.jsonl"

    arm: str
    split: str
    settings: dict[str, Any]
    validation: dict[str, float]
    budget: int | None
    trial: int
    chosen: bool


@dataclass(frozen=True)
class ArmRun(Row):
    """One arm and seed, frozen before the test: its setting, its convergence, and what validation fitted.

    budget: updates of the model that is judged. verdict: converged, turned, no verdict, or `as seed 0`; empty for the
    untrained. change: nats that the last doubling gained, change_error its paired standard error, error that of the nats at the
    last budget (users are the clusters). updates: spent in all. epochs: of the real log within the budget. nats, ndcg
    (NDCG@10): calibrated, on validation. temperature to uniform: the calibration. a, b: of two that are put together, their
    exponents (multiplied) or their weights (added).
    """

    FILE: ClassVar[str] = "arms.csv"

    split: str
    arm: str
    seed: int
    setting: str
    budget: int | None
    verdict: str
    change: float | None
    change_error: float | None
    error: float | None
    updates: int | None
    epochs: float | None
    nats: float
    ndcg: float
    temperature: float | None
    alpha: float | None
    model: float | None
    popularity: float | None
    uniform: float | None
    a: float | None
    b: float | None


@dataclass(frozen=True)
class Budget(Row):
    """The end of one budget of one training run, on validation, calibrated. loss: of training, mean over the decay.

    nats, error, change, change_error, updates and epochs as in ArmRun; chosen: whether its model is the one that is judged.
    """

    FILE: ClassVar[str] = "budgets.csv"

    split: str
    arm: str
    seed: int
    budget: int
    updates: int
    epochs: float
    loss: float
    nats: float
    error: float | None
    change: float | None
    change_error: float | None
    ndcg: float
    chosen: bool


@dataclass(frozen=True)
class Answer(Row):
    """Which recipe to use on a split, and what it gains, in words.

    recipe: the arm that validation chose. reading: use (its gain is shown), keep real (it is real itself, or no better),
    can't tell, or no verdict. gain, lo, hi: in NDCG@10 over real, on test. users: test users; needed: how many could tell a
    gain of that size, needed_5: one of 5 %. left_out: baselines that were too large. sentences: the answer.
    """

    FILE: ClassVar[str] = "answer.jsonl"

    split: str
    recipe: str
    reading: str
    gain: float | None
    lo: float | None
    hi: float | None
    users: int
    needed: int | None
    needed_5: int | None
    left_out: list[str]
    sentences: list[str]
