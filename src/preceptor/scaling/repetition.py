"""Repeated data: what a token is worth when it is seen again (Muennighoff et al. 2023, arXiv 2305.16264, eq. 5–6).

    L = E + A·N'^−alpha + B·D'^−beta
    D' = U_D + U_D·R*_D·(1 − exp(−R_D/R*_D)),   R_D = D/U_D − 1 repetitions of U_D distinct tokens
    N' = U_N + U_N·R*_N·(1 − exp(−R_N/R*_N)),   R_N = N/U_N − 1, U_N = min(N, size that is optimal for U_D)

As in the source, E, A, alpha, B, beta come from the runs without repetition, and R*_D, R*_N from those with it. R* is about
the number of repetitions after which another one is worth 1/e of a fresh pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from preceptor.core.statistics import student
from preceptor.scaling.fit import Fit
from preceptor.scaling.points import Points

LO, HI = np.log(1e-2), np.log(1e4)  # of R*: repeats worth nothing, and as good as fresh
_SYMBOLS = ("R_D", "R_N")
_STARTS = (0.0, 1.5, 3.0, 6.0)


@dataclass(frozen=True)
class Repetition:
    """R*_D and R*_N (symbol → value) with the values that fit as well; reasons: why one isn't identified, '' where it is.

    n: repeated points. rms: of their log residuals; rms_as_fresh: had every repeated token counted as a fresh one.
    """

    values: dict[str, float]
    fits_as_well: dict[str, tuple[float | None, float | None]]
    reasons: dict[str, str]
    n: int
    rms: float
    rms_as_fresh: float


def effective(unique: np.ndarray, used: np.ndarray, r_star: float) -> tuple[np.ndarray, np.ndarray]:
    """What `used` is worth when only `unique` of it is fresh, and the derivative with respect to log r_star. Shapes [n]."""
    repeats = np.maximum(used / unique - 1.0, 0.0)
    fading = np.exp(-repeats / r_star)
    return unique * (1 + r_star * (1 - fading)), unique * (r_star * (1 - fading) - repeats * fading)


def objective(log_r: np.ndarray, fit: Fit, points: Points, delta: float) -> tuple[float, np.ndarray]:
    """Σ Huber_delta(log residual)/delta and its gradient in (log R*_D, log R*_N)."""
    r, slopes = _residuals(log_r, fit, points)
    size = np.abs(r)
    total = np.where(size <= delta, 0.5 * r * r / delta, size - 0.5 * delta).sum()
    return float(total), slopes.T @ np.clip(r / delta, -1.0, 1.0)


def fit_repetition(fit: Fit, points: Points, delta: float = 1e-3) -> Repetition:
    """Fit R*_D and R*_N to repeated points, given a joint law fitted to unrepeated ones.

    A value is identified when the values that fit as well (squared residuals within the 95 % quantile of F) close inside
    LO..HI, and there are two more points than values.
    """
    best = min(
        (
            minimize(objective, np.array([a, b]), args=(fit, points, delta), jac=True, method="L-BFGS-B", bounds=[(LO, HI)] * 2)
            for a in _STARTS
            for b in _STARTS
        ),
        key=lambda found: found.fun,
    ).x
    residual = _residuals(best, fit, points)[0]
    fresh = np.log(fit.predict(points.params, points.tokens)) - np.log(points.loss)
    found = Repetition({}, {}, {}, len(points), _rms(residual), _rms(fresh))
    for j, symbol in enumerate(_SYMBOLS):
        found.values[symbol] = float(np.exp(best[j]))
        found.fits_as_well[symbol], found.reasons[symbol] = _range(best, j, fit, points)
    return found


def _residuals(log_r: np.ndarray, fit: Fit, points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Log residuals [n] and their derivatives [n, 2]."""
    v = fit.parameters
    a, alpha, b, beta = (v[s] for s in ("A", "alpha", "B", "beta"))
    unique = points.unique_tokens
    # the size whose compute-optimal number of tokens is U_D (Hoffmann et al. 2022, eq. 4)
    best_size = ((alpha * a) / (beta * b) * unique**beta) ** (1 / alpha)
    d, d_slope = effective(unique, points.tokens, float(np.exp(log_r[0])))
    n, n_slope = effective(np.minimum(best_size, points.params), points.params, float(np.exp(log_r[1])))
    term_n, term_d = a * n**-alpha, b * d**-beta
    prediction = (fit.floor if fit.form.fixed_floor else v["E"]) + term_n + term_d
    slopes = np.stack([-beta * term_d * d_slope / d, -alpha * term_n * n_slope / n], axis=-1) / prediction[:, None]
    return np.log(prediction / points.loss), slopes


def _range(best: np.ndarray, j: int, fit: Fit, points: Points) -> tuple[tuple[float | None, float | None], str]:
    dof = len(points) - 2
    if dof < 2:
        return (None, None), f"{len(points)} repeated points for 2 values"

    def squares(x: np.ndarray) -> tuple[float, np.ndarray]:
        r, slopes = _residuals(x, fit, points)
        return float(r @ r), 2 * slopes.T @ r

    def at(value: float) -> float:
        bounds = [(LO, HI)] * 2
        bounds[j] = (value, value)
        start = best.copy()
        start[j] = value
        # squares of small residuals lie below the optimiser's absolute tolerance: in units of the smallest
        return float(
            minimize(lambda x: tuple(v / unit for v in squares(x)), start, jac=True, method="L-BFGS-B", bounds=bounds).fun
        )

    unit = max(squares(best)[0], 1e-18)
    grid = np.linspace(LO, HI, 141)
    values = np.array([at(v) for v in grid])
    limit = values.min() * (1 + student(dof) ** 2 / dof)
    inside = np.flatnonzero(values <= limit)
    lo = None if inside[0] == 0 else float(np.exp(grid[inside[0] - 1]))
    hi = None if inside[-1] == len(grid) - 1 else float(np.exp(grid[inside[-1] + 1]))
    if lo is None and hi is None:
        return (lo, hi), "any value fits as well: no run repeats enough"
    if lo is None or hi is None:
        return (lo, hi), f"arbitrarily {'small' if lo is None else 'large'} values fit as well"
    return (lo, hi), "" if hi / lo <= 9 else f"{lo:.3g} to {hi:.3g} fit as well"


def _rms(r: np.ndarray) -> float:
    return float(np.sqrt(np.mean(r**2)))
