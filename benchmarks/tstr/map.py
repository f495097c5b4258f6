"""The sparsity map and what synthetic data is worth: curves over the levels of an axis, on the same people at every level.

A crossing is where a monotone fit of log(an arm's recall@100 / real's) over log(interactions per item) passes 0, or log 2.3 for
the paper's +130 %. The ratio is taken to fall as the log grows denser, and one to popularity to rise (isotonic regression, all
levels weighted alike, linear between them). Where the fit never passes it there is no crossing: that is said, also where
the other direction fits better.

Its interval comes from resampling the people, who are the same at all levels. A resample without a crossing has one all the
same, beyond the levels: a ratio that falls and is above the wanted one at all levels has it above them, and so on. An interval
that reaches there is open at that end. (Leaving these resamples out gives intervals that miss too often, most of all
where the crossing is near an end.)

Worth: with R(n) the monotone curve of real alone over log n interactions, real + synthetic at n reaches m; R(n') = m gives n',
and (n' − n) per million synthetic next items that the arm was taught (mean over seeds) is what they are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.tstr.arms import PRIMARY, REAL, SIGNAL, WALKS
from benchmarks.tstr.cells import title
from benchmarks.tstr.figures import BOOTSTRAPS, NO_VERDICT, worst
from benchmarks.tstr.judge import RAW
from benchmarks.tstr.tables import CrossingRow, LevelRow, RatioRow, WorthRow
from preceptor.core import metrics
from preceptor.core.statistics import Resamples
from preceptor.data.log import Targets
from preceptor.ranking.trials import GENERATOR

MEASURE = "recall@100"
RAW_OF = {arm: f"{arm}, {RAW}" for arm in (REAL, SIGNAL, WALKS)}
COMPARED = (
    (WALKS, REAL), (SIGNAL, REAL), (PRIMARY, REAL), (GENERATOR, REAL), (RAW_OF[WALKS], RAW_OF[REAL]),
    (RAW_OF[SIGNAL], RAW_OF[REAL]), (REAL, "popularity"), (SIGNAL, "popularity"), (WALKS, "popularity"),
    (RAW_OF[REAL], "popularity"), (RAW_OF[SIGNAL], "popularity"), (RAW_OF[WALKS], "popularity"),
)  # fmt: skip
PAPER = 2.3  # the paper's claim: +130 % recall@100 for SASRec trained on walks alone
CLAIMED = (WALKS, SIGNAL, RAW_OF[WALKS], RAW_OF[SIGNAL])  # where real is the other one


@dataclass(frozen=True)
class Level:
    """A level's facts, and ranks and nats [seeds, targets] and verdicts of its arms."""

    facts: LevelRow
    found: Mapping[str, tuple[np.ndarray, np.ndarray]]
    verdicts: Mapping[str, str]

    def settled(self, *arms: str) -> bool:
        """Whether every one of these arms has a verdict here, or needs none."""
        return worst(self.verdicts[arm] for arm in arms) != NO_VERDICT


def crossings(
    name: str, axis: str, part: str, levels: Sequence[Level], targets: Targets
) -> tuple[list[CrossingRow], list[RatioRow]]:
    """Rows for every pair of arms that all levels have. Levels in rising order of interactions per item."""
    levels = sorted(levels, key=lambda level: level.facts.per_item)
    x = np.log([level.facts.per_item for level in levels])
    resamples = Resamples(targets.user, BOOTSTRAPS, 0)
    rows, ratios = [], []
    means = {
        arm: _means(levels, arm, MEASURE, resamples)
        for arm in dict.fromkeys(a for pair in COMPARED for a in pair)
        if all(arm in level.found for level in levels)
    }
    for a, b in COMPARED:
        if a not in means or b not in means:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio, drawn = means[a][0] / means[b][0], means[a][1] / means[b][1]
            y, ys = np.log(ratio), np.log(drawn)
        sign = -1 if b == "popularity" else 1  # popularity needs no data of a person's own
        lacks = refused([(level, arm) for arm in (a, b) for level in levels])
        for wanted in (1.0, PAPER) if a in CLAIMED and b in (REAL, RAW_OF[REAL]) else (1.0,):
            facts = (None, None, None, None, lacks) if lacks else _crosses(x, y, ys, wanted, sign)
            rows.append(CrossingRow(name, axis, part, a, b, MEASURE, wanted, *facts))
        fit = sign * crossing(x, sign * y)[1]
        for k, level in enumerate(levels):
            got = resamples.interval(float(ratio[k]), drawn[:, k])
            numbers = (got.value, got.lo, got.hi, float("nan") if lacks else float(np.exp(fit[k])))
            verdict = worst(level.verdicts[arm] for arm in (a, b))
            head = (name, axis, part, level.facts.level, level.facts.per_item)
            ratios.append(RatioRow(*head, a, b, MEASURE, *map(_number, numbers), verdict))
    return rows, ratios


def _crosses(
    x: np.ndarray, y: np.ndarray, ys: np.ndarray, wanted: float, sign: int
) -> tuple[float | None, float | None, float | None, float, str]:
    """Where log ratios pass that of `wanted`, the interval's ends, the share of resamples with a crossing, and what to read.

    sign: 1 where the ratio is taken to fall, −1 where it is taken to rise.
    """
    falling = sign * (y - np.log(wanted))
    at, fit = crossing(x, falling)
    fits = [crossing(x, row) for row in sign * (ys - np.log(wanted))]
    have = np.isfinite([place for place, _ in fits])
    found = [_number(float(np.exp(v))) if np.isfinite(v) else None for v in (at, *interval(x, fits))]
    said = says(at, sign * fit, x, have, wanted)
    if np.isfinite(fit).all() and ((falling - isotonic(falling)) ** 2).sum() < ((falling - fit) ** 2).sum():
        said += "; but the ratio " + ("rises" if sign > 0 else "falls")
    return found[0], found[1], found[2], float(have.mean()), said


def refused(needed: Sequence[tuple[Level, str]]) -> str:
    """Why nothing can be read off a curve: the arms that lack a verdict, and where; empty where none does."""
    lacking: dict[str, list[str]] = {}
    for level, arm in needed:
        if not level.settled(arm):
            lacking.setdefault(title(arm), []).append(level.facts.level)
    return NO_VERDICT + ": " + "; ".join(f"{arm} at {', '.join(k)}" for arm, k in lacking.items()) if lacking else ""


def crossing(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """(where the falling monotone fit of y over rising x passes 0, NaN where it doesn't; the fit at x).

    A y that is no number, or infinite, has neither.
    """
    if not np.isfinite(y).all():
        return float("nan"), np.full(len(y), np.nan)
    fit = -isotonic(-y)
    if not (fit[0] > 0 > fit[-1]):
        return float("nan"), fit
    after = int(np.argmax(fit < 0))
    before = int(np.flatnonzero(fit > 0)[-1])
    if after - before > 1:  # it is 0 between them
        return float((x[before + 1] + x[after - 1]) / 2), fit
    share = fit[before] / (fit[before] - fit[after])
    return float(x[before] + share * (x[after] - x[before])), fit


def interval(x: np.ndarray, fits: Sequence[tuple[float, np.ndarray]]) -> tuple[float, float]:
    """95 % ends of the crossing of resampled fits (`crossing`), on the scale of x; −inf or inf: open at that end.

    Where it lies beyond the levels altogether, the other end is the level that is nearest.

    A fit that is no number, or 0 everywhere, may have its crossing anywhere: it counts at both open ends.
    """
    ends = []
    for at, fit in fits:
        if np.isfinite(at):
            ends.append((at, at))
        elif not np.isfinite(fit).all() or not fit.any():
            ends.append((-np.inf, np.inf))
        else:
            ends.append((np.inf, np.inf) if fit[-1] >= 0 else (-np.inf, -np.inf))
    low, high = np.array(ends).T
    lo, hi = np.quantile(low, 0.025, method="inverted_cdf"), np.quantile(high, 0.975, method="inverted_cdf")
    return float(min(lo, x[-1])), float(max(hi, x[0]))


def isotonic(y: np.ndarray) -> np.ndarray:
    """The rising sequence with the least squared distance to y: neighbours out of order are averaged."""
    means: list[float] = []
    sizes: list[int] = []
    for value in y.tolist():
        means.append(value)
        sizes.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            size = sizes[-2] + sizes[-1]
            means[-2:] = [(means[-2] * sizes[-2] + means[-1] * sizes[-1]) / size]
            sizes[-2:] = [size]
    return np.repeat(means, sizes)


def says(at: float, fit: np.ndarray, x: np.ndarray, have: np.ndarray, wanted: float = 1.0) -> str:
    """What a crossing's row is to be read as."""
    if np.isfinite(at):
        return "crosses" if have.mean() >= 0.95 else f"crosses, in {have.mean():.0%} of the resamples"
    if not np.isfinite(fit).all():
        return "none: a level without any hit"
    side = "equal to" if not fit.any() else "above" if (fit >= 0).all() else "below"
    span = f"from {np.exp(x[0]):.2g} to {np.exp(x[-1]):.2g}"
    return f"none: {side} {wanted:g} {span}"


def worth(name: str, part: str, levels: Sequence[Level], synthetic: Mapping[str, float], targets: Targets) -> list[WorthRow]:
    """What a million synthetic next items are worth at each level, in real interactions, by recall@100 and NDCG@10."""
    levels = sorted(levels, key=lambda level: level.facts.interactions)
    n = np.array([level.facts.interactions for level in levels], np.float64)
    resamples = Resamples(targets.user, BOOTSTRAPS, 0)
    rows = []
    for measure in (MEASURE, "ndcg@10"):
        real, reals = _means(levels, REAL, measure, resamples)
        both, boths = _means(levels, PRIMARY, measure, resamples)
        for k, level in enumerate(levels):
            taught = synthetic[level.facts.level]
            head = (name, part, level.facts.level, measure, level.facts.per_item, level.facts.interactions, taught)
            if lacks := refused([*((other, REAL) for other in levels), (level, PRIMARY)]):
                rows.append(WorthRow(*head, None, None, None, None, lacks))
                continue
            equal = equal_data(n, real, float(both[k]), k)
            drawn = np.array([equal_data(n, a, float(b), k) for a, b in zip(reals, boths[:, k], strict=True)])
            value = (equal - n[k]) / taught * 1e6
            ends = np.quantile((drawn - n[k]) / taught * 1e6, [0.025, 0.975], method="inverted_cdf")
            says = "" if np.isfinite(equal) else "beyond the largest level" if equal > 0 else "below the least level"
            facts = (_number(equal), _number(value), _number(float(ends[0])), _number(float(ends[1])), says)
            rows.append(WorthRow(*head, *facts))
    return rows


def equal_data(n: np.ndarray, real: np.ndarray, reached: float, own: int) -> float:
    """Interactions at which the rising monotone curve of real alone reaches a value; ±inf beyond its ends.

    Where the curve is flat at that value, the place in it that is nearest to level `own`.
    """
    curve = isotonic(real)
    if reached > curve[-1]:
        return float("inf")
    if reached < curve[0]:
        return float("-inf")
    flat = np.flatnonzero(curve == reached)
    if len(flat):
        return float(n[flat[np.argmin(np.abs(flat - own))]])
    k = int(np.searchsorted(curve, reached))
    share = (reached - curve[k - 1]) / (curve[k] - curve[k - 1])
    return float(np.exp(np.log(n[k - 1]) + share * (np.log(n[k]) - np.log(n[k - 1]))))


def _means(levels: Sequence[Level], arm: str, measure: str, resamples: Resamples) -> tuple[np.ndarray, np.ndarray]:
    """(means [levels], resampled means [BOOTSTRAPS, levels]) over targets of the mean over seeds."""
    columns = []
    for level in levels:
        rank = level.found[arm][0]
        values = metrics.recall(rank, 100) if measure == MEASURE else metrics.ndcg(rank, 10)
        columns.append(values.mean(axis=0))
    return resamples.means(np.column_stack(columns))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
