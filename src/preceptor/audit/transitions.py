"""What comes after an item in the walks of any policy: P(next | current), averaged over how the walks came there.

The graph's rows are first-order walks' own; node2vec and history walks remember more, so their law of the next item is
averaged over sampled walks. At each step the exact conditional probabilities of all candidates are added up in place of the
one item that was drawn (Rao–Blackwell), which leaves far less noise than counting.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from preceptor.generator.policies import HISTORY, NODE2VEC
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import Graph


def mean_transitions(tables: WalkTables, items: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean law of the next item by current item over walks (items int32 [n, L], lengths [n]), float64 [I, I].

    Rows sum to 1; items at which no step was taken have rows of zeros. Beside it the steps that left each item, float64 [I]:
    steps @ law is how often each item is expected after the first place. Memory: I² · 8 bytes.
    """
    n_items = len(tables.rows) - 2
    total, steps = np.zeros((n_items, n_items)), np.zeros(n_items)
    _add_up(tables.policy, tables.indptr, tables.indices, tables.weight, items, lengths, total, steps)
    return total / np.maximum(steps, 1.0)[:, None], steps


def first_order_shares(graph: Graph, start: np.ndarray, length: int) -> np.ndarray:
    """Expected share of each item in first-order walks with repeats, exactly: float64 [I], sums to 1.

    start: shares of the first item, float64 [I]. length: items in a walk.
    """
    here, total = start, start.copy()
    for _ in range(length - 1):
        flow = np.repeat(here, graph.degree) * graph.transition()
        here = np.bincount(graph.indices, weights=flow, minlength=graph.n_items)
        total = total + here
    return total / total.sum()


@njit(nogil=True, cache=True)
def _add_up(policy, indptr, indices, weight, items, lengths, total, steps):  # type: ignore[no-untyped-def]
    """The law of generator/policies.py in floats; arrays come one by one, for numba counts references to those of a tuple."""
    code, repeats = policy[0], policy[1] != 0
    mass = np.zeros(len(steps))
    near = np.zeros(len(steps), np.bool_)
    for i in range(len(items)):
        walk = items[i]
        for t in range(1, lengths[i]):
            here = walk[t - 1]
            second = code == NODE2VEC and t > 1
            if second:
                for e in range(indptr[walk[t - 2]], indptr[walk[t - 2] + 1]):
                    near[indices[e]] = True
            back = t if code == HISTORY else 1
            whole = 0.0
            for j in range(back):
                scale = float(policy[2 + j]) if code == HISTORY else 1.0
                row = walk[t - 1 - j]
                for e in range(indptr[row], indptr[row + 1]):
                    x = indices[e]
                    m = scale * weight[e]
                    if second:
                        m *= policy[2] if x == walk[t - 2] else policy[3] if near[x] else policy[4]
                    elif code == HISTORY and x == here:
                        m = 0.0
                    if not repeats:
                        for k in range(t):
                            if walk[k] == x:
                                m = 0.0
                    mass[x] += m
                    whole += m
            if second:
                for e in range(indptr[walk[t - 2]], indptr[walk[t - 2] + 1]):
                    near[indices[e]] = False
            share = 0.0
            if whole > 0:
                steps[here] += 1.0
                share = 1.0 / whole
            for j in range(back):
                row = walk[t - 1 - j]
                for e in range(indptr[row], indptr[row + 1]):
                    x = indices[e]
                    total[here, x] += mass[x] * share
                    mass[x] = 0.0
