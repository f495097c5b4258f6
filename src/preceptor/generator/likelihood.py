"""The density that each component gives to real next items, renormalised over X(h), by exact sums of the graphs' integers.

K_c(x | h) = Σ_j D_j·w(h_j, x) / Σ_j D_j·(m(h_j) − r(h_j)), h_0 the last item, D_j = decay^j in units of 2^−22, w the graph's
integer weights, m(i) the weight of row i on members and r(i) that on members in the history (0 where items repeat). So only
the weights among the items of one timeline are read: for an event with m items before it 2m look-ups in rows, as the weights
towards an item that was a target are those that it takes off the candidates when it has become history.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import int64, njit

from preceptor.core import workers
from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Targets
from preceptor.generator.mass import edge_weight
from preceptor.generator.policies import LONGEST_HISTORY, history
from preceptor.graph.graph import Graph

_CHUNKS = 16  # of the events, for threads


def fades(decays: tuple[float, ...], longest: int) -> np.ndarray:
    """D_j of each memory, int64 [M, longest]: decay^j in units of 2^−22, as history walks have them (policies.py)."""
    if not 1 <= longest <= LONGEST_HISTORY:
        raise PreceptorError("Bad length of a memory", found=longest, expected=f"1 to {LONGEST_HISTORY} items")
    return np.stack([history(decay, longest)[2 : 2 + longest] for decay in decays])


class Edges(NamedTuple):
    """A graph's rows (int64 [I + 1], int32 [E], uint32 [E]) and the items that may come next (bool [I]), for compiled code."""

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    members: np.ndarray


class Asked(NamedTuple):
    """Histories sequence[start[t]:end[t]], and whether their items may come again, for compiled code."""

    sequence: np.ndarray
    start: np.ndarray
    end: np.ndarray
    repeats: bool


def edges_of(graph: Graph, members: np.ndarray) -> Edges:
    """A graph as kernels take it."""
    return Edges(graph.indptr, graph.indices, graph.weight, members)


def densities(
    graph: Graph, decays: tuple[float, ...], longest: int, events: Targets, members: np.ndarray, repeats: bool
) -> tuple[np.ndarray, np.ndarray]:
    """K_c of each event's item under one graph and each memory, and whether the component has mass on X(h) at all.

    float64 [events, M] (0 without mass), bool [events, M]. members: bool [I]. The last `longest` items are read; the whole
    history is taken off the candidates. Every event's item is to be in X(h). Linear in events × memory.
    """
    fade = fades(decays, longest)
    order = np.lexsort((events.end, events.start))
    start, end = events.start[order], events.end[order]
    value, alive = np.zeros((len(order), len(decays))), np.zeros((len(order), len(decays)), np.bool_)
    edges = edges_of(graph, members)
    in_row = _row_totals(edges)
    # a timeline stays in one chunk
    cuts = np.unique(np.concatenate([[0], np.searchsorted(start, start[:: max(1, len(start) // _CHUNKS)]), [len(start)]]))

    def chunk(k: int) -> None:
        part = slice(cuts[k], cuts[k + 1])
        asked = Asked(events.sequence, start[part], end[part], repeats)
        _densities(edges, in_row, asked, fade, value[part], alive[part])

    with ThreadPoolExecutor(workers.count()) as pool:
        list(pool.map(chunk, range(len(cuts) - 1)))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return value[back], alive[back]


def prior_densities(
    popularity: np.ndarray, alphas: tuple[float, ...], events: Targets, members: np.ndarray, repeats: bool
) -> np.ndarray:
    """popularity^alpha of each event's item over its sum on X(h), float64 [events, alphas].

    Where no candidate has any popularity the prior is uniform over X(h).
    """
    worth = np.stack([prior_weights(popularity, alpha, members) for alpha in alphas], axis=1)
    rest = prior_rest(worth, events, repeats)
    value = worth[events.item]
    uniform = list(alphas).index(0.0)
    gone = rest == 0.0
    return np.where(gone, (value / np.maximum(rest, 1.0))[:, [uniform]], value / np.where(gone, 1.0, rest))


def prior_rest(worth: np.ndarray, events: Targets, repeats: bool) -> np.ndarray:
    """Sums of prior weights (float64 [I, P]) over X(h) of each event, float64 [events, P]; 0 where nothing is left."""
    whole = np.broadcast_to(worth.sum(axis=0), (len(events), worth.shape[1]))
    if repeats:
        return whole.copy()
    taken = np.empty((len(events), worth.shape[1]))
    order = np.lexsort((events.end, events.start))
    part = np.empty_like(taken)
    _taken(worth, events.sequence, events.start[order], events.end[order], part)
    taken[order] = part
    return np.where(whole - taken <= 1e-9 * whole, 0.0, whole - taken)


def prior_weights(popularity: np.ndarray, alpha: float, members: np.ndarray) -> np.ndarray:
    """popularity^alpha on members, else 0, float64 [I]; scaled to a largest of 1. Without popularity: 0 unless alpha is 0."""
    worth = np.where(members, np.asarray(popularity, np.float64) ** alpha, 0.0)
    return worth / max(worth.max(initial=0.0), 1e-300)


def source_use(
    graph: Graph, decay: float, longest: int, events: Targets, members: np.ndarray, repeats: bool, share: np.ndarray
) -> np.ndarray:
    """How much of the draws after the events' histories leave from each item's row, float64 [I]; event e counts share[e]."""
    use = np.zeros(graph.n_items)
    edges = edges_of(graph, members)
    order = np.lexsort((events.end, events.start))
    asked = Asked(events.sequence, events.start[order], events.end[order], repeats)
    _source_use(edges, _row_totals(edges), asked, fades((decay,), longest), np.asarray(share, np.float64)[order], use)
    return use


@njit(nogil=True, cache=True)
def _row_totals(edges):  # type: ignore[no-untyped-def]
    indptr, indices, weight, members = edges
    out = np.zeros(len(indptr) - 1, np.int64)
    for row in range(len(out)):
        for e in range(indptr[row], indptr[row + 1]):
            if members[indices[e]]:
                out[row] += weight[e]
    return out


@njit(nogil=True, cache=True)
def _advance(edges, asked, begin, first, done, end, marked, gone):  # type: ignore[no-untyped-def]
    """Bring `gone` (weight of each place's row on the items before `end`) from `done` to `end`, for the last `longest` places.

    gone[p − begin] belongs to place p. What lies further back than `first` is not read and not kept.
    """
    if asked.repeats:
        return
    indptr, indices, weight, members = edges
    sequence = asked.sequence
    fresh = done == begin or end - done > 32
    for q in range(done, end):
        y = sequence[q]
        new = not marked[y]
        marked[y] = True
        if not fresh:
            if new and members[y]:
                for p in range(max(first, begin), q):
                    gone[p - begin] += edge_weight(indptr, indices, weight, sequence[p], y)
            gone[q - begin] = _on_marked(edges, marked, y)
    if fresh:
        for p in range(first, end):
            gone[p - begin] = _on_marked(edges, marked, sequence[p])


@njit(nogil=True, cache=True)
def _entered(asked, e, begin, done, marked, gone):  # type: ignore[no-untyped-def]
    """(where event e's timeline begins, how far it was read, what is gone at its places); a new one unmarks the one before."""
    sequence, start, end, _ = asked
    if e > 0 and start[e] == begin:
        return begin, done, gone
    for p in range(begin, done):
        marked[sequence[p]] = False
    last = e
    while last + 1 < len(start) and start[last + 1] == start[e]:
        last += 1
    return start[e], start[e], np.zeros(end[last] - start[e] + 1, np.int64)


@njit(nogil=True, cache=True)
def _on_marked(edges, marked, row):  # type: ignore[no-untyped-def]
    indptr, indices, weight, members = edges
    total = int64(0)
    for e in range(indptr[row], indptr[row + 1]):
        if marked[indices[e]] and members[indices[e]]:
            total += int64(weight[e])
    return total


@njit(nogil=True, cache=True)
def _densities(edges, in_row, asked, fade, value, alive):  # type: ignore[no-untyped-def]
    indptr, indices, weight, _ = edges
    sequence, start, end, _ = asked
    n_memories, longest = fade.shape
    marked = np.zeros(len(indptr) - 1, np.bool_)
    gone = np.zeros(1, np.int64)
    hit, rest = np.zeros(n_memories, np.int64), np.zeros(n_memories, np.int64)
    begin = done = int64(0)
    for e in range(len(start)):
        begin, done, gone = _entered(asked, e, begin, done, marked, gone)
        first = max(begin, end[e] - longest)
        _advance(edges, asked, begin, first, done, end[e], marked, gone)
        done = end[e]
        x = sequence[end[e]]
        for m in range(n_memories):
            hit[m], rest[m] = 0, 0
        for p in range(first, end[e]):
            h = sequence[p]
            if in_row[h] == 0:
                continue
            w = edge_weight(indptr, indices, weight, h, x)
            left = in_row[h] - gone[p - begin]
            for m in range(n_memories):
                d = fade[m, end[e] - 1 - p]
                hit[m] += d * w
                rest[m] += d * left
        for m in range(n_memories):
            alive[e, m] = rest[m] > 0
            value[e, m] = hit[m] / rest[m] if rest[m] > 0 else 0.0


@njit(nogil=True, cache=True)
def _source_use(edges, in_row, asked, fade, share, use):  # type: ignore[no-untyped-def]
    sequence, start, end, _ = asked
    longest = fade.shape[1]
    marked = np.zeros(len(edges.members), np.bool_)
    gone = np.zeros(1, np.int64)
    begin = done = int64(0)
    for e in range(len(start)):
        begin, done, gone = _entered(asked, e, begin, done, marked, gone)
        first = max(begin, end[e] - longest)
        _advance(edges, asked, begin, first, done, end[e], marked, gone)
        done = end[e]
        rest = 0.0
        for p in range(first, end[e]):
            rest += float(fade[0, end[e] - 1 - p]) * float(in_row[sequence[p]] - gone[p - begin])
        if rest > 0:
            for p in range(first, end[e]):
                h = sequence[p]
                use[h] += share[e] * float(fade[0, end[e] - 1 - p]) * float(in_row[h] - gone[p - begin]) / rest


@njit(nogil=True, cache=True)
def _taken(worth, sequence, start, end, out):  # type: ignore[no-untyped-def]
    """Sum of `worth` over the distinct items of each history."""
    marked = np.zeros(len(worth), np.bool_)
    begin = done = int64(0)
    total = np.zeros(worth.shape[1])
    for e in range(len(start)):
        if e == 0 or start[e] != begin:
            for p in range(begin, done):
                marked[sequence[p]] = False
            begin = done = start[e]
            for q in range(len(total)):
                total[q] = 0.0
        for p in range(done, end[e]):
            if not marked[sequence[p]]:
                marked[sequence[p]] = True
                for q in range(len(total)):
                    total[q] += worth[sequence[p], q]
        done = end[e]
        for q in range(len(total)):
            out[e, q] = total[q]
