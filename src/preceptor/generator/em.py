"""Weights of a mixture's components by maximum likelihood, certified.

The mean log-likelihood Σ_e w_e·log Σ_c λ_c·K_c(e) is concave in λ on the simplex. Each round takes the Newton step of the
sequential quadratic programme of Kim et al. (mixsqp, JCGS 2020), and a step of EM (Dempster et al. 1977) where that one
doesn't rise. With u_c = Σ_e w_e·K_c(e)/p(e), max_c u_c − 1 bounds what is left to gain (concavity), and is the stopping rule.

A component without mass in an event passes its weight to the priors in their proportion π. Given π that is a mixture again,
and given λ it is one in π: the two are fitted in turn until neither can gain more than the bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, optimize

TOLERANCE = 1e-6  # nats per event that are left to gain at most
_ROUNDS = 200
_TURNS = 50


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
    extra = np.concatenate([np.full(c, 0.5 * pseudo / max(c, 1)), [0.5 * pseudo if c else pseudo]])
    of_prior = np.full(p, (0.5 * pseudo if c else pseudo) / p + 1e-3)
    signal = np.full(c, 0.5 / max(c, 1)) if start is None else np.maximum(start.signal, 1e-9)
    share = np.full(p, 1.0 / p) if start is None else np.maximum(start.prior / start.prior.sum(), 1e-9)
    total = (0.5 if c else 1.0) if start is None else max(float(start.prior.sum()), 1e-6)
    extra[-1] += 1e-3
    found = np.append(signal, total)
    found /= found.sum()
    gap = np.inf
    for _ in range(_TURNS):
        gap_signal = 0.0
        if c:
            base = table.prior @ share
            matrix = np.column_stack([np.where(table.alive, table.signal, base[:, None]), base])
            found, gap_signal, first = simplex_mle(matrix, w, extra, found, tolerance)
        passed = found[-1] + (~table.alive) @ found[:-1]
        fixed = table.signal @ found[:-1]
        share, gap_prior, first_prior = simplex_mle(
            fixed[:, None] + passed[:, None] * table.prior, w, of_prior, share, tolerance
        )
        gap = max(first if c else 0.0, first_prior) if c else gap_prior
        if gap <= tolerance or not c:
            gap = max(gap_signal, gap_prior)
            break
    prior = found[-1] * share
    weights = Weights(found[:-1], prior, 0.0, float(gap))
    nats = -float(w @ np.log(np.maximum(probability(table, weights), 1e-300))) / n
    return Weights(found[:-1], prior, nats, float(gap))


def simplex_mle(
    matrix: np.ndarray, weight: np.ndarray, extra: np.ndarray, start: np.ndarray, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, float, float]:
    """Maximise Σ_e w_e·log(K y)_e + Σ_c a_c·log y_c over the simplex. Returns (y, gap at the end, gap at the start).

    matrix K: [E, C] ≥ 0, every row with a positive entry; extra a: [C], pseudo-events of each component; gaps in nats per
    unit of weight. Columns that are 0 in y and can't gain are left out of the Newton step, not out of the gap.
    """
    scale = weight.sum() + extra.sum()
    w, a = weight / scale, extra / scale
    y = np.maximum(start, 1e-12)
    y = y / y.sum()
    opening = gap = np.inf

    def value(z: np.ndarray) -> float:
        p = matrix @ z
        with np.errstate(divide="ignore"):
            return float(w @ np.log(p)) + float(a[a > 0] @ np.log(z[a > 0]))

    now = value(y)
    for turn in range(_ROUNDS):
        p = matrix @ y
        ratio = matrix / p[:, None]
        u = w @ ratio
        u[a > 0] += a[a > 0] / y[a > 0]
        gap = max(float(u.max()) - 1.0, 0.0)
        opening = gap if turn == 0 else opening
        if gap <= tolerance:
            break
        active = (y > 1e-10) | (u > 1.0 - 10 * gap)
        target = _newton(ratio[:, active], w, a[active], y[active], u[active])
        step, improved = 1.0, False
        while target is not None and step > 1e-3:
            z = np.zeros_like(y)
            z[active] = y[active] + step * (target - y[active])
            z = np.maximum(z, np.where(a > 0, 1e-12, 0.0))
            z /= z.sum()
            then = value(z)
            if then > now:
                y, now, improved = z, then, True
                break
            step *= 0.3
        if not improved:
            z = y * u
            z /= z.sum()
            then = value(z)
            if then <= now:  # nothing left that float64 can tell
                break
            y, now = z, then
    return y, gap, opening


def _newton(ratio: np.ndarray, w: np.ndarray, a: np.ndarray, y: np.ndarray, u: np.ndarray) -> np.ndarray | None:
    """The minimiser z ≥ 0 of the quadratic model of −log-likelihood + Σ z at y, as non-negative least squares."""
    hessian = (ratio * w[:, None]).T @ ratio
    hessian[np.diag_indices_from(hessian)] += np.where(a > 0, a / np.maximum(y, 1e-150) ** 2, 0.0)
    linear = u + hessian @ y - 1.0
    ridge = 1e-10 * float(np.trace(hessian)) / len(y)
    try:
        factor = linalg.cholesky(hessian + ridge * np.eye(len(y)), lower=True)
        right = linalg.solve_triangular(factor, linear + ridge * y, lower=True)
        return optimize.nnls(factor.T, right, maxiter=20 * len(y))[0]
    except (linalg.LinAlgError, RuntimeError, ValueError):
        return None
