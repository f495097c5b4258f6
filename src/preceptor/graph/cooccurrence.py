"""Windowed co-occurrence of items in the histories of users, row by row.

Row a is gathered in one dense accumulator (Gustavson 1978) from the places where a occurs: the cost is linear in
interactions × window, and memory holds one row a thread plus the edges that are kept, never the whole matrix.

The strength of a pair is Σ over users of value(u)·max over its meetings of decay^(gap − 1), gap being how many positions
the two are apart: with decay 1 and value 1 it is the number of distinct users. It is summed in integers (units of 2^−36),
so it doesn't depend on order and is the same in both directions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from preceptor.core import workers
from preceptor.data.log import TrainSplit
from preceptor.graph.weights import Weighting, score

UNIT = 2.0**36
_BLOCK = 1 << 22  # edges a block of rows may hold before it is cut to what is kept


@dataclass(frozen=True)
class Cooccurrence:
    """Kept pairs in rows: indptr int64 [I + 1], indices int32 [E] ascending, users int32 [E] distinct, strength float64 [E]."""

    indptr: np.ndarray
    indices: np.ndarray
    users: np.ndarray
    strength: np.ndarray

    @property
    def source(self) -> np.ndarray:
        """Item of each pair's row, int32 [E]."""
        return np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int32), np.diff(self.indptr))


def item_users(split: TrainSplit) -> np.ndarray:
    """Distinct users of each item, int32 [I]."""
    user, item = _distinct(split)
    return np.bincount(item, minlength=split.n_items).astype(np.int32)


def cooccurrence(
    split: TrainSplit,
    weighting: Weighting,
    window: int = 0,
    directed: bool = False,
    decay: float = 1.0,
    min_users: int = 1,
    top_k: int = 0,
    threads: int | None = None,
) -> Cooccurrence:
    """Count who met both of two items at most `window` positions apart (0: anywhere in the history).

    directed: a → b counts meetings with b after a only. Of each row the `top_k` (0: all) pairs strongest by `weighting`
    with at least `min_users` are kept, ties to the lower item; undirected pairs stay if either end keeps them.
    """
    n = split.n_items
    met_by, met = _distinct(split)
    users_of = np.bincount(met, minlength=n).astype(np.int32)
    if window == 0 and decay == 1.0 and not directed:  # order doesn't matter: a basket
        user, item = met_by, met
    else:
        user, item = np.asarray(split.user), np.asarray(split.item)
    unit = decay == 1.0 and weighting.user_power == 0 and (len(item) == int(users_of.sum()))
    indptr_u = np.searchsorted(user, np.arange(split.n_users + 1)).astype(np.int64)
    lengths = np.diff(indptr_u)
    reach = int(lengths.max(initial=1)) if window == 0 else window
    distinct_per_user = np.bincount(met_by, minlength=split.n_users)
    value = np.ones(split.n_users)
    if weighting.user_power != 0:
        value = np.maximum(distinct_per_user, 1).astype(np.float64) ** -weighting.user_power
    fade = np.concatenate([[0.0], decay ** np.arange(reach, dtype=np.float64)]) * UNIT
    places, indptr_i = _places(item, n)
    bound = np.minimum(np.diff(indptr_i) * min(2 * reach, n), n)
    if top_k:
        bound = np.minimum(bound, top_k)
    cuts = _cuts(bound)

    def block(k: int) -> tuple[np.ndarray, ...]:
        first, last = cuts[k], cuts[k + 1]
        room = int(bound[first:last].sum())
        out = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room))
        sizes = np.zeros(last - first, np.int64)
        m = _rows(
            first, last, user, item, indptr_u, places, indptr_i, users_of.astype(np.float64), value, fade,
            reach, directed, unit, min_users, top_k, weighting.kernel_arguments(), *out, sizes,
        )  # fmt: skip
        return (*(a[:m].copy() for a in out[:3]), sizes)

    blocks = range(len(cuts) - 1)
    with ThreadPoolExecutor(threads or workers.count()) as pool:
        parts = list(pool.map(block, blocks))
    indices, users, strength, sizes = (np.concatenate([p[j] for p in parts]) for j in range(4))
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    found = Cooccurrence(indptr, indices, users, strength / UNIT)
    return found if directed or not top_k else _union(found)


def _distinct(split: TrainSplit) -> tuple[np.ndarray, np.ndarray]:
    """Each (user, item) once, by user."""
    user, item = np.asarray(split.user), np.asarray(split.item)
    first = np.empty(len(item), np.bool_)
    _first_meetings(user, item, np.full(split.n_items, -1, np.int32), first)
    return (user, item) if first.all() else (user[first], item[first])


def _cuts(bound: np.ndarray) -> list[int]:
    """Borders of row blocks that hold about _BLOCK edges each; at least a few blocks, so that threads share the work."""
    ends = np.cumsum(bound)
    total = int(ends[-1]) if len(ends) else 0
    size = max(1, min(_BLOCK, total // 16))
    inner = np.searchsorted(ends, np.arange(size, total, size)) + 1
    return [0, *sorted({int(c) for c in inner if 0 < c < len(bound)}), len(bound)]


def _union(found: Cooccurrence) -> Cooccurrence:
    """Pairs that either end keeps, in both rows; both directions carry the same numbers."""
    n = len(found.indptr) - 1
    back, back_indptr = _places(found.indices, n)  # edges into each item, by source
    source = found.source
    sizes = np.zeros(n + 1, np.int64)
    edges = np.empty(2 * len(source), np.int64)
    targets = np.empty(2 * len(source), np.int32)
    m = _merge(found.indptr, found.indices, back_indptr, back, source, sizes[1:], edges, targets)
    edges, targets = edges[:m], targets[:m].copy()
    return Cooccurrence(np.cumsum(sizes), targets, found.users[edges], found.strength[edges])


def _places(item: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the log by item, ascending (int64 [n], int64 [I + 1])."""
    indptr = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=n_items))]).astype(np.int64)
    places = np.empty(len(item), np.int64)
    _scatter(np.ascontiguousarray(item), indptr[:-1].copy(), places)
    return places, indptr


@njit(nogil=True, cache=True)
def _first_meetings(user, item, last_user, first):  # type: ignore[no-untyped-def]
    for p in range(len(item)):
        first[p] = last_user[item[p]] != user[p]
        last_user[item[p]] = user[p]


@njit(nogil=True, cache=True)
def _merge(indptr, indices, back_indptr, back, source, sizes, edges, targets):  # type: ignore[no-untyped-def]
    """Merge each row's edges out and edges in, both ascending; an edge that goes both ways is taken once."""
    out = 0
    for row in range(len(sizes)):
        begin, e, f = out, indptr[row], back_indptr[row]
        while e < indptr[row + 1] or f < back_indptr[row + 1]:
            forward = indices[e] if e < indptr[row + 1] else np.int32(2**31 - 1)
            backward = source[back[f]] if f < back_indptr[row + 1] else np.int32(2**31 - 1)
            if forward <= backward:
                targets[out], edges[out] = forward, e
                e += 1
                f += forward == backward
            else:
                targets[out], edges[out] = backward, back[f]
                f += 1
            out += 1
        sizes[row] = out - begin
    return out


@njit(nogil=True, cache=True)
def _scatter(item, at, places):  # type: ignore[no-untyped-def]
    for p in range(len(item)):
        places[at[item[p]]] = p
        at[item[p]] += 1


@njit(nogil=True, cache=True)
def _rows(  # type: ignore[no-untyped-def]
    first, last, user, item, indptr_u, places, indptr_i, users_of, value, fade,
    reach, directed, unit, min_users, top_k, weighting, indices, users, strength, scores, sizes,
):  # fmt: skip
    """Rows first … last − 1, written one after another; returns how many pairs there are."""
    n = len(users_of)
    count = np.zeros(n, np.int32)
    total = np.zeros(n, np.int64)
    mine = np.zeros(n, np.int64)  # what the present user has added
    last_user = np.full(n, -1, np.int32)
    touched = np.empty(n, np.int32)
    out = 0
    for a in range(first, last):
        n_touched = 0
        for e in range(indptr_i[a], indptr_i[a + 1]):
            p = places[e]
            u = user[p]
            low = p + 1 if directed else max(indptr_u[u], p - reach)
            high = min(indptr_u[u + 1], p + reach + 1)
            if unit:  # every user meets a pair once, and counts 1
                for q in range(low, high):
                    b = item[q]
                    if count[b] == 0:
                        touched[n_touched] = b
                        n_touched += 1
                    count[b] += 1
            else:
                for q in range(low, high):
                    b = item[q]
                    worth = np.int64(value[u] * fade[abs(q - p)] + 0.5)
                    if last_user[b] != u:
                        if count[b] == 0:
                            touched[n_touched] = b
                            n_touched += 1
                        last_user[b] = u
                        count[b] += 1
                        mine[b] = 0
                    if worth > mine[b]:
                        total[b] += worth - mine[b]
                        mine[b] = worth
        begin = out
        for k in range(n_touched):
            b = touched[k]
            met = count[b]
            worth = np.int64(met) * np.int64(UNIT) if unit else total[b]
            count[b] = 0
            if not unit:
                total[b] = 0
                last_user[b] = -1
            if b == a or met < min_users or worth == 0:
                continue
            if top_k == 0:
                indices[out], users[out], strength[out] = b, met, worth
                out += 1
                continue
            s = score(weighting, worth / UNIT, users_of[a], users_of[b])
            if out - begin < top_k:
                place = out
                out += 1
                while place > begin:  # sift up: the root is the weakest kept
                    parent = begin + ((place - begin - 1) >> 1)
                    if not _weaker(s, b, scores[parent], indices[parent]):
                        break
                    indices[place], users[place], strength[place], scores[place] = (
                        indices[parent], users[parent], strength[parent], scores[parent],
                    )  # fmt: skip
                    place = parent
            elif _weaker(scores[begin], indices[begin], s, b):
                place = begin
                while True:  # sift down
                    child = begin + 2 * (place - begin) + 1
                    if child >= out:
                        break
                    if child + 1 < out and _weaker(scores[child + 1], indices[child + 1], scores[child], indices[child]):
                        child += 1
                    if not _weaker(scores[child], indices[child], s, b):
                        break
                    indices[place], users[place], strength[place], scores[place] = (
                        indices[child], users[child], strength[child], scores[child],
                    )  # fmt: skip
                    place = child
            else:
                continue
            indices[place], users[place], strength[place], scores[place] = b, met, worth, s
        order = np.argsort(indices[begin:out])
        for array in (indices, users):
            array[begin:out] = array[begin:out][order]
        strength[begin:out] = strength[begin:out][order]
        sizes[a - first] = out - begin
    return out


@njit(inline="always")
def _weaker(score_a, item_a, score_b, item_b):  # type: ignore[no-untyped-def]
    return score_a < score_b or (score_a == score_b and item_a > item_b)
