"""Intervals, only where something in the table measures the noise between runs.

- *bootstrap over runs, by size*: ≥ 5 sizes with ≥ 3 runs (seeds) each. Whole trunks are drawn, k − 1 of a size's k with
  weights k/(k − 1) (Rao & Wu 1988), since drawing k of k understates the variance by a third at k = 3. Intervals are widened
  as Student's t is, by the degrees of freedom that runs leave within sizes.
- *bootstrap over runs*: ≥ 30 runs over ≥ 10 sizes without repeated seeds, as in the isoFLOP sweeps of the literature.
- *parametric*: fewer, but some cell (N, D) was run with ≥ 2 seeds. Losses are drawn from the fitted law with the measured
  noise of runs and points (or the scatter around the law where larger), each drawn with its own degrees of freedom.
- else none, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core import rng
from preceptor.core.statistics import student
from preceptor.scaling.bands import Z
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import Fit, starting_points
from preceptor.scaling.forms import natural
from preceptor.scaling.noise import Noise, Scatter
from preceptor.scaling.points import Points

BY_SIZE, OVER_RUNS, PARAMETRIC, NONE = (
    "bootstrap over runs, by size",
    "bootstrap over runs",
    "parametric bootstrap",
    "no interval",
)


@dataclass(frozen=True)
class Intervals:
    """How the intervals of a fit were made. theta [R, 1 + 2K]: the refitted resamples, none where there is no interval.

    dof: degrees of freedom of the resamples' spread; None where the resamples have its uncertainty in them.
    """

    method: str
    reason: str
    theta: np.ndarray
    dof: int | None = None

    def of(self, fit: Fit, level: float = 0.95) -> dict[str, tuple[float, float]]:
        """Percentile intervals of the parameters, widened for few runs (coefficients in the log); empty where there are
        none."""
        if not len(self.theta):
            return {}
        tail = (1 - level) / 2
        lo, hi = np.quantile(natural(self.theta, fit.centre, fit.form), [tail, 1 - tail], axis=0)
        factor = widening(self.dof, level)
        found = {}
        for s, a, b in zip(fit.form.symbols, lo.tolist(), hi.tolist(), strict=True):
            value = fit.parameters[s]
            if s in ("A", "B") and min(a, b, value) > 0:
                found[s] = (value * (a / value) ** factor, value * (b / value) ** factor)
            else:
                least = -np.inf if s == "G" else 0.0  # a law's slope may grow or shrink
                found[s] = (max(least, value + factor * (a - value)), value + factor * (b - value))
        return found


def widening(dof: int | None, level: float) -> float:
    """Student's reach over the normal one: 1 without degrees of freedom."""
    return 1.0 if dof is None else student(dof, level) / Z[level]


def method_for(fit: Fit, points: Points, noise: Noise | None) -> tuple[str, str]:
    """(method, reason) by the rules above."""
    runs = {str(r): float(p) for r, p in zip(points.run, points.params, strict=True)}
    sizes, counts = np.unique(list(runs.values()), return_counts=True)
    joint = len(fit.form.over) > 1
    if joint and np.sum(counts >= 3) >= 5 and counts.min() >= 2:
        return BY_SIZE, f"{len(runs)} runs of {len(sizes)} sizes"
    if joint and noise is None and len(runs) >= 30 and len(sizes) >= 10:
        return OVER_RUNS, f"{len(runs)} single runs of {len(sizes)} sizes"
    if noise is not None:
        return (
            PARAMETRIC,
            f"seed noise {noise.run:.2g} a run and {noise.point:.2g} a point (log), {noise.dof} degree(s) of freedom",
        )
    return NONE, "no size was trained with two seeds, so the noise between runs isn't known"


def resample(fit: Fit, points: Points, noise: Noise | None, scatter: Scatter, config: ScalingConfig) -> Intervals:
    """Refit resamples of the points (those the fit used)."""
    method, reason = method_for(fit, points, noise)
    n, n_resamples = fit.n, config.bootstraps
    if n <= fit.form.n_free:
        method, reason = NONE, f"{n} points for {fit.form.n_free} parameters"
    if method == NONE or n_resamples == 0:
        return Intervals(NONE, reason if n_resamples else "bootstraps = 0", np.empty((0, len(fit.theta))))
    gen = rng.generator(config.seed, f"scaling/bootstrap/{fit.form.name}")
    _, which = np.unique(points.run.astype(str), return_inverse=True)
    ys, weights = np.tile(fit.problem.y, (n_resamples, 1)), np.ones((n_resamples, n))
    if method == PARAMETRIC:
        assert noise is not None
        of_point = noise.within if scatter.scale <= noise.point else max(n - fit.form.n_free, 1)
        wide, own_wide = (np.sqrt(dof / gen.chisquare(dof, (n_resamples, 1))) for dof in (noise.dof, of_point))
        luck = gen.standard_normal((n_resamples, which.max() + 1))[:, which] * noise.run
        own = gen.standard_normal((n_resamples, n)) * max(noise.point, scatter.scale)
        ys = fit.problem.log_prediction(fit.theta) + wide * luck + own_wide * own
    else:
        weights = _weights(gen, which, points.params, n_resamples, by_size=method == BY_SIZE)
    first = np.concatenate([fit.theta[None], starting_points(fit.problem, config.bootstrap_starts - 1, config.seed)])
    theta = fit.problem.minimise_resamples(first, ys, weights, config.delta)
    if method == PARAMETRIC:
        return Intervals(method, reason, theta)
    sizes = len(np.unique(points.params)) if method == BY_SIZE else fit.form.n_free
    return Intervals(method, reason, theta, max(int(which.max()) + 1 - sizes, 1))


def _weights(gen: np.random.Generator, which: np.ndarray, params: np.ndarray, n_resamples: int, by_size: bool) -> np.ndarray:
    """Weight of every point in every resample [R, n]: how often its run was drawn."""
    n_runs = which.max() + 1
    size = np.zeros(n_runs)
    size[which] = params
    of_run = np.zeros((n_resamples, n_runs))
    for value in np.unique(size) if by_size else [None]:
        members = np.arange(n_runs) if value is None else np.flatnonzero(size == value)
        k = len(members)
        drawn = gen.multinomial(k - 1, np.full(k, 1 / k), n_resamples)
        of_run[:, members] = drawn * k / (k - 1)
    return of_run[:, which]
