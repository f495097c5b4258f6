"""Reading one measured quantity off another, such as recall off a loss: a falling relation, its scatter, and where it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.statistics import falling, spearman, student
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import RecommendRow

METRICS = {"recall_10": "Recall@10", "recall_100": "Recall@100"}
MIN_PAIRS = 8
MIN_CORRELATION = 0.8  # of ranks: below it one quantity can't be read off the other


@dataclass(frozen=True)
class Relation:
    """A falling relation of y to x. x, y [K]: knots, x rising. scatter: rms error of y at runs that were left out, runs of
    them. lo, hi: the x that were measured; nothing is read outside of them. people: half of the 95 % interval of y for other
    people than those measured, which all readings share."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    scatter: float
    runs: int
    lo: float
    hi: float
    people: float | None = None

    def at(self, x: float) -> float | None:
        """y at x; None outside of what was measured."""
        return float(np.interp(x, self.x, self.y)) if self.lo <= x <= self.hi else None

    def reach(self, level: float) -> float:
        """Half-width of an interval of y at a known x."""
        return student(max(self.runs - 1, 1), level) * self.scatter

    def inverse(self, y: float) -> float | None:
        """The largest x at which y is reached; None where it never was."""
        if not min(self.y) <= y <= max(self.y):
            return None
        return float(np.interp(-y, [-v for v in self.y], self.x))


@dataclass(frozen=True)
class Reading:
    """y read off a relation. value None, or an end of an interval None: not measured; note says where it ends."""

    value: float | None
    interval_80: tuple[float | None, float | None] | None = None
    interval_95: tuple[float | None, float | None] | None = None
    note: str = ""


def relate(x: Sequence[float], y: Sequence[float], runs: Sequence[str], people: float | None = None) -> Relation | str:
    """The relation of y to x over measured pairs, or why there is none. runs: what the pairs belong to."""
    if len(x) < MIN_PAIRS or len(set(runs)) < 3:
        return f"{len(x)} pairs of {len(set(runs))} runs; {MIN_PAIRS} of 3 are needed"
    xs, ys, names = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(runs)
    rho = spearman(xs, ys) or 0.0
    if not rho <= -MIN_CORRELATION:
        return f"it doesn't follow the loss: the rank correlation is {rho:.2f}, and −{MIN_CORRELATION} is needed"
    errors = []
    for name in dict.fromkeys(runs):
        out = names == name
        knots = falling(xs[~out], ys[~out])
        errors.append(np.interp(xs[out], *knots) - ys[out])
    knots_x, knots_y = falling(xs, ys)
    scatter = float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))
    return Relation(
        tuple(knots_x.tolist()), tuple(knots_y.tolist()), scatter, len(errors), float(xs.min()), float(xs.max()), people
    )


def read_off(
    relation: Relation, x: float, interval_80: tuple[float, float] | None, interval_95: tuple[float, float] | None
) -> Reading:
    """y at a forecast x whose intervals are given: x's uncertainty and the relation's scatter, as independent."""
    value = relation.at(x)
    if value is None:
        side = "below the lowest" if x < relation.lo else "above the highest"
        bound = relation.lo if x < relation.lo else relation.hi
        return Reading(None, note=f"not read off: a loss of {x:.4g} is {side} measured, {bound:.4g}")
    made_80 = _interval(relation, x, value, interval_80, 0.8)
    made_95 = _interval(relation, x, value, interval_95, 0.95)
    open_end = any(pair is not None and None in pair for pair in (made_80, made_95))
    return Reading(value, made_80, made_95, note="an open end lies outside of the measured losses" if open_end else "")


def _interval(
    relation: Relation, x: float, value: float, span: tuple[float, float] | None, level: float
) -> tuple[float | None, float | None] | None:
    if span is None:
        return None
    reach = relation.reach(level)
    low, high = relation.at(span[1]), relation.at(span[0])
    return (
        None if low is None else value - math.hypot(value - low, reach),
        None if high is None else value + math.hypot(high - value, reach),
    )


def recall_of_loss(points: Sequence[Point], rows: Sequence[RecommendRow], name: str) -> dict[str, Relation | str]:
    """How recall on real people follows the loss on a set, by metric, or why it can't be read off.

    The language models of the study itself, calibrated, on the test part where it was opened; each target counts the same.
    """
    part = "test" if any(r.part == "test" for r in rows) else "validation"
    models = [r for r in rows if (r.arm, r.study_arm, r.part, r.balance) == ("lm", "", part, "targets")]
    losses: Mapping[tuple[str, int], float] = {(p.run, p.tokens): p.loss for p in points if p.set == name}
    pairs = [(losses[r.run, r.tokens], r) for r in models if r.form == "calibrated" and (r.run, r.tokens) in losses]  # type: ignore[index]
    if not pairs:
        return dict.fromkeys(METRICS, "no language model of the study was both measured on this set and ranked")
    best = min(pairs, key=lambda pair: pair[0])[1]
    found: dict[str, Relation | str] = {}
    for metric in METRICS:
        lo, hi = getattr(best, f"{metric}_lo"), getattr(best, f"{metric}_hi")
        people = None if lo is None or hi is None else (hi - lo) / 2
        found[metric] = relate(
            [loss for loss, _ in pairs], [getattr(r, metric) for _, r in pairs], [str(r.run) for _, r in pairs], people
        )
    return found
