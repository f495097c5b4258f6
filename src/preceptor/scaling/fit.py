"""Fit one law to the points of one set: many starts, a robust loss, the status of every start kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.scaling import optimise
from preceptor.scaling.forms import NO_FLOOR, Form, Grid, natural, placed, terms
from preceptor.scaling.points import Points

NEGLIGIBLE = 1e-3  # a floor below this share of the lowest loss is no floor
SAME = 1e-4  # starts whose objectives agree to this share of the best are at the same optimum
_EXPONENT = (0.0, 5.0)
_STEEPEST = 20.0  # slope of a law's change, at its points' mean


@dataclass(frozen=True)
class Problem:
    """What the minimiser works on. x [n, K]: see `forms.placed`; y [n]: log loss, or log excess where the floor is known.

    grid: the distinct x of each term. lo, hi [1 + 2K]: bounds of theta. floor: what is added to the prediction exp(y).
    weight [n]: of the points, 1 on average.
    """

    form: Form
    centre: np.ndarray
    x: np.ndarray
    y: np.ndarray
    grid: Grid
    lo: np.ndarray
    hi: np.ndarray
    floor: float
    weight: np.ndarray

    def log_prediction(self, theta: np.ndarray) -> np.ndarray:
        """[..., n], comparable with y."""
        return np.log(np.exp(theta[..., :1]) + terms(self.form, theta, self.x))

    def minimise(self, starts: np.ndarray, delta: float, weight: np.ndarray, **bounds: np.ndarray) -> tuple[np.ndarray, ...]:
        """(theta [S, p], objective [S], status [S], evaluations [S]) from every row of starts."""
        lo, hi = bounds.get("lo", self.lo), bounds.get("hi", self.hi)
        return optimise.minimise_starts(
            np.ascontiguousarray(starts),
            optimise.Box(lo, hi),
            self.grid,
            self.y,
            weight * self.weight,
            self.turn(delta),
            optimise.Stop(),
        )

    def turn(self, delta: float) -> float:
        """Where the loss turns linear: nowhere for the points of a few budgets, since between two seeds any median is one."""
        return np.inf if self.form.last else delta

    def minimise_resamples(self, starts: np.ndarray, ys: np.ndarray, weights: np.ndarray, delta: float) -> np.ndarray:
        """The best theta [R, p] for each of R resamples: targets ys [R, n], weights [R, n]."""
        theta, _ = optimise.minimise_resamples(
            np.ascontiguousarray(starts), optimise.Box(self.lo, self.hi), self.grid,
            np.ascontiguousarray(ys), np.ascontiguousarray(weights * self.weight / delta), self.turn(delta), optimise.Stop(),
        )  # fmt: skip
        return theta


@dataclass(frozen=True)
class Starts:
    """How the optimiser's starts ended: objective and status of each, sorted best first."""

    objective: np.ndarray
    status: np.ndarray
    theta: np.ndarray
    evaluations: int

    @property
    def at_best(self) -> int:
        """Starts that ended at the best optimum."""
        return int(np.sum(self.objective <= self.objective[0] * (1 + SAME) + 1e-9))

    def summary(self) -> dict[str, object]:
        counts = np.bincount(self.status, minlength=len(optimise.STATUS))
        return {
            "starts": len(self.status),
            "at_best_optimum": self.at_best,
            "status_of_each": "".join(optimise.STATUS_LETTER[s] for s in self.status),
            **{name: int(c) for name, c in zip(optimise.STATUS, counts, strict=True)},
        }


@dataclass(frozen=True)
class Fit:
    """A fitted law. theta [1 + 2K] is centred (see laws); parameters are as the equation has them."""

    form: Form
    theta: np.ndarray
    centre: np.ndarray
    floor: float
    n: int
    rms: float
    objective: float
    at_bound: dict[str, str]
    starts: Starts
    problem: Problem

    @property
    def parameters(self) -> dict[str, float]:
        values = natural(self.theta, self.centre, self.form)
        return dict(zip(self.form.symbols, values.tolist(), strict=True))

    def predict(self, params: np.ndarray | float, tokens: np.ndarray | float, theta: np.ndarray | None = None) -> np.ndarray:
        """Loss at sizes and tokens (broadcast to [n]); theta [R, 1 + 2K] of resamples gives [R, n]."""
        return predict(self.form, self.theta if theta is None else theta, self.centre, self.floor, params, tokens)


def predict(
    form: Form,
    theta: np.ndarray,
    centre: np.ndarray,
    floor: float,
    params: np.ndarray | float,
    tokens: np.ndarray | float,
) -> np.ndarray:
    """Loss of a law given as theta [..., 1 + 2K], at sizes and tokens [n]. Returns [..., n]."""
    return floor + np.exp(theta[..., :1]) + terms(form, theta, placed(form, centre, params, tokens))


def used_by(form: Form, points: Points) -> Points:
    """The points of a set that a form is fitted to: above a fixed floor, and of its last budgets where it takes no others."""
    if form.fixed_floor:
        points = points.where(points.loss > (points.known_floor() or 0.0))
    budgets = np.unique(points.tokens)
    return points.where(points.tokens >= budgets[-form.last]) if 0 < form.last < len(budgets) else points


def pose(form: Form, points: Points) -> Problem:
    """Set up the fit of a form to the points of one set.

    Raises PreceptorError when the form needs a floor that isn't known, or has more parameters than there are points.
    """
    floor = points.known_floor()
    if form.fixed_floor and floor is None:
        raise PreceptorError(f"Form {form.name!r} needs a known floor", found="no value in column 'floor'")
    points = used_by(form, points)
    if len(points) < form.n_free:
        raise PreceptorError(f"Too few points for form {form.name!r}", found=len(points), expected=f"at least {form.n_free}")
    centre = np.stack([np.log(getattr(points, name)) for name in form.over], axis=-1).mean(axis=0)
    x = placed(form, centre, points.params, points.tokens)
    sizes = [np.unique(x[:, k], return_inverse=True) for k in range(x.shape[1])]
    n_levels = np.array([len(values) for values, _ in sizes], dtype=np.int64)
    levels = np.zeros((len(sizes), n_levels.max()))
    for k, (values, _) in enumerate(sizes):
        levels[k, : len(values)] = values
    index = np.stack([where for _, where in sizes], axis=-1).astype(np.int64)
    y = np.log(points.loss - floor) if form.fixed_floor else np.log(points.loss)
    lowest = -15.0 + y.min() if floor is None else np.log(floor)
    lo, hi = [NO_FLOOR if form.fixed_floor else lowest], [NO_FLOOR if form.fixed_floor else max(y.min(), lowest)]
    for _ in form.over:
        lo += [y.min() - 15.0, _EXPONENT[0]]
        hi += [y.max() + 5.0, _EXPONENT[1]]
    if form.bends:
        lo, hi = [*lo, 0.0, -_STEEPEST], [*hi, 0.0, _STEEPEST]
    known = floor if form.fixed_floor and floor else 0.0
    late = (points.tokens / points.tokens.max()) ** form.late
    grid = Grid(levels, n_levels, index, form.bends)
    return Problem(form, centre, x, y, grid, np.array(lo), np.array(hi), known, late / late.mean())


def starting_points(problem: Problem, n: int, seed: int) -> np.ndarray:
    """n starts [n, 1 + 2K]: the floor a share of the lowest loss, the rest shared out between the terms, exponents 0.02–1.5."""
    gen = rng.generator(seed, f"scaling/starts/{problem.form.name}")
    k = len(problem.form.over)
    starts = np.zeros((n, 1 + 2 * problem.form.n_terms))
    low, middle = np.exp(problem.y.min()), np.exp(problem.y.mean())
    share = np.zeros(n) if problem.form.fixed_floor else gen.uniform(0.0, 1.0, n)
    known = np.exp(problem.lo[0])
    e = known + share * (low - known) * 0.98
    starts[:, 0] = NO_FLOOR if problem.form.fixed_floor else np.log(np.maximum(e, 1e-6 * low))
    parts = gen.dirichlet(np.ones(k), n)
    rest = np.maximum(middle - (0.0 if problem.form.fixed_floor else e), 0.02 * middle)
    for j in range(k):
        starts[:, 1 + 2 * j] = np.log(np.maximum(parts[:, j], 0.01) * rest)
        starts[:, 2 + 2 * j] = np.exp(gen.uniform(np.log(0.02), np.log(1.5), n))
    return starts


def fit_form(form: Form, points: Points, starts: int = 200, delta: float = 1e-3, seed: int = 0) -> Fit:
    """Fit a form to the points of one set by minimising Σ Huber_delta(log residual) from many starts."""
    problem = pose(form, points)
    n = len(problem.y)
    # a sum over points, not a mean: a mean shrinks the objective below the optimiser's tolerance (Besiroglu et al. 2024)
    theta, f, status, evaluations = problem.minimise(starting_points(problem, starts, seed), delta, np.full(n, 1.0 / delta))
    order = np.argsort(f, kind="stable")
    ended = Starts(f[order], status[order], theta[order], int(evaluations.sum()))
    best = ended.theta[0]
    residual = problem.log_prediction(best) - problem.y
    return Fit(
        form, best, problem.centre, problem.floor, n, float(np.sqrt(np.mean(residual**2))), float(f[order[0]]),
        _bounds_hit(problem, best), ended, problem,
    )  # fmt: skip


def _bounds_hit(problem: Problem, theta: np.ndarray) -> dict[str, str]:
    """Which parameters ended at a bound of theirs, and what that means."""
    form = problem.form
    hit = {}
    if not form.fixed_floor:
        known = problem.lo[0] > problem.y.min() - 14
        if known and theta[0] <= problem.lo[0] + 1e-6:
            hit[form.symbols[0]] = "at the known floor"
        elif theta[0] <= problem.y.min() + np.log(NEGLIGIBLE):
            hit[form.symbols[0]] = "at 0"
        elif theta[0] >= problem.hi[0] - 1e-6:
            hit[form.symbols[0]] = "at the lowest loss"
    free = [j for j in range(1, len(theta)) if problem.lo[j] < problem.hi[j]]
    for j, name in zip(free, form.symbols[0 if form.fixed_floor else 1 :], strict=True):
        if theta[j] <= problem.lo[j] + 1e-6:
            hit[name] = "at 0"
        elif theta[j] >= problem.hi[j] - 1e-6:
            hit[name] = "at its upper bound"
    return hit
