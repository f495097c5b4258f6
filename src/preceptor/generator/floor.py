"""The known floor: the least loss, in nats per item, that any model can have on the sampler's walks.

It is E[−log p(walk)] / E[items], start and length included. For first-order walks −log p is a sum over steps, so the
expectation has a closed form: [H(start) + Σ_t Σ_i P(X_t = i, a step follows)·H(P_i) + length term] / E[items].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from preceptor.generator import mixture_histories, mixture_probability
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.policies import FIRST_ORDER
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import WalkTables
from preceptor.generator.walks import sample
from preceptor.graph.graph import TOTAL

_BLOCK = 100_000
_PLAIN = 500  # transitions after which a chain counts as slow
_DEGREE = 64  # of the first polynomial


def monte_carlo(tables: WalkTables | MixtureTables, seed: int, purpose: str, count: int) -> dict[str, float]:
    """Mean of −log p per item over `count` fresh histories with a 95 % interval (ratio estimator, delta method)."""
    return _estimate(_sums(tables, seed, purpose, 0, count), count)


def to_precision(
    tables: WalkTables | MixtureTables, seed: int, purpose: str, error: float = 0.01, most: int = 1_000_000
) -> dict[str, float]:
    """As `monte_carlo`, over as many histories as bring the standard error to `error` nats per item, at most `most`.

    `histories` says how many. The number comes from a tenth more than the variance of the first 2,000 asks for.
    """
    count = min(2000, most)
    sums = _sums(tables, seed, purpose, 0, count)
    while (found := _estimate(sums, count))["error"] > error and count < most:
        more = min(most, max(count + 1000, int(1.1 * count * (found["error"] / error) ** 2)))
        sums += _sums(tables, seed, purpose, count, more - count)
        count = more
    return {**found, "histories": count}


def _sums(tables: WalkTables | MixtureTables, seed: int, purpose: str, first: int, count: int) -> np.ndarray:
    """Σy, Σn, Σy², Σn², Σyn over fresh histories: y = −log p of one, n = its items."""
    sums = np.zeros(5)
    for begin in range(first, first + count, _BLOCK):
        several = min(_BLOCK, first + count - begin)
        if isinstance(tables, MixtureTables):
            items, lengths = mixture_histories.sample(tables, seed, purpose, begin, several)
            y = -mixture_probability.log_probability(tables, items, lengths)
        else:
            items, lengths = sample(tables, seed, purpose, begin, several)
            y = -log_probability(tables, items, lengths)
        n = lengths.astype(np.float64)
        sums += [y.sum(), n.sum(), y @ y, n @ n, y @ n]
    return sums


def _estimate(sums: np.ndarray, count: int) -> dict[str, float]:
    mean, per_walk = sums[0] / sums[1], sums[1] / count
    variance = max(0.0, sums[2] - 2 * mean * sums[4] + mean * mean * sums[3]) / max(1, count - 1)
    error = np.sqrt(variance / count) / per_walk
    low, high = mean - 1.959964 * error, mean + 1.959964 * error
    return {"mean": float(mean), "low": float(low), "high": float(high), "error": float(error), "items": float(per_walk)}


def closed_form(tables: WalkTables) -> dict[str, float]:
    """Exact floor of first-order walks, and its parts in nats per walk: start, transitions, length; items per walk."""
    graph = tables.graph
    dead = graph.degree == 0
    p_length = tables.length / TOTAL
    at_least = np.cumsum(p_length[::-1])[::-1]  # P(length ≥ t)
    row_entropy = graph.row_entropy()
    here = tables.start / TOTAL
    transitions = ending = items = 0.0
    for t in range(1, tables.longest + 1):
        items += at_least[t] * here.sum()
        stopped = at_least[t] * here[dead].sum()
        chosen = p_length[t] * here[~dead].sum()
        ending -= stopped * _log(at_least[t]) + chosen * _log(p_length[t])
        if t < tables.longest:
            transitions += at_least[t + 1] * float(here @ row_entropy)
            here = _step(tables, here)
    start = entropy(tables.start / TOTAL)
    return {
        "floor": (start + transitions + ending) / items,
        "start": start,
        "transitions": transitions,
        "length": ending,
        "items": items,
    }


def entropy_rate(tables: WalkTables, steps: int = 20_000, tolerance: float = 1e-9) -> float | None:
    """Entropy rate of the endless chain in nats per step: Σ_i π_i·H(P_i); None where walks can reach a dead end.

    π is the limit from the start distribution, found with the lazy chain (it stays with probability 1/2), whose limit is
    the long-run average of the chain even where that is periodic. At most `steps` transitions; a chain that has not come to
    rest in _PLAIN of them is hurried by Chebyshev polynomials, as long as they help.
    """
    here = tables.start / TOTAL
    rested, done, degree, before = here, 0, 0, 0.0
    while done < steps:
        there = 0.5 * here + 0.5 * _step(tables, here)
        done += 1
        if there.sum() < 1 - 1e-9:
            return None
        moved = float(np.abs(there - here).sum())
        here = there
        if moved < tolerance:
            break
        if done >= _PLAIN and degree >= 0:
            if degree and moved > before:
                here, degree = rested, -1  # not a chain for it (directed ones turn): go on plainly from where it was
                continue
            degree = _DEGREE if not degree else 2 * degree if moved > 0.1 * before and degree < 16 * _DEGREE else degree
            rested, before = here, moved
            here = _chebyshev(tables, here, degree)
            done += degree
    return float(here @ tables.graph.row_entropy())


def entropy(p: np.ndarray) -> float:
    """Entropy of a distribution in nats."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def report(tables: WalkTables | MixtureTables, seed: int, purpose: str, count: int) -> dict[str, Any]:
    """What floor.json says of one graph's sampler; only first-order walks with repeats have a closed form."""
    drawn = monte_carlo(tables, seed, purpose, count)
    first_order = isinstance(tables, WalkTables) and tables.policy[0] == FIRST_ORDER and tables.policy[1]
    plain = tables if first_order and isinstance(tables, WalkTables) else None
    exact = closed_form(plain) if plain else {}
    return {
        "length": tables.longest,
        "floor_nats_per_item": drawn["mean"],
        "interval": [drawn["low"], drawn["high"]],
        "walks": count,
        "closed_form": exact.get("floor"),
        "start_entropy": entropy(tables.start / TOTAL),
        "transition_nats_per_walk": exact.get("transitions"),
        "length_nats_per_walk": exact.get("length"),
        "items_per_walk": drawn["items"],
        "entropy_rate": entropy_rate(plain) if plain else None,
    }


def _chebyshev(tables: WalkTables, here: np.ndarray, degree: int) -> np.ndarray:
    """A polynomial of the chain P that leaves the limit alone and damps all modes in [−1, 1 − 2ε] by T(1 + 2ε) ≈ 1,000.

    Modes of P are real where edges have the same strength both ways. T is the Chebyshev polynomial of that degree, by
    its recurrence in X = (P + ε)/(1 − ε).
    """
    e = (3.8 / degree) ** 2
    one = (1 + e) / (1 - e)  # what the limit's mode is in X

    def times(x: np.ndarray) -> np.ndarray:
        return (_step(tables, x) + e * x) / (1 - e)

    last, now, last_one, now_one = here, times(here), 1.0, one
    for _ in range(degree - 1):
        last, now = now, 2 * times(now) - last
        last_one, now_one = now_one, 2 * one * now_one - last_one
    return now / now_one


def _step(tables: WalkTables, here: np.ndarray) -> np.ndarray:
    """One transition of a distribution over items; what stands on a dead end is lost."""
    there = np.zeros(len(here))
    _flow(tables.indptr, tables.indices, tables.weight, here, there)
    return there


@njit(nogil=True, cache=True)
def _flow(indptr, indices, weight, here, there):  # type: ignore[no-untyped-def]
    """Add what flows along each edge, edge by edge: an entropy rate takes hundreds of transitions of all edges."""
    for row in range(len(here)):
        for e in range(indptr[row], indptr[row + 1]):
            there[indices[e]] += here[row] * (weight[e] / TOTAL)


def _log(p: float) -> float:
    return float(np.log(p)) if p > 0 else 0.0
