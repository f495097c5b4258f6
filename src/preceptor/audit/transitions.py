"""What comes after an item in the walks of any policy: P(next | current), averaged over how the walks came there.

The graph's rows are first-order walks' own; node2vec and history walks remember more, so their law of the next item is
averaged over sampled walks. At each step the exact conditional probabilities of all candidates are added up in place of the
one item that was drawn (Rao–Blackwell), which leaves far less noise than counting.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from preceptor.graph.policies import HISTORY
from preceptor.graph.step import factor, scan
from preceptor.graph.tables import WalkTables


def mean_transitions(tables: WalkTables, items: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean law of the next item by current item over walks (items int32 [n, L], lengths [n]), float64 [I, I].

    Rows sum to 1; items at which no step was taken have rows of zeros. Beside it the steps that left each item, float64 [I]:
    steps @ law is how often each item is expected after the first place. Memory: I² · 8 bytes.
    """
    n_items = len(tables.rows) - 2
    total, steps = np.zeros((n_items, n_items)), np.zeros(n_items)
    _add_up(tables, items, lengths, total, steps)
    return total / np.maximum(steps, 1.0)[:, None], steps


@njit(nogil=True, cache=True)
def _add_up(tables, items, lengths, total, steps):  # type: ignore[no-untyped-def]
    history = tables.policy[0] == HISTORY
    for i in range(len(items)):
        walk = items[i]
        for t in range(1, lengths[i]):
            whole, _ = scan(tables, walk, t, np.int64(-1))
            if whole == 0:
                continue
            here = walk[t - 1]
            steps[here] += 1.0
            for j in range(t if history else 1):
                scale = tables.policy[2 + j] if history else np.int64(1)
                row = walk[t - 1 - j]
                for e in range(tables.indptr[row], tables.indptr[row + 1]):
                    x = tables.indices[e]
                    mass = scale * np.int64(tables.weight[e]) * factor(tables, walk, t, x)
                    total[here, x] += mass / whole
