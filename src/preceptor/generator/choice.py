"""Which components stay, with which weights, and what that is worth on users it wasn't fitted on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from preceptor.core import rng, workers
from preceptor.generator.em import TOLERANCE, Table, Weights, fit_weights, probability

DROP = 0.005
FEW_EVENTS, FEW_USERS, PSEUDO = 1_000, 100, 30.0
PARTS = 5  # of the users, for cross-fitting
_COARSE = 1e-5  # nats: what resamples and cross-fitted parts may leave


@dataclass(frozen=True)
class Chosen:
    """kept: numbers of the components that stay, ascending. weights: theirs."""

    kept: np.ndarray
    weights: Weights


@dataclass(frozen=True)
class Resampled:
    """Weights refitted on users who were drawn anew. signal: [R, C], prior: [R, P]."""

    signal: np.ndarray
    prior: np.ndarray


def shrinkage(n_events: int, n_users: int) -> float:
    """Events that the Dirichlet prior on the weights is worth: none where there is enough to go by."""
    return PSEUDO if n_events < FEW_EVENTS or n_users < FEW_USERS else 0.0


def choose(
    table: Table,
    event_weight: np.ndarray | None = None,
    pseudo: float = 0.0,
    drop: float = DROP,
    tolerance: float = TOLERANCE,
    start: Weights | None = None,
) -> Chosen:
    """Fit all components, leave out those under `drop`, the least first by halves, and fit again until none is.

    start: weights of all components to begin from.
    """
    kept = np.flatnonzero((table.signal > 0).any(axis=0))  # the others could only lose
    begin = None if start is None else Weights(start.signal[kept], start.prior, np.nan, np.nan)
    weights = fit_weights(table.columns(kept), event_weight, pseudo, begin, max(tolerance, _COARSE))
    while True:
        small = weights.signal < drop
        if not small.any():
            break
        # the least half of the small ones goes first: what they had may lift others over the bar
        order = np.argsort(weights.signal, kind="stable")[: max(1, (int(small.sum()) + 1) // 2)]
        gone = np.zeros(len(kept), bool)
        gone[order] = True
        gone |= weights.signal < drop / 10
        kept, start = kept[~gone], Weights(weights.signal[~gone], weights.prior, 0.0, 0.0)
        weights = fit_weights(table.columns(kept), event_weight, pseudo, start, max(tolerance, _COARSE))
    return Chosen(kept, fit_weights(table.columns(kept), event_weight, pseudo, weights, tolerance))


def cross_fitted(
    table: Table,
    user: np.ndarray,
    event_weight: np.ndarray | None = None,
    pseudo: float = 0.0,
    drop: float = DROP,
    start: Weights | None = None,
    seed: int = 0,
) -> np.ndarray:
    """−log p of each event under a choice of components and weights from the other users, float64 [E].

    start: weights of all components on all events: no choice then, and this is where the others' weights begin from.
    """
    part = parts(user, seed)
    out = np.empty(len(table))
    for k in range(PARTS):
        held, rest = np.flatnonzero(part == k), np.flatnonzero(part != k)
        if not len(held):
            continue
        w = None if event_weight is None else event_weight[rest]
        if not len(rest):
            rest, w = held, None if event_weight is None else event_weight[held]
        training, kept = table.rows(rest), np.arange(table.signal.shape[1])
        if start is None:
            chosen = choose(training, w, pseudo, drop, _COARSE)
            kept, weights = chosen.kept, chosen.weights
        else:
            weights = fit_weights(training, w, pseudo, start, _COARSE)
        out[held] = -np.log(np.maximum(probability(table.rows(held).columns(kept), weights), 1e-300))
    return out


def parts(user: np.ndarray, seed: int = 0) -> np.ndarray:
    """The part of each event for cross-fitting: that of its user, drawn by key. int64 [E]."""
    known, number = np.unique(user, return_inverse=True)
    place = np.empty(len(known), np.int64)
    place[rng.permutation(seed, "generator/parts", len(known))] = np.arange(len(known))
    return place[number] % PARTS


def resampled(
    table: Table,
    user: np.ndarray,
    weights: Weights,
    count: int,
    event_weight: np.ndarray | None = None,
    pseudo: float = 0.0,
    seed: int = 0,
) -> Resampled:
    """λ fitted anew to `count` bootstrap samples of the users, the components as they are."""
    known, number = np.unique(user, return_inverse=True)
    random = rng.generator(seed, "generator/bootstrap")
    own = np.ones(len(user)) if event_weight is None else event_weight
    draws = [random.integers(0, len(known), len(known)) for _ in range(count)]

    def refitted(users: np.ndarray) -> Weights:
        drawn = np.bincount(users, minlength=len(known))[number]
        rows = np.flatnonzero(drawn)
        return fit_weights(table.rows(rows), own[rows] * drawn[rows], pseudo, weights, tolerance=10 * _COARSE)

    with ThreadPoolExecutor(workers.count()) as pool:
        found = list(pool.map(refitted, draws))
    return Resampled(np.array([f.signal for f in found]), np.array([f.prior for f in found]))


def interval_of_mean(values: np.ndarray, user: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float, float]:
    """Weighted mean of per-event values and its 95 % interval over users (ratio estimator, linearised)."""
    w = np.ones(len(values)) if weight is None else weight
    _, number = np.unique(user, return_inverse=True)
    n = int(number.max()) + 1
    mean = float(w @ values / w.sum())
    residual = np.bincount(number, weights=w * (values - mean), minlength=n)
    half = 1.959964 * float(np.sqrt(np.sum(residual**2) * n / max(n - 1, 1))) / float(w.sum())
    return mean, mean - half, mean + half
