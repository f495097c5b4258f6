"""The density that each component gives to real next items, renormalised over X(h), by exact sums of the graphs' integers.

K_c(x | h) = Σ_j D_j·w(h_j, x) / Σ_j D_j·(m(h_j) − r(h_j)), h_0 the last item, D_j = decay^j in units of 2^−22, w the graph's
integer weights, m(i) the weight of row i on members and r(i) that on members in the history (0 where items repeat). So only
the weights among the items of one timeline are read: the rows of its items once, then for each event the edges that lead to
its item. These it also takes off the candidates when it has become history.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import int64, njit

from preceptor.core import workers
from preceptor.core.disk import frozen
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


def reaches(fade: np.ndarray) -> np.ndarray:
    """How many items back each memory reads, int64 [M]: farther back its D_j are 0."""
    return np.array([np.flatnonzero(one)[-1] + 1 for one in fade])


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
    return Edges(graph.indptr, graph.indices, graph.weight, frozen(members))


def asked_of(events: Targets, rows: np.ndarray, repeats: bool) -> Asked:
    """The histories of these rows of the events as kernels take them."""
    return Asked(frozen(events.sequence), frozen(events.start[rows]), frozen(events.end[rows]), repeats)


def densities(
    graph: Graph, decays: tuple[float, ...], longest: int, events: Targets, members: np.ndarray, repeats: bool
) -> tuple[np.ndarray, np.ndarray]:
    """K_c of each event's item under one graph and each memory, and whether the component has mass on X(h) at all.

    float64 [events, M] (0 without mass), bool [events, M]. members: bool [I]. The last `longest` items are read; the whole
    history is taken off the candidates. Every event's item is to be in X(h). Linear in events × memory and in the rows read.
    """
    fade = fades(decays, longest)
    reach = reaches(fade)
    order = np.lexsort((events.end, events.start))
    start = events.start[order]
    value, alive = np.zeros((len(order), len(decays))), np.zeros((len(order), len(decays)), np.bool_)
    edges = edges_of(graph, members)
    in_row = _row_totals(edges)
    # a timeline stays in one chunk
    cuts = np.unique(np.concatenate([[0], np.searchsorted(start, start[:: max(1, len(start) // _CHUNKS)]), [len(start)]]))

    def chunk(k: int) -> None:
        part = slice(cuts[k], cuts[k + 1])
        _densities(edges, in_row, asked_of(events, order[part], repeats), (fade, reach), value[part], alive[part])

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
    _taken(worth, frozen(events.sequence), events.start[order], events.end[order], part)
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
    asked = asked_of(events, order, repeats)
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
def _timeline(edges, in_row, asked, e, longest, number):  # type: ignore[no-untyped-def]
    """The timeline of event e and of those after it that share it, from its beginning to their last item.

    Returns the first event of the next one, the number of the item at each place, the weight of each item's row, and the edges
    among the items by where they lead: those to item k are begin[k] to begin[k + 1]. Rows that no event reads have no edges.
    number: −1 for every item of the catalogue, before and after.
    """
    indptr, indices, weight, _ = edges
    sequence, start, end, _ = asked
    after = e + 1
    while after < len(start) and start[after] == start[e]:
        after += 1
    place = np.empty(end[after - 1] - start[e] + 1, np.int64)
    items = np.empty(len(place), np.int64)
    n = 0
    for p in range(len(place)):
        x = sequence[start[e] + p]
        if number[x] < 0:
            number[x], items[n] = n, x
            n += 1
        place[p] = number[x]
    read = np.zeros(n, np.bool_)
    for p in range(max(0, end[e] - longest - start[e]), len(place)):
        read[place[p]] = True
    most = 0
    for k in range(n):
        if read[k]:
            most += min(n, indptr[items[k] + 1] - indptr[items[k]])
    leads, from_, by = np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int64)
    begin, left, found = np.zeros(n + 1, np.int64), np.empty(n, np.int64), 0
    for k in range(n):
        left[k] = in_row[items[k]]
        if read[k]:
            for i in range(indptr[items[k]], indptr[items[k] + 1]):
                to = number[indices[i]]
                if to >= 0:
                    leads[found], from_[found], by[found] = to, k, weight[i]
                    begin[to + 1] += 1
                    found += 1
    for k in range(n):
        begin[k + 1] += begin[k]
        number[items[k]] = -1
    source, worth, free = np.empty(found, np.int32), np.empty(found, np.int64), begin.copy()
    for i in range(found):
        at = free[leads[i]]
        source[at], worth[at] = from_[i], by[i]
        free[leads[i]] += 1
    return after, place, items[:n], left, (begin, source, worth)


@njit(nogil=True, cache=True)
def _close(within, members, items, places, closed, left):  # type: ignore[no-untyped-def]
    """Take the items at these places off the candidates: what is left of each row's weight."""
    begin, source, worth = within
    for k in places:
        if not closed[k]:
            closed[k] = True
            if members[items[k]]:
                for i in range(begin[k], begin[k + 1]):
                    left[source[i]] -= worth[i]


@njit(nogil=True, cache=True)
def _densities(edges, in_row, asked, memories, value, alive):  # type: ignore[no-untyped-def]
    fade, reach = memories
    sequence, start, end, repeats = asked
    longest = fade.shape[1]
    hits, lefts = np.empty(longest, np.int64), np.empty(longest, np.int64)
    if repeats:  # no row loses weight, so that a look-up for each place is all there is to do
        for t in range(len(start)):
            lags = min(longest, end[t] - start[t])
            for j in range(lags):
                h = sequence[end[t] - 1 - j]
                hits[j] = edge_weight(edges.indptr, edges.indices, edges.weight, h, sequence[end[t]])
                lefts[j] = in_row[h]
            _weigh(fade, reach, hits[:lags], lefts[:lags], value[t], alive[t])
        return
    number = np.full(len(in_row), -1, np.int32)
    t = 0
    while t < len(start):
        origin, done = start[t], 0
        after, place, items, left, within = _timeline(edges, in_row, asked, t, longest, number)
        begin, source, worth = within
        closed, to = np.zeros(len(items), np.bool_), np.zeros(len(items), np.int64)
        while t < after:
            now = end[t] - origin
            _close(within, edges.members, items, place[done:now], closed, left)
            done, x = now, place[now]
            for i in range(begin[x], begin[x + 1]):
                to[source[i]] = worth[i]
            lags = min(longest, now)
            for j in range(lags):
                k = place[now - 1 - j]
                hits[j], lefts[j] = to[k], left[k]
            _weigh(fade, reach, hits[:lags], lefts[:lags], value[t], alive[t])
            for i in range(begin[x], begin[x + 1]):
                to[source[i]] = 0
            t += 1


@njit(nogil=True, cache=True)
def _weigh(fade, reach, hits, lefts, value, alive):  # type: ignore[no-untyped-def]
    """What each memory gives: hits over lefts, both from the last item on back."""
    for m in range(len(fade)):
        hit, rest = int64(0), int64(0)
        for j in range(min(len(hits), reach[m])):
            hit += fade[m, j] * hits[j]
            rest += fade[m, j] * lefts[j]
        alive[m] = rest > 0
        value[m] = hit / rest if rest > 0 else 0.0


@njit(nogil=True, cache=True)
def _source_use(edges, in_row, asked, fade, share, use):  # type: ignore[no-untyped-def]
    sequence, start, end, repeats = asked
    longest = fade.shape[1]
    number = np.full(len(in_row), -1, np.int32)
    t = 0
    while t < len(start):
        origin, done = start[t], 0
        after, place, items, left, within = _timeline(edges, in_row, asked, t, longest, number)
        closed = np.zeros(len(items), np.bool_)
        while t < after:
            now = end[t] - origin
            if not repeats:
                _close(within, edges.members, items, place[done:now], closed, left)
            done = now
            rest = 0.0
            for p in range(max(0, now - longest), now):
                rest += float(fade[0, now - 1 - p]) * float(left[place[p]])
            if rest > 0:
                for p in range(max(0, now - longest), now):
                    k = place[p]
                    use[items[k]] += share[t] * float(fade[0, now - 1 - p]) * float(left[k]) / rest
            t += 1


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
