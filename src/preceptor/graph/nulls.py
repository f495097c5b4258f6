"""Null models of the item graph: what would walks on a graph without recommendation in it teach?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint64

from preceptor.core.rng import draw, generator, permutation, purpose_key, stream_state
from preceptor.graph.graph import Graph, from_edges

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


def erdos_renyi(graph: Graph, seed: int) -> Graph:
    """Equally weighted random edges between the connected items, G(n, m) (Erdős & Rényi 1959).

    Kept: the set of items edges may join, the number of edges, and whether every edge has its reverse. Items may come out
    isolated.
    """
    members = np.flatnonzero(graph.connected)
    n = len(members)
    both_ways = is_symmetric(graph)
    wanted = graph.n_edges // 2 if both_ways else graph.n_edges
    random = generator(seed, "graph/erdos-renyi")
    if both_ways:
        pair = random.choice(n * (n - 1) // 2, wanted, replace=False, shuffle=False)
        high = ((1 + np.sqrt(1 + 8 * pair.astype(np.float64))) // 2).astype(np.int64)
        high -= high * (high - 1) // 2 > pair  # the root may be rounded either way
        high += high * (high + 1) // 2 <= pair
        low = pair - high * (high - 1) // 2
        a, b = np.concatenate([low, high]), np.concatenate([high, low])
    else:
        pair = random.choice(n * (n - 1), wanted, replace=False, shuffle=False)
        a, b = pair // (n - 1), pair % (n - 1)
        b = b + (b >= a)
    return from_edges(graph.n_items, members[a], members[b], np.ones(len(a)))


def is_symmetric(graph: Graph) -> bool:
    """Whether each edge has its reverse (weights may differ)."""
    forward = graph.source.astype(np.int64) * graph.n_items + graph.indices
    backward = graph.indices.astype(np.int64) * graph.n_items + graph.source
    return bool(np.array_equal(forward, np.sort(backward)))


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
