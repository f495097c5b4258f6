"""Null models of the item graph: what would walks on a graph without recommendation in it teach?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint64

from preceptor.core.rng import draw, permutation, purpose_key, stream_state
from preceptor.graph.graph import Graph

SWAPS_AN_EDGE = 10


def rewired(graph: Graph, seed: int, swaps_an_edge: float = SWAPS_AN_EDGE) -> Graph:
    """Swap the targets of random pairs of edges, each weight staying with its source (Maslov & Sneppen 2002).

    Kept exactly: the weights of each row, hence row entropies and out-degrees, and every item's in-degree. A swap that would
    make a self-loop or a double edge is not made; swaps_an_edge swaps are tried for each edge.
    """
    source, indices, weight = graph.source, graph.indices.astype(np.int32).copy(), graph.weight.copy()
    key = purpose_key(seed, "graph/rewire")
    _swap(graph.indptr, source, indices, key, int(swaps_an_edge * graph.n_edges))
    order = np.lexsort((indices, source))
    return Graph(np.asarray(graph.indptr), indices[order], weight[order])


def relabelled(graph: Graph, seed: int) -> tuple[Graph, np.ndarray]:
    """Permute the connected items: the same graph, and floor, of other items.

    Returns (graph, new_item int64 [I]: the item that now stands where item i stood). Isolated items stay.
    """
    members = np.flatnonzero(graph.connected)
    new_item = np.arange(graph.n_items)
    new_item[members] = members[permutation(seed, "graph/relabel", len(members))]
    source, target = new_item[graph.source], new_item[graph.indices]
    order = np.lexsort((target, source))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(source, minlength=graph.n_items))])
    return Graph(indptr, target[order].astype(np.int32), graph.weight[order]), new_item


@njit(nogil=True, cache=True)
def _swap(indptr, source, indices, key, tries):  # type: ignore[no-untyped-def]
    n_edges = uint64(len(indices))
    for i in range(tries):
        state = stream_state(key, uint64(i))
        e, f = draw(state, uint64(0)) % n_edges, draw(state, uint64(1)) % n_edges
        a, b, c, d = source[e], indices[e], source[f], indices[f]
        if a == d or c == b or _has(indptr, indices, a, d) or _has(indptr, indices, c, b):
            continue
        indices[e], indices[f] = d, b


@njit(inline="always")
def _has(indptr: Any, indices: Any, row: Any, target: Any) -> Any:
    """Rows are out of order while swapping, hence no binary search."""
    found = False
    for e in range(indptr[row], indptr[row + 1]):
        found |= indices[e] == target
    return found
