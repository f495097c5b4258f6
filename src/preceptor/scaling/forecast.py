"""Hold out the largest runs, predict them from the others, and compare the forms by that error, in the excess.

Three parts are held out, one at a time: the largest sizes, the largest budgets, and the corner of both. An error in the loss
flatters every form: most of a loss is its floor. So errors are given as shares of the excess, beside two predictions that need
no law: the log-log line of the excess through the last two points, and the nearest smaller run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import expected
from preceptor.scaling.fit_one import FAMILY, Tracks, fit_one, track_record
from preceptor.scaling.fitted import FittedLaw, SetLaws
from preceptor.scaling.forms import FORMS
from preceptor.scaling.points import Points

NAMED = "named"  # held: rows that a person named, or a table of their own
HELD = ("corner", "size", "tokens")
AVERAGED = "averaged"  # form: the average of the forms, which plans use


@dataclass(frozen=True)
class Judged:
    """How forecasts of held-out points did. error: mean |error| as a share of the excess; covered: share within the 95 %
    interval; None where there is none."""

    points: int
    error: float | None
    covered: float | None
    two_point: float | None
    nearest_smaller: float | None


def corner(points: Points) -> np.ndarray:
    """Mask of the largest (N, D) corner: a fifth of the sizes (at least one) at a fifth of the budgets.

    Where sizes don't share budgets and that corner is empty: the tenth of the points that cost most.
    """
    mask = _top(points.params) & _top(points.tokens)
    if mask.any():
        return mask
    return points.flops >= np.quantile(points.flops, 0.9)


def largest_size(points: Points) -> np.ndarray:
    """Mask of all points of the largest fifth of the sizes (at least one)."""
    return _top(points.params)


def largest_budgets(points: Points) -> np.ndarray:
    """Mask of all points at the largest fifth of the budgets (at least one)."""
    return _top(points.tokens)


def forecast(name: str, points: Points, config: ScalingConfig) -> list[Forecast]:
    """Predict the held-out points of one set by every form that can be fitted to the others."""
    found: list[Forecast] = []
    if not len(points):
        return found
    masks = dict(zip(HELD, (corner(points), largest_size(points), largest_budgets(points)), strict=True))
    for held in HELD[1:]:
        if np.array_equal(masks["corner"], masks[held]):
            del masks[held]
    for held, mask in masks.items():
        train, test = points.where(~mask), points.where(mask)
        if len(train):
            found += predict(name, train, test, config, held)
    return found


def predict(name: str, train: Points, test: Points, config: ScalingConfig, held: str) -> list[Forecast]:
    """Predict `test` by every form that can be fitted to `train`, and by their average; both of one set."""
    known = train.known_floor()
    tracks = track_record(train, config)
    laws = _Laws(train, config, tracks)
    reference, kind = (known, "known floor") if known is not None else (math.nan, "none")
    joint = laws.of("joint", None)
    if known is None and isinstance(joint, FittedLaw):
        reference, kind = joint.parameters["E"].value, "fitted E"
    found: list[Forecast] = []
    for i in range(len(test)):
        n, d, actual = float(test.params[i]), float(test.tokens[i]), float(test.loss[i])
        base_line, base_near = two_point(train, n, d, reference), nearest_smaller(train, n, d)
        excess = actual - reference
        common = {
            "set": name, "params": n, "tokens": d, "actual": actual, "baseline_two_point": _known(base_line),
            "baseline_nearest_smaller": _known(base_near), "held": held, "run": str(test.run[i]),
            "two_point_error": _known((base_line - actual) / excess),
            "nearest_smaller_error": _known((base_near - actual) / excess),
            "reference": _known(reference), "reference_kind": kind,
        }  # fmt: skip
        for form, law, centre in laws.at(n, d):
            value, lo, hi, note = math.nan, math.nan, math.nan, ""
            if isinstance(law, FittedLaw):
                made = expected(law, n, d, centre)
                value = float(made.loss[0])
                if made.interval_95 is None:
                    note = f"no interval: {made.reason}"
                else:
                    lo, hi = (float(end[0]) for end in made.interval_95)
            else:
                note = f"not fitted: {law}"
            numbers = {
                "predicted": _known(value), "error": _known(value - actual), "excess_error": _known((value - actual) / excess),
                "lo": _known(lo), "hi": _known(hi),
            }  # fmt: skip
            found.append(Forecast(form=form, note=note, **common, **numbers))  # type: ignore[arg-type]
    return found


class _Laws:
    """The laws of a training part, each fitted when it is first asked for."""

    def __init__(self, train: Points, config: ScalingConfig, tracks: Tracks) -> None:
        self.train, self.config, self.tracks = train, config, tracks
        self.floor = train.known_floor()
        self._made: dict[tuple[str, float | None], FittedLaw | str] = {}

    def of(self, name: str, params: float | None) -> FittedLaw | str:
        """A law, or why there is none."""
        key = (name, params)
        if key not in self._made:
            part = self.train if params is None else self.train.where(self.train.params == params)
            self._made[key] = self._fit(name, params, part)
        return self._made[key]

    def at(self, n: float, d: float) -> list[tuple[str, FittedLaw | str, np.ndarray | None]]:
        """(form, law or why none, centre) of every form at (n, d), the average of a family last where it has several."""
        found: list[tuple[str, FittedLaw | str, np.ndarray | None]] = []
        for form in FORMS.values():
            single = len(form.over) == 1
            if (form.fixed_floor and self.floor is None) or (single and not (self.train.params == n).any()):
                continue
            found.append((form.name, self.of(form.name, n if single else None), None))
        for family, names in FAMILY.items():
            weights = self.tracks.weights.get(family, {})
            laws = [law for form, law, _ in found if form in names and isinstance(law, FittedLaw)]
            if family == "joint" and len(weights) > 1 and len(laws) > 1:
                entry = SetLaws("", "", self.floor, tuple(laws), None, {}, {}, weights={family: weights})
                chief = max(laws, key=lambda law: weights.get(law.form, 0.0))
                found.append((AVERAGED, chief, entry.centre(chief, n, d)))
        return found

    def _fit(self, name: str, params: float | None, part: Points) -> FittedLaw | str:
        form = FORMS[name]
        above = part.where(part.loss > (self.floor or 0.0)) if form.fixed_floor else part
        if len(above) < form.n_free:
            return f"too few points for form {name!r} ({len(above)})"
        try:
            return fit_one(form, params, part, self.config, tracks=self.tracks, of_all=self.train, judge=False)
        except PreceptorError as error:
            return f"{error.problem.lower()} ({error.found})"


def error_of(rows: Sequence[Forecast], form: str, held: str = "corner") -> float:
    """Mean |excess error| of a form over the held-out points; NaN where it has none."""
    found = [r.excess_error for r in rows if r.form == form and r.held == held]
    errors = [math.nan if error is None else abs(error) for error in found]
    return float(np.mean(errors)) if errors else math.nan


def cells_of(rows: Sequence[Forecast]) -> dict[str, dict[str, float]]:
    """Mean |excess error| by form and held-out part, where a form has errors."""
    found: dict[str, dict[str, float]] = {}
    for form in dict.fromkeys(r.form for r in rows):
        errors = {held: e for held in dict.fromkeys(r.held for r in rows) if not math.isnan(e := error_of(rows, form, held))}
        if errors:
            found[form] = errors
    return found


def judged(rows: Sequence[Forecast]) -> Judged:
    """What came of some forecasts, each of another point."""
    covered = [r.lo <= r.actual <= r.hi for r in rows if r.lo is not None and r.hi is not None]
    return Judged(
        len(rows), _mean([r.excess_error for r in rows]), float(np.mean(covered)) if covered else None,
        _mean([r.two_point_error for r in rows]), _mean([r.nearest_smaller_error for r in rows]),
    )  # fmt: skip


def two_point(train: Points, params: float, tokens: float, reference: float = math.nan) -> float:
    """The log-log line through the last two points: in D at the same size, else in N at the same budget; NaN where neither.

    The line is of the loss less `reference` where all its points lie above that, else of the loss. Several seeds at a cell
    count by their mean.
    """
    for along, across, at, same in (("tokens", "params", tokens, params), ("params", "tokens", params, tokens)):
        rows = train.where((getattr(train, across) == same) & (getattr(train, along) < at))
        values = np.unique(getattr(rows, along))
        if len(values) >= 2:
            x = values[-2:]
            base = 0.0 if math.isnan(reference) or (rows.loss <= reference).any() else reference
            y = [np.mean(np.log(rows.loss[getattr(rows, along) == v] - base)) for v in x]
            slope = (y[1] - y[0]) / np.log(x[1] / x[0])
            return float(base + np.exp(y[1] + slope * np.log(at / x[1])))
    return math.nan


def nearest_smaller(train: Points, params: float, tokens: float) -> float:
    """The loss of the costliest run with no more parameters and no more tokens (mean over its seeds); NaN where none."""
    rows = train.where((train.params <= params) & (train.tokens <= tokens))
    if not len(rows):
        return math.nan
    return float(np.mean(rows.loss[rows.flops >= rows.flops.max() * (1 - 1e-12)]))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [abs(v) for v in values if v is not None]
    return float(np.mean(known)) if known else None


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _top(values: np.ndarray) -> np.ndarray:
    distinct = np.unique(values)
    return values >= distinct[-max(1, len(distinct) // 5)]
