"""Hold out the largest runs, predict them from the others, and compare the forms by that error, in the excess.

An error in the loss flatters every form: most of a loss is its floor. So errors are given as shares of the excess, beside
two predictions that need no law: the log-log line through the last two points, and the nearest smaller run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.scaling import Forecast
from preceptor.scaling import intervals as iv
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import Fit, fit_form
from preceptor.scaling.forms import FORMS
from preceptor.scaling.noise import Noise, around, of_set
from preceptor.scaling.points import Points


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


def forecast(name: str, points: Points, config: ScalingConfig) -> list[Forecast]:
    """Predict the held-out points of one set by every form that can be fitted to the others."""
    found: list[Forecast] = []
    if not len(points):
        return found
    masks = {"corner": corner(points), "size": largest_size(points)}
    if np.array_equal(masks["corner"], masks["size"]):
        del masks["size"]
    for held, mask in masks.items():
        train, test = points.where(~mask), points.where(mask)
        if len(train) == 0:
            continue
        joint = _try(FORMS["joint"], train, config)
        known = points.known_floor()
        reference, kind = (known, "known floor") if known is not None else (math.nan, "none")
        if known is None and isinstance(joint, Fit):
            reference, kind = joint.parameters["E"], "fitted E"
        made: dict[tuple[str, float], tuple[Fit | str, iv.Intervals | None, float]] = {}
        for i in range(len(test)):
            n, d, actual = float(test.params[i]), float(test.tokens[i]), float(test.loss[i])
            base_line, base_near = two_point(train, n, d), nearest_smaller(train, n, d)
            for form in FORMS.values():
                of_size = len(form.over) == 1
                if (form.fixed_floor and known is None) or (of_size and held == "size"):
                    continue
                key = (form.name, n if of_size else 0.0)
                if key not in made:
                    part = train.where(train.params == n) if of_size else train
                    fit = joint if form.name == "joint" else _try(form, part, config)
                    noise = of_set(train, known if form.fixed_floor and known else 0.0)
                    made[key] = (fit, *_resampled(fit, part, noise, config)) if isinstance(fit, Fit) else (fit, None, 0.0)
                fit, intervals, scale = made[key]
                value, lo, hi, note = math.nan, math.nan, math.nan, ""
                if isinstance(fit, Fit):
                    value = float(fit.predict(n, d)[0])
                    if intervals is not None and len(intervals.theta):
                        noise = of_set(train, known if form.fixed_floor and known else 0.0)
                        draws = iv.prediction_draws(fit.predict(n, d, intervals.theta), fit.floor, noise, scale, config.seed)
                        lo, hi = (float(q) for q in np.quantile(draws, [0.025, 0.975]))
                    elif intervals is not None:
                        note = f"no interval: {intervals.reason}"
                else:
                    note = f"not fitted: {fit}"
                excess = actual - reference
                found.append(
                    Forecast(
                        set=name,
                        form=form.name,
                        params=n,
                        tokens=d,
                        actual=actual,
                        predicted=_known(value),
                        error=_known(value - actual),
                        excess_error=_known((value - actual) / excess),
                        baseline_two_point=_known(base_line),
                        baseline_nearest_smaller=_known(base_near),
                        lo=_known(lo),
                        hi=_known(hi),
                        held=held,
                        run=str(test.run[i]),
                        two_point_error=_known((base_line - actual) / excess),
                        nearest_smaller_error=_known((base_near - actual) / excess),
                        reference=_known(reference),
                        reference_kind=kind,
                        note=note,
                    )
                )
    return found


def error_of(rows: Sequence[Forecast], form: str, held: str = "corner") -> float:
    """Mean |excess error| of a form over the held-out points; NaN where it has none."""
    found = [r.excess_error for r in rows if r.form == form and r.held == held]
    errors = [math.nan if error is None else abs(error) for error in found]
    return float(np.mean(errors)) if errors else math.nan


def two_point(train: Points, params: float, tokens: float) -> float:
    """The log-log line through the last two points: in D at the same size, else in N at the same budget; NaN where neither.

    Several seeds at a cell count by their mean.
    """
    for along, across, at, same in (("tokens", "params", tokens, params), ("params", "tokens", params, tokens)):
        rows = train.where((getattr(train, across) == same) & (getattr(train, along) < at))
        values = np.unique(getattr(rows, along))
        if len(values) >= 2:
            x = values[-2:]
            y = [np.mean(np.log(rows.loss[getattr(rows, along) == v])) for v in x]
            slope = (y[1] - y[0]) / np.log(x[1] / x[0])
            return float(np.exp(y[1] + slope * np.log(at / x[1])))
    return math.nan


def nearest_smaller(train: Points, params: float, tokens: float) -> float:
    """The loss of the costliest run with no more parameters and no more tokens (mean over its seeds); NaN where none."""
    rows = train.where((train.params <= params) & (train.tokens <= tokens))
    if not len(rows):
        return math.nan
    return float(np.mean(rows.loss[rows.flops >= rows.flops.max() * (1 - 1e-12)]))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _top(values: np.ndarray) -> np.ndarray:
    distinct = np.unique(values)
    return values >= distinct[-max(1, len(distinct) // 5)]


def _try(form: object, points: Points, config: ScalingConfig) -> Fit | str:
    try:
        return fit_form(form, points, config.starts, config.delta, config.seed)  # type: ignore[arg-type]
    except PreceptorError as error:
        return f"{error.problem.lower()} ({error.found})"


def _resampled(fit: Fit, points: Points, noise: Noise | None, config: ScalingConfig) -> tuple[iv.Intervals, float]:
    used = points.where(points.loss > fit.floor) if fit.form.fixed_floor else points
    scatter = around(fit, used, noise)
    return iv.resample(fit, used, noise, scatter, config), scatter.scale
