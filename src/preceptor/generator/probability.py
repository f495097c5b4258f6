"""The exact log-probability of any walk under its sampler: start, transitions, length and dead ends included."""

from __future__ import annotations

import math

import numpy as np
from numba import int64, njit

from preceptor.generator.mass import edge_weight, mass, scan
from preceptor.generator.policies import FIRST_ORDER
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import TOTAL

_LOG_TOTAL = math.log(TOTAL)


def log_probability(tables: WalkTables, items: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Natural log of the probability that the sampler makes each walk, float64 [count]; −inf where it never does.

    items: int32 [count, ≥ longest of the walks]; lengths: int [count]. A walk that ends where no transition was possible may
    have had any length from its own on; otherwise its length was the one drawn.
    """
    out = np.empty(len(items))
    _log_probabilities(tables.checked(), np.ascontiguousarray(items, np.int32), np.asarray(lengths, np.int64), out)
    return out


@njit(nogil=True, cache=True)
def _log_share(weight):  # type: ignore[no-untyped-def]
    return math.log(weight) - _LOG_TOTAL if weight > 0 else -math.inf


@njit(nogil=True, cache=True)
def log_probability_of(tables, items, length):  # type: ignore[no-untyped-def]
    """Log-probability of one walk items[:length], for other jitted code."""
    n_items, longest = len(tables.rows) - 2, len(tables.length) - 1
    if length < 1 or length > longest or items[0] < 0 or items[0] >= n_items:
        return -math.inf
    plain = tables.policy[0] == FIRST_ORDER and tables.policy[1] != 0
    total = _log_share(int64(tables.start[items[0]]))
    for t in range(1, length):
        if items[t] < 0 or items[t] >= n_items:
            return -math.inf
        if plain:
            total += _log_share(edge_weight(tables.indptr, tables.indices, tables.weight, items[t - 1], items[t]))
        else:
            chosen = mass(tables, items, t, items[t])
            if chosen == 0:
                return -math.inf
            total += math.log(chosen) - math.log(scan(tables, items, t, -1)[0])
    ends = int64(tables.length[length])
    dead = tables.rows[items[length - 1]] < 0 if plain else length < longest and scan(tables, items, length, -1)[0] == 0
    if dead:
        for more in range(length + 1, longest + 1):
            ends += int64(tables.length[more])
    return total + _log_share(ends)


@njit(nogil=True, cache=True)
def _log_probabilities(tables, items, lengths, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = log_probability_of(tables, items[i], lengths[i])
