"""What a study's own laws, fitted to its cheaper runs, would have missed on its dearer ones.

An *origin* is a cut in compute. Every form is fitted to the points at or below it, and predicts those above it, up to ten times
as far. The errors weigh the forms (the centre of a forecast is their average), and update τ (see `bands`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.scaling import bands
from preceptor.scaling.fit import Fit, fit_form, used_by
from preceptor.scaling.forms import FORMS, placed, terms
from preceptor.scaling.noise import around, of_dear_runs, of_set
from preceptor.scaling.points import Points

WINDOW = 10.0  # times the origin's compute: what is judged
_STARTS = 24
_SLACK = 1 + 1e-5  # levels of compute that agree to this are one
_ORIGINS = 5  # at most
_ALIKE = 4  # origins
_LIGHTEST = 0.05  # a form with less weight is left out
_MIN_VALUES, _MIN_LEFT = 3, 2  # different values of each variable; points beyond a form's parameters


@dataclass(frozen=True)
class Guess:
    """What a form said of an origin's later points: losses [n]; end: the least end of the loss that its points leave open;
    variance [n]: of the log loss above the form's fixed floor, owed to its parameters."""

    loss: np.ndarray
    end: float
    variance: np.ndarray


@dataclass(frozen=True)
class Origin:
    """A cut. later: the points beyond it; x [n]: how far (see bands). guesses: by form. noise: by form, variance of a run
    [n]."""

    cut: float
    later: Points
    x: np.ndarray
    guesses: Mapping[str, Guess]
    noise: Mapping[str, np.ndarray]


def compute(points: Points) -> np.ndarray:
    """What a cut is in: N·D, the law's own variables."""
    return points.params * points.tokens


def origins(points: Points, forms: Sequence[str], seed: int = 0, delta: float = 1e-3) -> list[Origin]:
    """Fit the forms below each of a few cuts and predict what lies above. points: of one set, and of one size for such
    forms."""
    found = []
    for cut in cuts(points, forms):
        train, later = split(points, cut)
        guesses, noise = {}, {}
        for name in forms:
            made = _guess(name, train, later, seed, delta)
            if made is not None:
                guesses[name], noise[name] = made
        if guesses and len(later):
            edge = (float(train.params.max()), float(train.tokens.max()), float(compute(train).max()))
            x = bands.farther(later.params, later.tokens, *edge)
            found.append(Origin(float(cut), later, x, guesses, noise))
    return found


def split(points: Points, cut: float) -> tuple[Points, Points]:
    """(the points at or below a cut, those above it and within reach of it)."""
    c = compute(points)
    return points.where(c <= cut * _SLACK), points.where((c > cut * _SLACK) & (c <= WINDOW * cut * _SLACK))


def cuts(points: Points, forms: Sequence[str]) -> list[float]:
    """Levels of compute that leave enough below to fit, and something above: at most five, spread over those there are."""
    level = np.unique(np.round(np.log(compute(points)), 6)) if len(points) else np.array([])
    fit_for = [v for v in level[:-1] if _enough(split(points, float(np.exp(v)))[0], forms)]
    if not fit_for:
        return []
    top = level[-1]
    # what lies far below the top says little of the law as it is now: three e-folds of ten at most
    fit_for = [v for v in fit_for if v >= top - np.log(30.0)] or fit_for[-1:]
    if len(fit_for) > _ORIGINS:
        wanted = np.linspace(fit_for[0], fit_for[-1], _ORIGINS)
        fit_for = sorted({min(fit_for, key=lambda v: abs(v - w)) for w in wanted})
    return [float(np.exp(v)) for v in fit_for]


def _enough(points: Points, forms: Sequence[str]) -> bool:
    form = FORMS[forms[0]]
    need = min(FORMS[name].n_free for name in forms) + _MIN_LEFT
    cells = len(set(zip(points.params.tolist(), points.tokens.tolist(), strict=True)))
    return cells >= need and all(len(np.unique(getattr(points, v))) >= _MIN_VALUES for v in form.over)


def _guess(name: str, train: Points, later: Points, seed: int, delta: float) -> tuple[Guess, np.ndarray] | None:
    form = FORMS[name]
    floor = train.known_floor()
    cells = len(set(zip(train.params.tolist(), train.tokens.tolist(), strict=True)))
    if (form.fixed_floor and floor is None) or cells < form.n_free + 1:
        return None
    try:
        fit = fit_form(form, train, _STARTS, delta, seed)
    except PreceptorError:
        return None
    used = used_by(form, train)
    seeds = of_set(train, floor if form.fixed_floor and floor else 0.0)
    scatter = around(fit, used, seeds)
    covariance, end = parameters(fit, scatter.scale**2 + (seeds.run**2 if seeds else 0.0))
    dear = of_dear_runs(fit, used)
    x = placed(form, fit.centre, later.params, later.tokens)
    bends = slopes(fit, x)
    loss = fit.predict(later.params, later.tokens)
    own = (dear.run**2 + dear.point**2) * dear.scale(1 - fit.floor / loss) ** 2
    return Guess(loss, end, np.einsum("ij,jk,ik->i", bends, covariance, bends)), own


def parameters(fit: Fit, variance: float) -> tuple[np.ndarray, float]:
    """(covariance of theta, the least end of the loss that the points leave open), by linearising at the optimum.

    variance: of a point's log residual. The end is E less two standard errors, or, where E is at a bound, the least there is:
    0, the known floor, or as far below the lowest loss as that lies below the highest: no more is left than the points fell by.
    """
    problem = fit.problem
    free = (problem.lo < problem.hi) & (fit.theta > problem.lo + 1e-6) & (fit.theta < problem.hi - 1e-6)
    bends, weight = slopes(fit, problem.x)[:, free], problem.weight[:, None]
    covariance = np.zeros((len(fit.theta), len(fit.theta)))
    if free.any():
        gram = bends.T @ (weight * bends)
        scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
        inverse = np.linalg.pinv(gram / np.outer(scale, scale), rcond=1e-9) / np.outer(scale, scale)
        covariance[np.ix_(free, free)] = variance * inverse @ (bends.T @ (weight**2 * bends)) @ inverse
    if fit.form.fixed_floor:
        return covariance, fit.floor
    lowest = float(np.exp(problem.lo[0])) if problem.lo[0] > problem.y.min() - 14 else 0.0
    top, bottom = np.exp(problem.y.max()), np.exp(problem.y.min())
    lowest = max(lowest, float(bottom - (top - bottom)))
    if not free[0]:
        return covariance, lowest
    e = float(np.exp(fit.theta[0]))
    return covariance, max(lowest, e * (1 - 2 * float(np.sqrt(covariance[0, 0]))))


def slopes(fit: Fit, x: np.ndarray) -> np.ndarray:
    """Derivatives [n, 1 + 2K] of the log of what the form predicts above its fixed floor, by theta."""
    above = terms(fit.form, fit.theta, x)
    total = np.exp(fit.theta[0]) + above
    parts = [np.full(len(x), np.exp(fit.theta[0])) / total]
    for k in range(x.shape[1]):
        term = (above if fit.form.bends else np.exp(fit.theta[1 + 2 * k] - fit.theta[2 + 2 * k] * x[:, k])) / total
        parts += [term, -x[:, k] * term]
    return np.stack(parts, axis=-1)


def weigh(found: Sequence[Origin], forms: Sequence[str], floor: float | None) -> dict[str, float]:
    """Weights of the forms, by the inverse of their mean squared error at the origins (Bates & Granger 1969).

    The error is of the log loss above the known floor, or of the log loss. Only origins that all forms could be fitted at
    count, and few of them tell forms hardly apart: it is as if at `_ALIKE` more all forms had erred alike. A form of little
    weight has none.
    """
    above = [o for o in found if (o.later.loss > (floor or 0.0)).any()]
    shared = [o for o in above if all(f in o.guesses for f in forms)]
    sums = {f: float(np.sum([np.nanmean(_log_error(o, o.guesses[f].loss, floor) ** 2) for o in shared])) for f in forms}
    alike = _ALIKE * sum(sums.values()) / max(len(forms) * len(shared), 1)
    squares = {f: s + alike for f, s in sums.items()}
    inverse = {f: 1.0 / max(s, 1e-12) for f, s in squares.items()}
    shares = {f: v / sum(inverse.values()) for f, v in inverse.items()}
    kept = {f: s for f, s in shares.items() if s >= _LIGHTEST}
    return {f: s / sum(kept.values()) for f, s in kept.items()}


def average(losses: Mapping[str, np.ndarray], weights: Mapping[str, float], floor: float | None) -> np.ndarray:
    """The weighted mean of the forms' losses [n]: of the log of what is above the known floor, else of the log loss."""
    base = floor or 0.0
    known = {f: w for f, w in weights.items() if f in losses}
    if len(known) == 1:
        return losses[next(iter(known))]
    total = sum(known.values())
    with np.errstate(divide="ignore"):
        mean = sum(w / total * np.log(np.maximum(losses[f] - base, 0.0)) for f, w in known.items())
    return np.asarray(base + np.exp(mean))


def misses(found: Sequence[Origin], weights: Mapping[str, float], form: str, floor: float | None) -> list[bands.Miss]:
    """What the average of the forms missed above each cut, the latest cut last.

    form: whose end and variances count.
    """
    result = []
    for o in found:
        if form not in o.guesses:
            continue
        guess = o.guesses[form]
        used = weights if any(f in o.guesses for f in weights) else {form: 1.0}
        centre = average({f: g.loss for f, g in o.guesses.items()}, used, floor)
        fixed = floor if FORMS[form].fixed_floor else None
        share = bands.reducible_share(centre, guess.end, fixed)
        square = _log_error(o, centre, fixed) ** 2 / share**2
        known = (guess.variance + o.noise[form]) / share**2
        ok = np.isfinite(square) & np.isfinite(known)
        distance = float(np.sum(o.x[ok] ** 2))
        if distance > 0:
            result.append(bands.Miss(float(np.sum(square[ok])) / distance, float(np.sum(known[ok])) / distance))
    return result


def _log_error(o: Origin, loss: np.ndarray, floor: float | None) -> np.ndarray:
    """Errors [n] of the log of what is left above the floor; NaN at points that don't lie above it."""
    base = floor or 0.0
    left = np.where(o.later.loss > base, o.later.loss - base, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(left) - np.log(np.maximum(loss - base, 1e-12)))
