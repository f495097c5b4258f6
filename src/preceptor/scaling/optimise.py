"""A compiled quasi-Newton minimiser with box bounds, for thousands of small fits.

The L-BFGS family with its full memory: at three to five parameters the whole inverse Hessian is smaller than any history.
The line search is the weak-Wolfe bisection of Lewis & Overton (2013), made for objectives that are almost not smooth, as a
Huber loss with a small delta is. It stops by the two rules of SciPy's L-BFGS-B: projected gradient ≤ gtol, or
(f − f') ≤ ftol·max(|f|, |f'|, 1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from preceptor.scaling.forms import objective

GRADIENT, DECREASE, LINE_SEARCH, ITERATIONS = 0, 1, 2, 3
STATUS = ("gradient", "decrease", "line search failed", "iterations ran out")
STATUS_LETTER = "gdli"  # one a status, in the string that keeps every start's
FTOL, GTOL, MAX_ITERATIONS = 1e-10, 1e-7, 300


class Box(NamedTuple):
    """lo ≤ theta ≤ hi, [p] each; equal bounds fix a parameter."""

    lo: np.ndarray
    hi: np.ndarray


class Stop(NamedTuple):
    """When a minimisation ends: by the decrease, by the gradient, or after so many iterations."""

    ftol: float = FTOL
    gtol: float = GTOL
    max_iterations: int = MAX_ITERATIONS


@njit(cache=True)
def minimise_one(theta: Any, box: Any, grid: Any, y: Any, w: Any, delta: Any, stop: Any) -> Any:
    """Minimise from `theta` [p], which is overwritten, within a Box. Returns (objective, status, iterations, evaluations)."""
    (lo, hi), (ftol, gtol, max_iterations) = box, stop
    p = theta.shape[0]
    value, pull = np.empty_like(grid.levels), np.empty_like(grid.levels)
    grad, new_grad, new, step = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    s, z, hz = np.empty(p), np.empty(p), np.empty(p)
    inverse = np.eye(p)
    free = np.zeros(p, dtype=np.bool_)
    fresh = True
    for j in range(p):
        theta[j] = min(max(theta[j], lo[j]), hi[j])
    f = objective(theta, grid, y, w, delta, value, pull, grad)
    evaluations = 1
    for iteration in range(max_iterations):
        worst = 0.0
        for j in range(p):
            now = lo[j] < hi[j] and not (theta[j] <= lo[j] and grad[j] > 0) and not (theta[j] >= hi[j] and grad[j] < 0)
            if now != free[j]:
                free[j] = now
                for k in range(p):
                    inverse[j, k] = inverse[k, j] = 0.0
                inverse[j, j] = 1.0
            if now:
                worst = max(worst, abs(grad[j]))
        if worst <= gtol:
            return f, GRADIENT, iteration, evaluations
        slope, longest, norm = 0.0, np.inf, 0.0
        for _attempt in range(2):
            slope, longest, norm = 0.0, np.inf, 0.0
            for j in range(p):
                step[j] = 0.0
                if free[j]:
                    for k in range(p):
                        if free[k]:
                            step[j] -= inverse[j, k] * grad[k]
                    slope += step[j] * grad[j]
                    norm += grad[j] * grad[j]
            # a variable at its bound that the quasi-Newton step would push out stays where it is
            for j in range(p):
                if step[j] > 0:
                    longest = min(longest, (hi[j] - theta[j]) / step[j])
                elif step[j] < 0:
                    longest = min(longest, (lo[j] - theta[j]) / step[j])
            if slope < 0 and longest > 0:
                break
            inverse[:, :] = np.eye(p)
            fresh = True
        if not (slope < 0 and longest > 0):
            return f, LINE_SEARCH, iteration, evaluations
        t = min(1.0 / np.sqrt(norm), 1.0) if fresh else 1.0
        t = min(t, longest)
        below, above = 0.0, np.inf
        accepted = False
        f_new = f
        for _ in range(40):
            for j in range(p):
                new[j] = min(max(theta[j] + t * step[j], lo[j]), hi[j])
            f_new = objective(new, grid, y, w, delta, value, pull, new_grad)
            evaluations += 1
            slope_new = 0.0
            for j in range(p):
                slope_new += step[j] * new_grad[j]
            if not f_new <= f + 1e-4 * t * slope:
                above = t
                # the minimum of the parabola through f, slope and f_new, kept off the ends
                bend = f_new - f - t * slope if below == 0.0 else 0.0
                t = (below + above) / 2 if not bend > 0 else min(max(-slope * t * t / (2 * bend), 0.1 * t), 0.6 * t)
            elif slope_new < 0.9 * slope and t < longest:
                below = t
                t = (below + above) / 2 if above < np.inf else min(2.0 * t, longest)
            else:
                accepted = True
                break
        if not accepted:
            if fresh or below == 0.0:
                return f, LINE_SEARCH, iteration, evaluations
            for j in range(p):
                new[j] = min(max(theta[j] + below * step[j], lo[j]), hi[j])
            f_new = objective(new, grid, y, w, delta, value, pull, new_grad)
        sz, zz = 0.0, 0.0
        for j in range(p):
            s[j] = new[j] - theta[j]
            z[j] = new_grad[j] - grad[j] if free[j] else 0.0
            sz += s[j] * z[j]
            zz += z[j] * z[j]
            theta[j], grad[j] = new[j], new_grad[j]
        gained = f - f_new
        scale = max(abs(f), abs(f_new), 1.0)
        f = f_new
        # a step cut short by a bound gains little and proves nothing
        if gained <= ftol * scale and t < longest:
            return f, DECREASE, iteration + 1, evaluations
        if sz > 1e-14 * zz:
            if fresh:
                for j in range(p):
                    inverse[j, j] = sz / zz
                fresh = False
            zhz = 0.0
            for j in range(p):
                hz[j] = 0.0
                for k in range(p):
                    hz[j] += inverse[j, k] * z[k]
            for j in range(p):
                zhz += z[j] * hz[j]
            c = (1.0 + zhz / sz) / sz
            for j in range(p):
                for k in range(p):
                    inverse[j, k] += c * s[j] * s[k] - (hz[j] * s[k] + s[j] * hz[k]) / sz
    return f, ITERATIONS, max_iterations, evaluations


@njit(cache=True)
def minimise_starts(starts: Any, box: Any, grid: Any, y: Any, w: Any, delta: Any, stop: Any) -> Any:
    """Minimise from every row of `starts` [S, p]. Returns (theta [S, p], objective [S], status [S], evaluations [S])."""
    n = starts.shape[0]
    theta = starts.copy()
    f, status, evaluations = np.empty(n), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for i in range(n):
        f[i], status[i], _, evaluations[i] = minimise_one(theta[i], box, grid, y, w, delta, stop)
    return theta, f, status, evaluations


@njit(cache=True)
def minimise_resamples(starts: Any, box: Any, grid: Any, ys: Any, ws: Any, delta: Any, stop: Any) -> Any:
    """The best of all starts for every resample: targets ys [R, n] and weights ws [R, n]. Returns (theta [R, p], f [R])."""
    n, p = ys.shape[0], starts.shape[1]
    best, best_f = np.empty((n, p)), np.full(n, np.inf)
    theta = np.empty(p)
    for r in range(n):
        for i in range(starts.shape[0]):
            theta[:] = starts[i]
            f, _, _, _ = minimise_one(theta, box, grid, ys[r], ws[r], delta, stop)
            if f < best_f[r]:
                best_f[r] = f
                best[r] = theta
    return best, best_f
