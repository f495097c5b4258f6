"""Which single points a law hangs on, and which lie far off it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.scaling.fit import Fit
from preceptor.scaling.forms import placed
from preceptor.scaling.noise import Scatter
from preceptor.scaling.points import Points
from preceptor.scaling.rolling import parameters, slopes

SHOWN = 3
FAR_OFF = 5.0  # times the scatter around the law: under normal noise one point in 1.7 million
_REFITTED = 60  # of the points that a linear estimate says move most


@dataclass(frozen=True)
class Influence:
    """A point. moves: what leaving it out does to the forecast at ten times the largest run's tokens, as a change of the log of
    what is left above the floor (of the log loss where none is fixed). residual: log loss less the law's, in units of the
    scatter around it."""

    run: str
    params: float
    tokens: float
    loss: float
    moves: float
    residual: float

    @property
    def drop(self) -> str:
        """The expression that leaves the point out."""
        return f'run == "{self.run}" and tokens == {self.tokens:.17g}'


def influence(fit: Fit, points: Points, scatter: Scatter, far: tuple[float, float], delta: float) -> list[Influence]:
    """Every point that was refitted without, those that move the forecast at `far` (size, tokens) most first.

    points: those that the fit used. A linear estimate picks the sixty that are refitted for; the others have moves of 0.
    """
    n = fit.n
    residual = fit.problem.y - fit.problem.log_prediction(fit.theta)
    covariance, _ = parameters(fit, 1.0)
    x_far = placed(fit.form, fit.centre, *far)
    bent = np.clip(residual, -scatter.delta, scatter.delta)
    linear = slopes(fit, fit.problem.x) @ covariance @ slopes(fit, x_far)[0] * bent
    first = np.argsort(-np.abs(linear), kind="stable")[:_REFITTED]
    moves = np.zeros(n)
    if n > fit.form.n_free + 1:
        weights = np.ones((len(first), n))
        weights[np.arange(len(first)), first] = 0.0
        starts = np.concatenate([fit.theta[None], fit.starts.theta[:2]])
        theta = fit.problem.minimise_resamples(starts, np.tile(fit.problem.y, (len(first), 1)), weights, delta)
        with np.errstate(divide="ignore"):
            without = np.log(fit.predict(*far, theta)[:, 0] - fit.floor)
            moves[first] = without - np.log(fit.predict(*far)[0] - fit.floor)
    scale = max(scatter.scale, 1e-12)
    rows = zip(points.run, points.params, points.tokens, points.loss, moves, residual / scale, strict=True)
    found = [Influence(str(r), float(p), float(t), float(y), float(m), float(e)) for r, p, t, y, m, e in rows]
    return sorted(found, key=lambda one: -abs(one.moves))


def outliers(found: list[Influence]) -> list[Influence]:
    """Points farther off the law than noise takes them."""
    return sorted((one for one in found if abs(one.residual) > FAR_OFF), key=lambda one: -abs(one.residual))
