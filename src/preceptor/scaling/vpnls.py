"""A second way to fit the same form, as a check of the first: variable projection with non-negative least squares.

For given exponents the loss is linear in E, A and B. So these are solved for exactly, none of them below 0, and only the
exponents are searched for: a grid of all pairs, then ever finer grids around the best one. There are no starts, no Huber loss
and no bounds to hit. What is minimised are squares of relative residuals, of the loss, or of the excess where the floor is
known. (Golub & Pereyra 1973 for the projection; Lawson & Hanson 1974 for the non-negative part, here by trying every subset.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from preceptor.scaling.fit import Fit
from preceptor.scaling.forms import placed

LO, HI = 0.004, 3.0  # of exponents
_GRID, _ZOOM, _ROUNDS = 41, 9, 9
APART = 0.1  # of an exponent: what the two methods may differ by without a word


@dataclass(frozen=True)
class Second:
    """The parameters by the second method. rms: of its relative residuals.

    apart: how much more of the loss above its end it leaves than the first method does, at ten times the largest run's tokens,
    as a share of what the first leaves. agrees: whether exponents lie within the intervals, or within 10 % without one.
    """

    values: Mapping[str, float]
    rms: float
    apart: float
    agrees: bool


def second(fit: Fit, bounds: Mapping[str, tuple[float, float]], far: tuple[float, float]) -> Second:
    """Fit the form of `fit` to its points by variable projection. bounds: the first method's intervals, where it has any.

    far: (size, tokens) at which the two are compared.
    """
    problem = fit.problem
    target = np.exp(problem.y)
    exponents, linear, rms = search(problem.x, target, fixed_floor=fit.form.fixed_floor)
    values: dict[str, float] = {} if fit.form.fixed_floor else {fit.form.symbols[0]: float(linear[0])}
    names = fit.form.symbols[0 if fit.form.fixed_floor else 1 :]
    for k, exponent in enumerate(exponents):
        values[names[2 * k]] = float(linear[k + 1] * np.exp(exponent * fit.centre[k]))
        values[names[2 * k + 1]] = float(exponent)
    x = placed(fit.form, fit.centre, *far)[0]
    there = fit.floor + linear[0] + sum(linear[k + 1] * np.exp(-e * x[k]) for k, e in enumerate(exponents))
    first = float(fit.predict(*far)[0])
    end = fit.floor if fit.form.fixed_floor else fit.parameters[fit.form.symbols[0]]
    apart = float((there - first) / max(first - end, 1e-12 * first))
    return Second(values, rms, apart, all(_agrees(fit, values, bounds, s) for s in ("alpha", "beta") if s in values))


def _agrees(fit: Fit, values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]], symbol: str) -> bool:
    first, other = fit.parameters[symbol], values[symbol]
    lo, hi = bounds.get(symbol, (first, first))
    slack = APART * abs(first)
    return bool(min(lo, first - slack) <= other <= max(hi, first + slack))


def search(x: np.ndarray, target: np.ndarray, fixed_floor: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """(exponents [K], linear [1 + K], rms of relative residuals) of target ≈ E + Σ_k linear_k·exp(−exponent_k·x_k).

    x [n, K]: centred logs. With fixed_floor E is 0.
    """
    n, n_terms = x.shape
    levels = [np.geomspace(LO, HI, _GRID) for _ in range(n_terms)]
    best = np.zeros(n_terms)
    for _ in range(1 + _ROUNDS):
        squares = _squares(x, target, levels, fixed_floor)
        at = np.unravel_index(int(np.argmin(squares)), squares.shape)
        best = np.array([level[i] for level, i in zip(levels, at, strict=True)])
        levels = [_around(level, int(i)) for level, i in zip(levels, at, strict=True)]
    columns = _columns(x, target, [np.array([b]) for b in best])
    design = np.stack([c[:, 0] for c in columns], axis=1)
    linear = _solve(design, fixed_floor)
    residual = design @ linear - 1.0
    return best, linear, float(np.sqrt(np.mean(residual**2)))


def _around(level: np.ndarray, i: int) -> np.ndarray:
    lo, hi = level[max(i - 1, 0)], level[min(i + 1, len(level) - 1)]
    return np.asarray(np.geomspace(lo, hi, _ZOOM))


def _columns(x: np.ndarray, target: np.ndarray, levels: list[np.ndarray]) -> list[np.ndarray]:
    """The weighted columns of the linear problem: of E [n, 1], and of each term [n, M]."""
    weight = (1.0 / target)[:, None]
    return [weight, *(weight * np.exp(-np.minimum(x[:, k : k + 1] * level, 300.0)) for k, level in enumerate(levels))]


def _squares(x: np.ndarray, target: np.ndarray, levels: list[np.ndarray], fixed_floor: bool) -> np.ndarray:
    """Least sum of squares at each combination of exponents, shape [M] or [M, M']."""
    columns = _columns(x, target, levels)
    shape = tuple(len(level) for level in levels)
    p = len(columns)
    gram, right = np.empty((*shape, p, p)), np.empty((*shape, p))
    axes = [(), *((k,) for k in range(len(levels)))]

    def spread(values: np.ndarray, of: tuple[int, ...]) -> np.ndarray:
        """values over the axes `of`, broadcast to all."""
        index = tuple(slice(None) if k in of else None for k in range(len(shape)))
        return np.broadcast_to(values[index], shape)

    for a in range(p):
        right[..., a] = spread(columns[a].sum(0) if a else columns[a].sum(), axes[a])
        for b in range(a, p):
            product = columns[a].T @ columns[b]
            if a == b:
                value = (columns[a] ** 2).sum(0) if a else (columns[a] ** 2).sum()
                gram[..., a, a] = spread(value, axes[a])
            else:
                gram[..., a, b] = gram[..., b, a] = spread(product[0] if a == 0 else product, (*axes[a], *axes[b]))
    least = np.full(shape, float(len(target)))
    first = 1 if fixed_floor else 0
    for size in range(1, p - first + 1):
        for used in combinations(range(first, p), size):
            part = gram[..., used, :][..., used]
            scale = np.sqrt(np.einsum("...ii->...i", part))
            scaled = part / (scale[..., :, None] * scale[..., None, :])
            scaled = scaled + 1e-13 * np.eye(size)
            side = right[..., used] / scale
            solved = np.linalg.solve(scaled, side[..., None])[..., 0]
            value = len(target) - np.sum(side * solved, axis=-1)
            least = np.where((solved >= 0).all(-1) & (value >= 0), np.minimum(least, value), least)
    return least


def _solve(design: np.ndarray, fixed_floor: bool) -> np.ndarray:
    """Non-negative least squares of design [n, p] against ones; the first coefficient is 0 with a fixed floor."""
    from scipy.optimize import nnls

    first = 1 if fixed_floor else 0
    scale = np.linalg.norm(design[:, first:], axis=0)
    found = np.zeros(design.shape[1])
    found[first:] = nnls(design[:, first:] / scale, np.ones(len(design)))[0] / scale
    return found
