"""Noise between runs that differ in their seed alone, and noise around a fitted law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core.progress import quantity
from preceptor.scaling.fit import Fit
from preceptor.scaling.points import Points

_HUBER = 1.345  # bends at this many standard deviations: 95 % efficient under normal noise
_KAPPA = 0.7102  # E[min(z², 1.345²)] of a standard normal z (Huber's proposal 2)
_UNLIKE = 0.01  # sizes differ in noise where chance alone would make them differ as much so rarely
_USUAL = 4  # degrees of freedom that the usual size's noise counts for beside a size's own


@dataclass(frozen=True)
class Noise:
    """Standard deviations of a log loss (or log excess) between seeds: of a run as a whole, and of a point within its run.

    dof, within: degrees of freedom that they were measured with.
    """

    run: float
    point: float
    dof: int
    within: int


def between_seeds(points: Points, y: np.ndarray) -> Noise | None:
    """Seed noise of y [n], from the cells (N, D) that several runs share; None where no cell is shared."""
    y = np.asarray(y)
    cells: dict[tuple[float, float], list[int]] = {}
    for i, key in enumerate(zip(points.params.tolist(), points.tokens.tolist(), strict=True)):
        cells.setdefault(key, []).append(i)
    shared = [np.array(rows) for rows in cells.values() if len(rows) > 1]
    if not shared:
        return None
    deviation: dict[str, list[float]] = {}
    sizes: dict[float, set[str]] = {}
    for rows in shared:
        for i, d in zip(rows, y[rows] - y[rows].mean(), strict=True):
            deviation.setdefault(points.run[i], []).append(float(d))
            sizes.setdefault(float(points.params[i]), set()).add(points.run[i])
    dof = sum(len(runs) - 1 for runs in sizes.values())
    means = {run: np.mean(d) for run, d in deviation.items()}
    between = sum(len(d) * means[run] ** 2 for run, d in deviation.items()) / dof
    inner = sum(len(rows) - 1 for rows in shared) - dof
    if inner <= 0:
        return Noise(0.0, float(np.sqrt(between)), dof, dof)
    within = sum(np.sum((np.array(d) - means[run]) ** 2) for run, d in deviation.items()) / inner
    per_run = np.mean([len(d) for d in deviation.values()])
    return Noise(float(np.sqrt(max(between - within, 0.0) / per_run)), float(np.sqrt(within)), dof, inner)


def widest(points: Points) -> tuple[float, str]:
    """(by what share of the least loss the runs of one cell (N, D) differ at most, which cell that is); 0 without seeds."""
    found = (0.0, "")
    cells = np.stack([points.params, points.tokens])
    for n, d in np.unique(cells, axis=1).T.tolist():
        losses = points.loss[(points.params == n) & (points.tokens == d)]
        share = float(losses.max() / losses.min()) - 1
        if share > found[0]:
            said = f"{losses.min():.4g} to {losses.max():.4g} at {quantity(n)} parameters and {quantity(d)} tokens"
            found = (share, said)
    return found


def of_set(points: Points, floor: float, params: float | None = None) -> Noise | None:
    """Seed noise of the log loss less `floor`, from all sizes of a set together: one size alone has few seeds.

    params: the noise of that size. Where sizes differ more than by chance, one whose seeds disagree would widen the intervals
    of all: then a size has its own noise, moderated by that of the usual size (Smyth 2004, with the median for robustness).
    """
    used = points.where(points.loss > floor)
    together = between_seeds(used, np.log(used.loss - floor))
    if params is None or together is None:
        return together
    parts = {float(n): used.where(used.params == n) for n in np.unique(used.params)}
    found = {n: noise for n, part in parts.items() if (noise := between_seeds(part, np.log(part.loss - floor)))}
    if len(found) < 3 or not _differ(list(found.values())):
        return together
    run, point = (
        float(np.median([getattr(x, name) ** 2 / _median_of_chi(getattr(x, dof)) for x in found.values()]))
        for name, dof in (("run", "dof"), ("point", "within"))
    )
    own = found.get(params, Noise(0.0, 0.0, 0, 0))
    return Noise(
        float(np.sqrt((own.dof * own.run**2 + _USUAL * run) / (own.dof + _USUAL))),
        float(np.sqrt((own.within * own.point**2 + _USUAL * point) / (own.within + _USUAL))),
        own.dof + _USUAL,
        own.within + _USUAL,
    )


def _differ(found: Sequence[Noise]) -> bool:
    """Whether variances between runs differ by more than chance (Bartlett's test)."""
    from scipy.stats import chi2

    dof = np.array([x.dof for x in found], np.float64)
    variance = np.maximum([x.run**2 + x.point**2 for x in found], 1e-18)
    total = dof.sum()
    statistic = total * np.log(dof @ variance / total) - dof @ np.log(variance)
    statistic /= 1 + (np.sum(1 / dof) - 1 / total) / (3 * (len(found) - 1))
    return float(chi2.sf(statistic, len(found) - 1)) < _UNLIKE


def _median_of_chi(dof: int) -> float:
    """The median of χ²/dof (Wilson & Hilferty)."""
    return (1 - 2 / (9 * dof)) ** 3


@dataclass(frozen=True)
class Scatter:
    """Noise around a law. theta: refitted at this scale; scale: of a point; of_runs: how much more runs scatter than points.

    of_runs is the ratio of variances (≥ 1), runs the number of trunks where they hold several points each, else 0.
    """

    theta: np.ndarray
    scale: float
    of_runs: float
    runs: int

    @property
    def delta(self) -> float:
        return _HUBER * self.scale


def around(fit: Fit, points: Points, seeds: Noise | None) -> Scatter:
    """Scale of the residuals by Huber's proposal 2: robust, and sound at two degrees of freedom where a median is not.

    The least-squares scale with the proper degrees of freedom comes first; a few rounds of refitting then bend large residuals.
    """
    problem, n = fit.problem, fit.n
    dof = max(n - fit.form.n_free, 1)
    theta, scale = fit.theta, 1e3
    for _ in range(8):
        delta = _HUBER * scale
        theta = problem.minimise(theta[None], delta, np.full(n, 1.0 / scale**2))[0][0]
        residual = problem.log_prediction(theta) - problem.y
        share = 1.0 if scale >= 1e3 else _KAPPA
        new = float(np.sqrt(np.sum(np.minimum(np.abs(residual), delta) ** 2) / (dof * share)))
        done = abs(new - scale) <= 1e-3 * scale
        scale = max(new, 1e-9)
        if done or scale <= 1e-9:
            break
    if seeds is not None:
        scale = max(scale, seeds.point)
    residual = problem.log_prediction(theta) - problem.y
    _, which = np.unique(points.run.astype(str), return_inverse=True)
    size = np.bincount(which)
    if len(fit.form.over) < 2 or size.max() == 1:
        return Scatter(theta, scale, 1.0, 0)
    means = np.bincount(which, residual) / size
    of_runs = np.sum(size * means**2) / max(len(size) - 2, 1)
    if seeds is not None:
        of_runs = max(of_runs, size.mean() * seeds.run**2 + seeds.point**2)
    return Scatter(theta, scale, max(1.0, float(of_runs / scale**2)), len(size))


@dataclass(frozen=True)
class Dear:
    """What a new run beyond the dearest ones may be off by: of its trunk, and of the point, both in the log of the law's fit.

    dof: degrees of freedom of the point's. share: of the loss of these runs that lies above the law's fixed floor (median; 1
    without one).
    """

    run: float
    point: float
    dof: int
    share: float

    def scale(self, share: np.ndarray) -> np.ndarray:
        """What the noise of the log is to be multiplied by where such a share [n] of the loss is above the floor.

        The noise of a loss doesn't shrink with what is left above its floor, so that of the log of what is left grows.
        """
        return np.maximum(1.0, self.share / np.maximum(share, 1e-12))


def of_dear_runs(fit: Fit, points: Points) -> Dear:
    """The noise that a forecast has, from the dearer half of the points: small runs differ more than large ones.

    It is the points' scatter around the law, or their seeds' where that is larger. points: those the fit used.
    """
    cost = points.params * points.tokens
    dear = cost >= np.median(cost)
    y, residual = fit.problem.y[dear], fit.problem.log_prediction(fit.theta)[dear] - fit.problem.y[dear]
    left = len(y) * max(1 - fit.form.n_free / fit.n, 1 / fit.n)  # degrees of freedom of the dear points' residuals
    around_law = float(np.sqrt(np.sum(residual**2) / left))
    share = float(np.median(1 - fit.floor / points.loss[dear]))
    seeds = between_seeds(points.where(dear), y)
    dof = max(round(left), 1)
    if seeds is None:
        return Dear(0.0, around_law, dof, share)
    point = max(seeds.point, float(np.sqrt(max(around_law**2 - seeds.run**2, 0.0))))
    return Dear(seeds.run, point, max(dof, seeds.dof), share)
