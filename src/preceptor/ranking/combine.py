"""Two scorers together: their probabilities added, or multiplied; what each counts is fitted on validation.

added: w·q_a + (1 − w)·q_b. multiplied: q_a^a · q_b^b, renormalised over X(h); its nats are convex in the exponents.
"""

from __future__ import annotations

import numpy as np

from preceptor.generator.em import simplex_mle
from preceptor.ranking.calibrate import Offer

_ROUNDS = 30
_CELLS = 1 << 22  # probabilities worked on at a time
_LEAST = 1e-300


def fit_added(q_a: np.ndarray, q_b: np.ndarray, offered: Offer) -> float:
    """w with the fewest nats on the targets inside X(h). q: probabilities over X(h), [targets, I]."""
    rows = np.flatnonzero(offered.inside)
    item = offered.targets.item[rows]
    matrix = np.column_stack([q_a[rows, item], q_b[rows, item]]).astype(np.float64)
    found, _, _ = simplex_mle(np.maximum(matrix, _LEAST), np.ones(len(rows)), np.full(2, 1e-3), np.full(2, 0.5), 1e-7)
    return float(found[0])


def added(q_a: np.ndarray, q_b: np.ndarray, weight: float) -> np.ndarray:
    """w·q_a + (1 − w)·q_b."""
    return np.float32(weight) * q_a + np.float32(1 - weight) * q_b


def fit_multiplied(q_a: np.ndarray, q_b: np.ndarray, offered: Offer) -> tuple[float, float]:
    """Exponents with the fewest nats on the targets inside X(h): Newton's method, halving steps that don't help."""
    rows = np.flatnonzero(offered.inside)
    theta = np.array([0.5, 0.5])
    batch = max(1, _CELLS // max(q_a.shape[1], 1))
    value, gradient, hessian = _moments(q_a, q_b, offered, rows, theta, batch)
    for _ in range(_ROUNDS):
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        if float(gradient @ step) < 1e-8:
            break
        for _ in range(8):
            tried = _moments(q_a, q_b, offered, rows, theta - step, batch)
            if tried[0] < value:
                break
            step = step / 2
        else:
            break
        theta = theta - step
        value, gradient, hessian = tried
    return float(theta[0]), float(theta[1])


def multiplied(q_a: np.ndarray, q_b: np.ndarray, exponents: tuple[float, float]) -> np.ndarray:
    """q_a^a · q_b^b over its sum, float32; 0 where either is."""
    out = np.empty(q_a.shape, np.float32)
    step = max(1, _CELLS // max(q_a.shape[1], 1))
    for begin in range(0, len(out), step):
        a, b = q_a[begin : begin + step], q_b[begin : begin + step]
        log = _logs(a, exponents[0]) + _logs(b, exponents[1])
        p = np.exp(log - log.max(axis=1, keepdims=True))
        p[(a <= 0) | (b <= 0)] = 0
        out[begin : begin + step] = p / p.sum(axis=1, keepdims=True)
    return out


def _logs(q: np.ndarray, exponent: float) -> np.ndarray:
    """exponent · log q, and a very small number where q is 0 (outside X(h))."""
    with np.errstate(divide="ignore"):
        return np.where(q > 0, np.float32(exponent) * np.log(q), np.float32(-1e4))


def _moments(
    q_a: np.ndarray, q_b: np.ndarray, offered: Offer, rows: np.ndarray, theta: np.ndarray, batch: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean nats, their gradient and their Hessian in the exponents."""
    value, gradient, hessian = 0.0, np.zeros(2), np.zeros((2, 2))
    item = offered.targets.item
    for begin in range(0, len(rows), batch):
        part = rows[begin : begin + batch]
        logs = [np.log(np.maximum(q[part], 1e-30)) for q in (q_a, q_b)]
        score = np.where(offered.open[part], theta[0] * logs[0] + theta[1] * logs[1], -np.inf).astype(np.float32)
        top = score.max(axis=1, keepdims=True)
        p = np.exp(score - top)
        mass = p.sum(axis=1, keepdims=True)
        p /= mass
        here = np.arange(len(part))
        value += float((np.log(mass[:, 0]) + top[:, 0] - score[here, item[part]]).sum(dtype=np.float64))
        mean = np.stack([(p * log).sum(axis=1) for log in logs], axis=1).astype(np.float64)
        own = np.stack([log[here, item[part]] for log in logs], axis=1)
        gradient += (mean - own).sum(axis=0)
        for i in range(2):
            for j in range(2):
                hessian[i, j] += float((p * logs[i] * logs[j]).sum(dtype=np.float64) - mean[:, i] @ mean[:, j])
    n = max(len(rows), 1)
    return value / n, gradient / n, hessian / n
