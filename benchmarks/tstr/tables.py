"""The tables of results/tstr: one row class per file. Cells of training are keyed, so that a resumed study skips them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from preceptor.core.artifact import write_atomic
from preceptor.core.tables import row

R = TypeVar("R", bound=row.Row)


@dataclass(frozen=True)
class TrialRow(row.Row):
    """One setting of an arm, trained for a budget and looked at on validation. Key: set, level, arm, setting, budget.

    seconds: of a processor, or of the GPU that devices.csv names.
    """

    FILE: ClassVar[str] = "trials.csv"
    set: str
    level: str
    arm: str
    setting: str
    budget: int
    nats: float
    ndcg10: float
    recall100: float
    updates: int
    seconds: float


@dataclass(frozen=True)
class BudgetRow(row.Row):
    """One finished budget of one arm and seed, on validation. Key: set, level, arm, seed; budget is the place in the run.

    nats: calibrated, mean over the targets that have a candidate; error: its standard error, clustered by user. change: nats
    that doubling up to this budget gained. chosen: the budget that is judged. verdict: of the whole run; `as seed 0` where its
    budget was given. epochs: of the real log. seconds: of training, so far, as a trial's.
    """

    FILE: ClassVar[str] = "budgets.csv"
    set: str
    level: str
    arm: str
    seed: int
    setting: str
    budget: int
    chosen: bool
    verdict: str
    nats: float
    error: float | None
    change: float | None
    change_error: float | None
    loss: float
    ndcg10: float
    recall100: float
    epochs: float
    updates: int
    seconds: float


@dataclass(frozen=True)
class DeviceRow(row.Row):
    """A cell that was trained on another machine, and on what (pack.py). Key: all but device.

    seed: 0 for a trial. budget: of a trial; 0 for a run.
    """

    FILE: ClassVar[str] = "devices.csv"
    set: str
    level: str
    arm: str
    seed: int
    setting: str
    trial: bool
    budget: int
    device: str


@dataclass(frozen=True)
class LevelRow(row.Row):
    """What a set holds at a level. axis: whole, users or lengths. per_item: training interactions per item met in training.

    covered: share of the test targets whose item was met in training. prior_share: of the fitted law.
    """

    FILE: ClassVar[str] = "levels.csv"
    set: str
    level: str
    axis: str
    users: int
    items: int
    interactions: int
    per_item: float
    validation_targets: int
    test_targets: int
    test_users: int
    covered: float
    prior_share: float


@dataclass(frozen=True)
class HalvesRow(row.Row):
    """Next items per update of real + signal, half and half, by where they are from; positions: that were asked for, in all."""

    FILE: ClassVar[str] = "halves.csv"
    set: str
    level: str
    positions: int
    real: float
    synthetic: float
    share: float


@dataclass(frozen=True)
class OpenedRow(row.Row):
    """When a study's test targets of a set were opened, and for what: digest: of what was frozen."""

    FILE: ClassVar[str] = "opened.csv"
    study: str
    set: str
    level: str
    digest: str
    arms: int
    seeds: int
    date: str


@dataclass(frozen=True)
class MeanRow(row.Row):
    """An arm on a part of the log, mean over seeds, with its 95 % interval over users.

    slice: all, user-balanced, head, mid, tail or item-balanced. fitted: what validation gave it, of the first seed.
    """

    FILE: ClassVar[str] = "means.csv"
    study: str
    set: str
    level: str
    part: str
    arm: str
    slice: str
    measure: str
    mean: float | None
    lo: float | None
    hi: float | None
    seed_sd: float | None
    seeds: int
    users: int
    targets: int
    verdict: str
    fitted: str


@dataclass(frozen=True)
class PairRow(row.Row):
    """arm_a − arm_b on the same users, mean over seeds, its interval, two-sided p and reading.

    arm_b may be the better of real and popularity (shares.py), and has no p then.
    """

    FILE: ClassVar[str] = "paired.csv"
    study: str
    set: str
    level: str
    part: str
    arm_a: str
    arm_b: str
    slice: str
    measure: str
    difference: float | None
    lo: float | None
    hi: float | None
    p: float | None
    reading: str


@dataclass(frozen=True)
class PrimaryRow(row.Row):
    """The comparison that was fixed beforehand, on each of the five sets: NDCG@10 of the primary arm less that of `against`.

    lo, hi: 95 %, of this set alone. p_holm: Holm's over all five sets; a set that isn't judged, or has no verdict, counts with
    p = 1. reading: by p_holm.
    """

    FILE: ClassVar[str] = "primary.csv"
    part: str
    against: str
    set: str
    users: int
    difference: float | None
    lo: float | None
    hi: float | None
    p: float | None
    p_holm: float
    reading: str


@dataclass(frozen=True)
class RecipeRow(row.Row):
    """The recipe that the tool's rule recommends (recipe.py), and what it gains over real in NDCG@10, with its interval.

    reading: use, keep real (it is real, or real is better here), can't tell, or no verdict (real has none). nats, real_nats: of
    the recipe and of real on validation. unsettled: recipes without a verdict, which the rule leaves out.
    """

    FILE: ClassVar[str] = "recipe.csv"
    study: str
    set: str
    level: str
    part: str
    recipe: str
    reading: str
    gain: float | None
    lo: float | None
    hi: float | None
    users: int
    nats: float
    real_nats: float
    unsettled: str


@dataclass(frozen=True)
class ShareRow(row.Row):
    """An arm's mean over that of `against` on the same users, and its interval (shares.py).

    verdict: the worse one of the two. reading: within 3 % (the whole interval above .97), not within 3 % (the whole below),
    can't tell, no interval or no verdict.
    """

    FILE: ClassVar[str] = "shares.csv"
    study: str
    set: str
    level: str
    part: str
    arm: str
    against: str
    measure: str
    share: float | None
    lo: float | None
    hi: float | None
    verdict: str
    reading: str


@dataclass(frozen=True)
class TruthRow(row.Row):
    """Nats of an arm on fresh choices under uniform exposure in a simulated market, mean over users, with its interval.

    less_real: its nats less real's. floor: the entropy of those choices among the candidates. verdict: the worst of the trained
    arms in it. reading: of the interval of less_real, or `no verdict` where an arm in it has not converged.
    """

    FILE: ClassVar[str] = "truth.csv"
    study: str
    set: str
    level: str
    arm: str
    nats: float
    lo: float | None
    hi: float | None
    less_real: float
    less_real_lo: float | None
    less_real_hi: float | None
    floor: float
    users: int
    seeds: int
    verdict: str
    reading: str


@dataclass(frozen=True)
class CrossingRow(row.Row):
    """Where an arm's recall@100 over that of `against` crosses a ratio on an axis, by a monotone fit.

    ratio: 1, or 2.3 (the paper's +130 %). It is taken to fall as the log grows denser, and one to popularity to rise.
    at: interactions per item; None: no crossing. lo, hi: its interval; None: open at that end, beyond the levels. share: of the
    resamples, how many have a crossing among the levels. says: what to read; where an arm has no verdict at a level there is
    neither crossing nor interval, and it names them.
    """

    FILE: ClassVar[str] = "crossings.csv"
    set: str
    axis: str
    part: str
    arm: str
    against: str
    measure: str
    ratio: float
    at: float | None
    lo: float | None
    hi: float | None
    share: float | None
    says: str


@dataclass(frozen=True)
class RatioRow(row.Row):
    """An arm over another at one level of an axis. fit: by the monotone curve; none where an arm has no verdict at some level.

    verdict: the worse one of the two arms here.
    """

    FILE: ClassVar[str] = "ratios.csv"
    set: str
    axis: str
    part: str
    level: str
    per_item: float
    arm: str
    against: str
    measure: str
    ratio: float | None
    lo: float | None
    hi: float | None
    fit: float | None
    verdict: str


@dataclass(frozen=True)
class WorthRow(row.Row):
    """How many real interactions a million synthetic ones are worth at a level.

    equal: real interactions at which real alone reaches what real + synthetic does here; says: why there is none. Without a
    verdict on real at every level, and on real + synthetic at this one, nothing is given. lo, hi: None: open at that end, past
    the levels.
    """

    FILE: ClassVar[str] = "worth.csv"
    set: str
    part: str
    level: str
    measure: str
    per_item: float
    real: int
    synthetic: float
    equal: float | None
    worth: float | None
    lo: float | None
    hi: float | None
    says: str


def read(out: Path, cls: type[R]) -> list[R]:
    """The table in a folder; no rows where there is none yet."""
    return row.read(out, cls) if (out / cls.FILE).exists() else []


def replace(out: Path, cls: type[R], rows: list[R], *key: str) -> None:
    """Write rows in the place of those that have the same values of the key's columns as any of them."""
    new = {tuple(getattr(r, k) for k in key) for r in rows}
    kept = [r for r in read(out, cls) if tuple(getattr(r, k) for k in key) not in new]
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / cls.FILE, row.text(cls, [*kept, *rows]))
