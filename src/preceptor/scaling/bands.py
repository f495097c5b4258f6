"""How wrong a form may be where it extrapolates: the part of a forecast's interval that noise knows nothing of.

The variance of a forecast of log reducible loss is

    parameters (resamples)  +  run noise  +  τ²·x²,   x = ln(C/C_max)

where C/C_max is how many times the largest fitted run the forecast lies at (N·D; N or D alone where that is farther), and 0
inside. τ differs between sweeps: τ² has a scaled inverse χ² prior, so that a forecast has Student's t. The prior is pooled over
sweeps whose larger runs are known (results/scaling, `python -m benchmarks.scaling.form_error`), and a study's own points update
it: laws fitted to its cheaper runs missed its dearer ones by this much (`rolling`). (Gelman et al. 2013, chapter 5; Smyth 2004
for noise.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from preceptor.core.statistics import student

Z = {0.8: 1.2815515655446004, 0.95: 1.959963984540054}
OF_CUT = 0.5  # degrees of freedom of a cut: what lies above overlaps, and the same runs are in several
LEAST_SHARE = 0.1  # of a loss that is taken to be reducible, where the end is fitted: an end so near is hardly known


class Pooled(NamedTuple):
    """τ over many sweeps, and its degrees of freedom: how much it varies between them."""

    tau: float
    dof: float


# joint laws of sizes and tokens, and laws of tokens of one size: results/scaling/tau.csv
POOLED = {"joint": Pooled(0.0402, 4.0), "size": Pooled(0.046, 8.0)}


@dataclass(frozen=True)
class FormError:
    """What is known of a law's form beyond its points.

    tau: of the log reducible loss, per e-fold of compute; dof: its degrees of freedom. origins: how often the study's own
    points were asked, own: τ of those alone, None without. params, tokens, product: the largest N, D and N·D of the points.
    end: the least end of the loss that the points leave open; what lies above it is reducible.
    """

    tau: float
    dof: float
    origins: int
    own: float | None
    params: float
    tokens: float
    product: float
    end: float

    def beyond(self, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """x [n]: the log of how far sizes and tokens lie beyond the points, 0 inside."""
        n, d = np.broadcast_arrays(np.atleast_1d(params).astype(np.float64), np.atleast_1d(tokens).astype(np.float64))
        return farther(n, d, self.params, self.tokens, self.product)

    def spread(self, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """Standard deviation [n] of log reducible loss that is owed to the form."""
        return self.tau * self.beyond(params, tokens)


def farther(n: np.ndarray, d: np.ndarray, params: float, tokens: float, product: float) -> np.ndarray:
    """ln(C/C_max) [n], where N or D alone is farther beyond its largest value then that; never below 0."""
    ratios = [n * d / product, n / params, d / tokens]
    return np.asarray(np.log(np.maximum(1.0, np.max(ratios, axis=0))))


def reducible_share(loss: np.ndarray, end: float, floor: float | None) -> np.ndarray:
    """Which share of the loss above the form's fixed floor lies above the end of the loss: all of it where the floor is known,
    else a tenth or more."""
    if floor is not None:
        return np.ones_like(loss)
    return np.clip((loss - end) / loss, LEAST_SHARE, 1.0)


class Miss(NamedTuple):
    """What laws fitted below a cut missed above it, by squared e-fold of compute: the mean squared error, and what of it noise
    and parameters account for."""

    square: float
    known: float


def updated(misses: Sequence[Miss], pooled: Pooled) -> Pooled:
    """The prior after a study's own misses: the scaled inverse χ² that matches the posterior of τ²."""
    if not misses:
        return pooled
    log = _log_prior(pooled.tau, pooled.dof) + _log_likelihood(misses)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    tau = float(1 / np.sqrt(weight @ np.exp(-2 * _LOG_TAU)))
    spread = float(weight @ _LOG_TAU**2 - (weight @ _LOG_TAU) ** 2)
    return Pooled(tau, max(_DOF[0], _dof_of(4 * spread)))


def alone(misses: Sequence[Miss]) -> float | None:
    """τ by these misses alone, by their moments; None without any."""
    return float(np.sqrt(max(0.0, float(np.mean([m.square - m.known for m in misses]))))) if misses else None


def pool(sweeps: Sequence[Sequence[Miss]]) -> Pooled:
    """The prior of τ² under which several sweeps' misses are likeliest, each sweep having a τ of its own."""
    logs = [_log_likelihood(misses) for misses in sweeps if misses]
    best, found = -np.inf, Pooled(0.1, _DOF[0])
    for dof in _DOF:
        for tau in np.geomspace(0.01, 0.5, 60):
            prior = _log_prior(float(tau), dof)
            value = sum(_log_sum(prior + log) for log in logs)
            if value > best:
                best, found = value, Pooled(float(tau), dof)
    return found


_LOG_TAU = np.linspace(np.log(1e-3), np.log(5.0), 240)
_DOF = (3.0, 4.0, 5.0, 6.0, 8.0)  # a handful of sweeps can't show that they are all alike


def _log_prior(tau: float, dof: float) -> np.ndarray:
    """Of log τ on the grid, normalised to its points."""
    log = -dof * _LOG_TAU - dof * tau**2 / 2 * np.exp(-2 * _LOG_TAU)
    return np.asarray(log - _log_sum(log))


def _log_sum(log: np.ndarray) -> float:
    """Log of the sum of exponentials."""
    top = float(log.max())
    return top + float(np.log(np.exp(log - top).sum()))


def _log_likelihood(misses: Sequence[Miss]) -> np.ndarray:
    variance = np.exp(2 * _LOG_TAU)
    total = np.zeros_like(variance)
    for square, known in misses:
        total -= 0.5 * OF_CUT * (np.log(variance + known) + square / (variance + known))
    return total


def _dof_of(spread: float) -> float:
    """Degrees of freedom of a scaled inverse χ² whose log has this variance."""
    from scipy.optimize import brentq
    from scipy.special import polygamma

    lo, hi = 0.5, 500.0
    inside = min(max(spread, float(polygamma(1, hi))), float(polygamma(1, lo)))
    return 2 * float(brentq(lambda half: float(polygamma(1, half)) - inside, lo * 0.999, hi * 1.001))


def reach(parts: Sequence[tuple[np.ndarray, float]], level: float) -> np.ndarray:
    """Half of the interval [n] of a sum of independent errors, each given as (variance [n], degrees of freedom).

    Student's t with Satterthwaite's degrees of freedom (1946).
    """
    variances = np.stack(np.broadcast_arrays(*(v for v, _ in parts)))
    total = variances.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dof = total**2 / sum(v**2 / d for v, (_, d) in zip(variances, parts, strict=True))
    t = np.array([Z[level] if not np.isfinite(k) else student(max(float(k), 1.0), level) for k in np.atleast_1d(dof)])
    return np.asarray(t * np.sqrt(np.atleast_1d(total)))
