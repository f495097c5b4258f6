"""Effective edges: how much there is to learn in the signal of a mixture.

exp(entropy of the (source, target) pair that a draw used): the item of the history that was read, and the item drawn. Equal
edges of different graphs are one edge. Draws from the priors use no edge and aren't counted.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit

from preceptor.generator.mixture_histories import sample
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.graph import TOTAL


def effective_edges(tables: MixtureTables, seed: int, purpose: str, count: int = 20_000) -> float:
    """Effective edges of the sampler's signal; 0 where it has none.

    How often each item is read in each graph is the mean over `count` fresh histories, by each step's exact λ and fades; the
    targets' shares are those of the rows. So the estimate's noise is that of the items read alone. That items of the
    history can't be drawn again is left out.
    """
    read = np.zeros((int(tables.settings[0]), int(tables.settings[1])))
    items, lengths = sample(tables, seed, purpose, 0, count)
    _reads(tables, items, lengths, read)
    return float(_exp_entropy(tables, read)) if read.any() else 0.0


@njit(nogil=True, cache=True)
def _reads(tables, items, lengths, read):  # type: ignore[no-untyped-def]
    n_graphs = tables.settings[1]
    for i in range(len(items)):
        for t in range(1, lengths[i]):
            for c in range(tables.settings[2]):
                _, g, reach, _, memory = tables.components[c]
                last, total = min(int64(t), reach), 0.0
                for j in range(last):
                    if tables.rows[int64(items[i, t - 1 - j]) * n_graphs + g] != tables.settings[5]:
                        total += tables.memory[memory, last - 1, j]
                if total > 0:
                    for j in range(last):
                        item = items[i, t - 1 - j]
                        if tables.rows[int64(item) * n_graphs + g] != tables.settings[5]:
                            read[item, g] += tables.share[c] * (tables.memory[memory, last - 1, j] / total)


@njit(nogil=True, cache=True)
def _exp_entropy(tables, read):  # type: ignore[no-untyped-def]
    n, n_graphs = read.shape
    mass, total, sum_log = np.zeros(n + 1), 0.0, 0.0
    for i in range(n):
        for g in range(n_graphs):
            for e in range(tables.indptr[i * n_graphs + g], tables.indptr[i * n_graphs + g + 1]):
                if tables.indices[e] < n:
                    mass[tables.indices[e]] += read[i, g] * (tables.weight[e] / TOTAL)
        for g in range(n_graphs):
            for e in range(tables.indptr[i * n_graphs + g], tables.indptr[i * n_graphs + g + 1]):
                m = mass[tables.indices[e]]
                if m > 0:
                    total += m
                    sum_log += m * np.log(m)
                    mass[tables.indices[e]] = 0.0
    return np.exp(np.log(total) - sum_log / total)
