"""Weights of a mixture's components by maximum likelihood, certified.

The mean log-likelihood Σ_e w_e·log p_e, p_e = Σ_c λ_c·K_c(e), is concave in λ on the simplex. Each round takes the Newton step
of the sequential quadratic programme of Kim et al. (mixsqp, JCGS 2020), and a step of EM (Dempster et al. 1977) where that one
doesn't rise. With u_c = Σ_e w_e·∂p_e/∂λ_c / p_e, max_c u_c − 1 bounds what is left to gain, and is the stopping rule.

A component without mass in an event passes its weight to the priors in their proportion. That makes p a ratio in λ, still of
degree 1 (twice the weights give twice p), so the same steps are taken with p linearised at λ (Gauss and Newton's), and the
rule bounds what other signal weights, or other proportions of the priors, could gain while the rest stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import linalg, optimize

TOLERANCE = 1e-6  # nats per event that are left to gain at most
_ROUNDS = 300


@dataclass(frozen=True)
class Weights:
    """signal: float64 [C], prior: float64 [P]; together they sum to 1. nats: mean of −log p under the event weights.

    gap: nats per event that other signal weights, or other proportions of the priors, could gain at most.
    """

    signal: np.ndarray
    prior: np.ndarray
    nats: float
    gap: float


@dataclass(frozen=True)
class Table:
    """What the components give the events. signal: [E, C], 0 without mass; alive: bool [E, C]; prior: [E, P]."""

    signal: np.ndarray
    alive: np.ndarray
    prior: np.ndarray

    def __len__(self) -> int:
        return len(self.prior)

    def columns(self, keep: np.ndarray) -> Table:
        """Some of the signal components."""
        return Table(self.signal[:, keep], self.alive[:, keep], self.prior)

    def rows(self, keep: np.ndarray) -> Table:
        """Some of the events."""
        return Table(self.signal[keep], self.alive[keep], self.prior[keep])


def probability(table: Table, weights: Weights) -> np.ndarray:
    """p of each event's item, float64 [E]."""
    share = weights.prior / weights.prior.sum()
    passed = weights.prior.sum() + (~table.alive) @ weights.signal
    return table.signal @ weights.signal + passed * (table.prior @ share)


def fit_weights(
    table: Table,
    event_weight: np.ndarray | None = None,
    pseudo: float = 0.0,
    start: Weights | None = None,
    tolerance: float = TOLERANCE,
) -> Weights:
    """λ that maximises the likelihood of the events.

    event_weight: float [E], normalised here. pseudo: events that a Dirichlet prior is worth; it draws towards half signal
    (evenly over components) and half prior (evenly over priors). A thousandth of an event always stands for each prior, so
    that none is 0 and no candidate is without probability. start: weights to begin from.
    """
    n, c = table.signal.shape
    p = table.prior.shape[1]
    w = np.full(n, 1.0) if event_weight is None else np.asarray(event_weight, np.float64) * (n / np.sum(event_weight))
    of_prior = (0.5 * pseudo if c else pseudo) / p + 1e-3
    extra = np.concatenate([np.full(c, 0.5 * pseudo / max(c, 1)), np.full(p, of_prior)])
    if start is None:
        begin = np.concatenate([np.full(c, 0.5 / max(c, 1)), np.full(p, (0.5 if c else 1.0) / p)])
    else:
        begin = np.concatenate([np.maximum(start.signal, 1e-9), np.maximum(start.prior, 1e-9)])
    found, gap, _ = _climb(table, w, extra, begin, tolerance)
    weights = Weights(found[:c], found[c:], 0.0, gap)
    nats = -float(w @ np.log(np.maximum(probability(table, weights), 1e-300))) / n
    return Weights(found[:c], found[c:], nats, gap)


def simplex_mle(
    matrix: np.ndarray, weight: np.ndarray, extra: np.ndarray, start: np.ndarray, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, float, float]:
    """Maximise Σ_e w_e·log(K y)_e + Σ_c a_c·log y_c over the simplex. Returns (y, gap at the end, gap at the start).

    matrix K: [E, C] ≥ 0, every row with a positive entry; extra a: [C], pseudo-events of each component; gaps in nats per
    unit of weight.
    """
    every = Table(matrix, np.ones(matrix.shape, np.bool_), np.empty((len(matrix), 0)))
    return _climb(every, weight, extra, start, tolerance)


def _climb(
    table: Table, weight: np.ndarray, extra: np.ndarray, start: np.ndarray, tolerance: float
) -> tuple[np.ndarray, float, float]:
    """The weights y of components, then priors, that maximise Σ_e w_e·log p_e + Σ_j a_j·log y_j; gaps at the end and the start.

    Columns that are 0 in y and can't gain are left out of the Newton step, not out of the gap.
    """
    scale = weight.sum() + extra.sum()
    w, a = weight / scale, extra / scale
    signal, alive, prior = (np.ascontiguousarray(x) for x in (table.signal, table.alive, table.prior))
    own = a > 0

    def at(z: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The objective, its gradient, and the Hessian of p linearised, negated."""
        value, u, hessian = _moments(signal, alive, prior, w, z)
        with np.errstate(divide="ignore"):
            value += float(a[own] @ np.log(z[own]))
        u[own] += a[own] / np.maximum(z[own], 1e-150)
        return value, u, hessian

    y = np.maximum(start, np.maximum(a, 1e-12))
    y = y / y.sum()
    now, u, hessian = at(y)
    opening = gap = max(float(u.max()) - 1.0, 0.0)
    for _ in range(_ROUNDS):
        if gap <= tolerance:
            break
        active = (y > 1e-10) | (u > 1.0 - 10 * gap)
        target = _newton(hessian[np.ix_(active, active)], a[active], y[active], u[active])
        step, improved = 1.0, False
        while not improved and step > 1e-3:
            z = np.zeros_like(y)
            if target is None:
                break
            z[active] = y[active] + step * (target - y[active])
            z = np.maximum(z, a)  # a lower bound of the optimum, where a_j / y_j + a gradient ≥ 0 is 1
            z /= z.sum()
            then, of_z, curved = at(z)
            improved = then > now
            step *= 0.3
        if not improved:
            z = np.maximum(y * u, 0.0)
            z /= z.sum()
            then, of_z, curved = at(z)
            if not then > now:  # nothing left that float64 can tell
                break
        y, now, u, hessian = z, then, of_z, curved
        gap = max(float(u.max()) - 1.0, 0.0)
    return y, gap, opening


def _newton(hessian: np.ndarray, a: np.ndarray, y: np.ndarray, u: np.ndarray) -> np.ndarray | None:
    """The minimiser z ≥ 0 of the quadratic model of −log-likelihood + Σ z at y, as non-negative least squares."""
    hessian = hessian + np.diag(np.where(a > 0, a / np.maximum(y, 1e-150) ** 2, 0.0))
    linear = u + hessian @ y - 1.0
    ridge = 1e-10 * float(np.trace(hessian)) / len(y)
    try:
        factor = linalg.cholesky(hessian + ridge * np.eye(len(y)), lower=True)
        right = linalg.solve_triangular(factor, linear + ridge * y, lower=True)
        return optimize.nnls(factor.T, right, maxiter=20 * len(y))[0]
    except (linalg.LinAlgError, RuntimeError, ValueError):
        return None


@njit(nogil=True, cache=True, error_model="numpy")
def _moments(signal, alive, prior, w, y):  # type: ignore[no-untyped-def]
    """Σ_e w·log p; with r_j = ∂p/∂y_j / p: Σ_e w·r_j and Σ_e w·r_j·r_k. One pass over the events."""
    n, c = signal.shape
    p = prior.shape[1]
    size = c + p
    u, hessian, row = np.zeros(size), np.zeros((size, size)), np.empty(size)
    value, total = 0.0, 0.0
    for q in range(c, size):
        total += y[q]
    for e in range(n):
        mean = 0.0  # of the priors
        for q in range(p):
            mean += y[c + q] * prior[e, q]
        if p:
            mean /= total
        passed, found = 0.0, 0.0
        for j in range(c):
            row[j] = signal[e, j]
            if not alive[e, j]:
                row[j] = mean
                passed += y[j]
            found += y[j] * row[j]
        for q in range(p):
            row[c + q] = prior[e, q] + passed / total * (prior[e, q] - mean)
        found += total * mean
        value += w[e] * np.log(found)
        for j in range(size):
            row[j] /= found
        for j in range(size):
            x = w[e] * row[j]
            u[j] += x
            for k in range(j + 1):
                hessian[j, k] += x * row[k]
    for j in range(size):
        for k in range(j):
            hessian[k, j] = hessian[j, k]
    return value, u, hessian
