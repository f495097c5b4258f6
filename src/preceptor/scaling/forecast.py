"""Hold out the largest runs, predict them from the others, and compare the forms by that error, in the excess.

Three parts are held out, one at a time: the largest sizes, the largest budgets, and the corner of both. An error in the loss
flatters every form: most of a loss is its floor. So errors are given as shares of the excess, beside two predictions that need
no law: the log-log line of the excess through the last two points, and the nearest smaller run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import expected
from preceptor.scaling.fit_one import fit_laws, lacks, track_record
from preceptor.scaling.fitted import FittedLaw, SetLaws, around
from preceptor.scaling.forms import LAWS
from preceptor.scaling.kinds import compared
from preceptor.scaling.points import Points

NAMED = "named"  # held: rows that a person named, or a table of their own
HELD = ("corner", "size", "tokens")
PLANNED = "plan"  # form: the law that a plan would use at that size, averaged with others as it would be


@dataclass(frozen=True)
class Judged:
    """How forecasts of held-out points did. points: with a forecast; without: those that no law reaches; below: those without
    an error, since they lie at or below what the excess is over. error: mean |error| as a share of the excess; covered: share
    within the 95 % interval; None where there is none."""

    points: int
    error: float | None
    covered: float | None
    two_point: float | None
    nearest_smaller: float | None
    without: int = 0
    below: int = 0


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
    """Predict the held-out points of one set by every form that can be fitted to the others, and as a plan would."""
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
            found += predict(laws_of_part(name, train, config, np.unique(test.params)), train, test, held)
    return found


def laws_of_part(name: str, train: Points, config: ScalingConfig, sizes: np.ndarray) -> SetLaws:
    """The laws of a part of a set's points. sizes: those that are forecast: they get laws of their own, or the two sizes around
    them do, where the part has no points of them."""
    tracks = track_record(train, config)
    trained = np.unique(train.params).tolist()
    own = sorted({m for n in sizes.tolist() for m in ([n] if n in trained else around(trained, n))})
    laws, unshown, missing = fit_laws(train, config, tracks, own, doubt=False)
    floor, chosen = train.known_floor(), chief(laws, {})
    kinds = compared(train, config)
    return SetLaws(
        name, str(train.unit[0]), floor, tuple(laws), chosen, missing, {}, weights=tracks.weights, unshown=unshown, kinds=kinds
    )


def chief(laws: Sequence[FittedLaw], errors: Mapping[str, float]) -> str | None:
    """The joint form that plans rest on: an identified one, of the least held-out error, with the known floor."""
    joint = [law for law in laws if law.params is None]
    joint.sort(key=lambda law: (not law.identified, errors.get(law.form, np.inf), law.form != "joint-excess"))
    return joint[0].form if joint else None


def predict(entry: SetLaws, train: Points, test: Points, held: str) -> list[Forecast]:
    """Predict `test` by every law of `entry`, which was fitted to `train`, and as a plan would; both of one set."""
    found: list[Forecast] = []
    for i in range(len(test)):
        n, d, actual = float(test.params[i]), float(test.tokens[i]), float(test.loss[i])
        reference, kind = _reference(entry, n)
        base_line, base_near = two_point(train, n, d, reference), nearest_smaller(train, n, d)
        excess = _excess(test, n, d, reference)
        common = {
            "set": entry.name, "params": n, "tokens": d, "actual": actual, "baseline_two_point": _known(base_line),
            "baseline_nearest_smaller": _known(base_near), "held": held, "run": str(test.run[i]),
            "two_point_error": _share(base_line - actual, excess),
            "nearest_smaller_error": _share(base_near - actual, excess),
            "reference": _known(reference), "reference_kind": kind,
        }  # fmt: skip
        for form, law, said in _laws_at(entry, train, n, d):
            value, lo, hi, why = math.nan, math.nan, math.nan, ""
            if law is not None:
                made = expected(law, n, d, entry.centre(law, n, d) if form == PLANNED else None)
                value = float(made.loss[0])
                if made.interval_95 is None:
                    why = f"no interval: {made.reason}"
                else:
                    lo, hi = (float(end[0]) for end in made.interval_95)
            numbers = {
                "predicted": _known(value), "error": _known(value - actual), "excess_error": _share(value - actual, excess),
                "lo": _known(lo), "hi": _known(hi),
            }  # fmt: skip
            below = "no error: measured at or below what the excess is over" if excess is None else ""
            note = "; ".join(filter(None, (said, why, below)))
            found.append(Forecast(form=form, note=note, **common, **numbers))  # type: ignore[arg-type]
    return found


def _laws_at(entry: SetLaws, train: Points, n: float, d: float) -> list[tuple[str, FittedLaw | None, str]]:
    """(form, its law at a size, what to say of it at so many tokens), what a plan would say last."""
    found: list[tuple[str, FittedLaw | None, str]] = []
    for form in LAWS.values():
        single = len(form.over) == 1
        own = train.where(train.params == n) if single else train
        if (form.fixed_floor and entry.floor is None) or not len(own):
            continue
        law = entry.law(form.name, n if single else None)
        found.append((form.name, law, "" if law else f"not fitted: {lacks(form, own)}"))
    law = entry.at(n)
    if law is None:
        return [*found, (PLANNED, None, "neither a joint law nor one of this size")]
    said = entry.mixture(law, d) or law.form
    of = {None: "joint laws", n: "laws of this size"}.get(law.params, "a line in N through the laws of two sizes")
    return [*found, (PLANNED, law, f"{of}: {said}" + ("" if entry.identified(law, n) else ", not identified"))]


def _excess(test: Points, n: float, d: float, reference: float) -> float | None:
    """What errors at a cell are shares of: the excess of its runs' mean, since that of one run may be next to nothing by luck.

    NaN where nothing is known that the excess would be over, None where the mean doesn't lie above it.
    """
    cell = (test.params == n) & (test.tokens == d)
    excess = float(np.mean(test.loss[cell])) - reference
    return None if excess <= 0 else excess


def _share(error: float, excess: float | None) -> float | None:
    return None if excess is None else _known(error / excess)


def _reference(entry: SetLaws, n: float) -> tuple[float, str]:
    """(what errors are shares above, what that is): the known floor, else the end that the joint law or the size's own has."""
    if entry.floor is not None:
        return entry.floor, "known floor"
    if (joint := entry.law("joint")) is not None:
        return joint.parameters["E"].value, "fitted E"
    if (own := entry.law("data", n)) is not None:
        return own.parameters["L_inf"].value, "fitted L_inf"
    return math.nan, "none"


def error_of(rows: Sequence[Forecast], form: str, held: str = "corner") -> float:
    """Mean |excess error| of a form over the held-out points that lie above the floor; NaN where it has none, or can't predict
    one of them."""
    found = [r for r in rows if r.form == form and r.held == held]
    if any(r.predicted is None for r in found):
        return math.nan
    mean = _mean([r.excess_error for r in found])
    return math.nan if mean is None else mean


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
    made = [r for r in rows if r.predicted is not None]
    covered = [r.lo <= r.actual <= r.hi for r in made if r.lo is not None and r.hi is not None]
    return Judged(
        len(made), _mean([r.excess_error for r in made]), float(np.mean(covered)) if covered else None,
        _mean([r.two_point_error for r in made]), _mean([r.nearest_smaller_error for r in made]), len(rows) - len(made),
        sum(r.excess_error is None and r.reference is not None for r in made),
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
