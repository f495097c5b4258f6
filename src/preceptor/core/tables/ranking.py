"""Tables of the stage `ranking`. A metric is recall or ndcg at k; a number that doesn't exist is None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class ArmMean(Row):
    """An arm's mean over targets and seeds on a split's test part. lo, hi: over users; seed_sd: between seeds."""

    FILE: ClassVar[str] = "tstr.csv"

    split: str
    arm: str
    model: str
    metric: str
    k: int
    mean: float | None
    lo: float | None
    hi: float | None
    seed_sd: float | None
    seeds: int
    users: int
    targets: int


@dataclass(frozen=True)
class Paired(Row):
    """Arm a against arm b over the same users: ratio with [lo, hi], difference a − b with [diff_lo, diff_hi]."""

    FILE: ClassVar[str] = "paired.csv"

    split: str
    arm_a: str
    arm_b: str
    metric: str
    k: int
    ratio: float | None
    lo: float | None
    hi: float | None
    difference: float | None
    diff_lo: float | None
    diff_hi: float | None


@dataclass(frozen=True)
class SliceMean(Row):
    """An arm's mean over a part of the targets, or (slice `lists`) a property of its lists of k items."""

    FILE: ClassVar[str] = "slices.csv"

    split: str
    arm: str
    model: str
    slice: str
    metric: str
    k: int
    mean: float | None
    targets: int


@dataclass(frozen=True)
class Trial(Row):
    """Settings that an arm tried, what they reached on validation, and whether they were chosen. update: of the best look."""

    FILE: ClassVar[str] = "trials.jsonl"

    arm: str
    split: str
    settings: dict[str, Any]
    validation: dict[str, float]
    update: int
    trial: int
    chosen: bool


@dataclass(frozen=True)
class Look(Row):
    """A look at validation during a training run. loss: mean since the last look; positions: predicted so far."""

    FILE: ClassVar[str] = "curves.jsonl"

    run: str
    arm: str
    split: str
    seed: int
    settings: dict[str, Any]
    update: int
    positions: int
    loss: float
    validation: dict[str, float]


@dataclass(frozen=True)
class RankedModel(Row):
    """A model that ranked the test targets of a split, so that others can be compared with it on the very same ones.

    weights: its file below the stage's folder; None where settings and training part say it all. ranks: int32
    [targets, 1 + list], a row per target of the split's test part, in order.
    """

    FILE: ClassVar[str] = "models.jsonl"

    split: str
    arm: str
    model: str
    seed: int
    settings: dict[str, Any]
    weights: str | None
    ranks: str
