"""The kernel of co-occurrence: an item's row is gathered in dense accumulators, and its strongest pairs are selected.

Candidates collect in a buffer of a few times top_k; when it is full a quickselect (Hoare 1961) leaves the strongest, and
what can't reach the weakest of these is passed over from then on.

Unsigned indices throughout: numba checks signed ones for being below 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, njit, uint64

from preceptor.core.prefetch import prefetch
from preceptor.graph.weights import score

UNIT = 2.0**36  # strengths are summed in units of 2^−36
_ROOM = 4  # times top_k: the buffer of candidates
_DENSE = 0.5  # with so many meetings an item of the catalogue all are looked at, and none noted
_FAR, _NEAR = 16, 8  # how many places ahead memory is asked for: first a place's user and item, then that user's history


class Histories(NamedTuple):
    """A log by user, and where each item occurs in it. indptr_u: rows of user u; indptr_i: places of item i in `places`."""

    user: np.ndarray
    item: np.ndarray
    indptr_u: np.ndarray
    places: np.ndarray
    indptr_i: np.ndarray


class Counting(NamedTuple):
    """What a meeting counts, and which pairs stay."""

    users_of: np.ndarray  # float64 [I]: distinct users of each item
    value: np.ndarray  # float64 [U]: what a user counts
    fade: np.ndarray  # float64 [reach + 1]: what a meeting so many places apart counts, in UNIT
    reach: int  # places apart at most
    directed: bool
    unit: bool  # each user meets a pair at most once and counts 1
    plain: bool  # each user counts 1; the rows' `strength` stays empty then, the users are it
    min_users: int
    top_k: int  # pairs of a row at most; 0: all
    weighting: tuple[int, float, float, float, float]  # `Weighting.kernel_arguments`
    source_factor: np.ndarray  # float64 [I]
    target_factor: np.ndarray  # float32 [I], rounded up


class Rows(NamedTuple):
    """Where pairs go, row after row: int32, int32 and int64 [room]; sizes: int64 [rows]."""

    indices: np.ndarray
    users: np.ndarray
    strength: np.ndarray
    sizes: np.ndarray


@njit(nogil=True, cache=True)
def meeting_rows(first, last, log, counting, out_rows):  # type: ignore[no-untyped-def]
    """Rows first … last − 1 of `log` (Histories), written to `out_rows` one after another; returns how many pairs there are.

    Arrays are named once, outside the loops: each mention of a tuple's member would count a reference to it.
    """
    user, item, indptr_u, places, indptr_i = log
    users_of, value, fade, reach, directed, unit, plain, min_users, top_k, weighting, source_factor, target_factor = counting
    indices, users, strength, sizes = out_rows
    n = len(users_of)
    extra = 0 if plain else n
    count, total, mine = np.zeros(n, np.int32), np.zeros(extra, np.int64), np.empty(extra, np.int64)
    last_user = np.full(0 if unit else n, -1, np.int32)
    touched = np.empty(n + 1, np.int32)
    room = _ROOM * top_k if top_k else n
    scores, kept = np.empty(room if top_k else 0), np.empty(room, np.uint64)  # kept: item and users, 32 bits each
    typical = min(2 * reach, len(item) // max(1, len(indptr_u) - 1))
    out = int64(0)
    for a in range(first, last):
        begin, end = indptr_i[a], indptr_i[a + 1]
        dense = unit and (end - begin) * typical > _DENSE * n
        n_touched = uint64(0)
        for e in range(begin, end):
            if e + _FAR < end:
                prefetch(user, int64(places[uint64(e + _FAR)]))
                prefetch(item, int64(places[uint64(e + _FAR)]))
                prefetch(indptr_u, int64(user[uint64(places[uint64(e + _NEAR)])]))
            p = int64(places[uint64(e)])
            u = uint64(user[uint64(p)])
            low = p + 1 if directed else max(indptr_u[u], p - reach)
            high = min(indptr_u[u + uint64(1)], p + reach + 1)
            if dense:
                for q in range(uint64(low), uint64(high)):
                    count[uint64(item[q])] += 1
            elif unit:
                for q in range(uint64(low), uint64(high)):
                    b = uint64(item[q])
                    touched[n_touched] = b
                    n_touched += uint64(count[b] == 0)
                    count[b] += 1
            elif plain:
                for q in range(uint64(low), uint64(high)):
                    b = uint64(item[q])
                    touched[n_touched] = b
                    n_touched += uint64(count[b] == 0)
                    count[b] += last_user[b] != int64(u)
                    last_user[b] = u
            else:
                for q in range(low, high):
                    b = uint64(item[uint64(q)])
                    worth = int64(value[u] * fade[uint64(abs(q - p))] + 0.5)
                    if last_user[b] != int64(u):
                        touched[n_touched] = b
                        n_touched += uint64(count[b] == 0)
                        last_user[b] = u
                        count[b] += 1
                        mine[b] = 0
                    if worth > mine[b]:
                        total[b] += worth - mine[b]
                        mine[b] = worth
        count[uint64(a)] = 0
        m, limit = uint64(0), np.float32(0)  # what lies below the limit can't be among the strongest
        for k in range(uint64(n) if dense else n_touched):
            b = k if dense else uint64(touched[k])
            met = count[b]
            count[b] = 0
            worth = np.float32(met) if plain else np.float32(total[b] / UNIT)
            if met < min_users or worth == 0 or worth * target_factor[b] < limit:
                continue
            if top_k:
                if m == uint64(room):
                    m = _select(scores, kept, m, top_k)
                    limit = np.float32(scores[:top_k].min() / source_factor[uint64(a)] * (1 - 1e-6))
                exact = float(met) if plain else total[b] / UNIT
                scores[m] = score(weighting, exact, users_of[uint64(a)], users_of[b])
            kept[m] = b << uint64(32) | uint64(met)
            m += uint64(1)
        if top_k and m > uint64(top_k):
            m = _select(scores, kept, m, top_k)
        kept[:m].sort()
        for k in range(m):
            b, place = kept[k] >> uint64(32), uint64(out) + k
            indices[place], users[place] = b, kept[k] & uint64(0xFFFFFFFF)
            if not plain:
                strength[place] = total[b]
        sizes[uint64(a - first)] = m
        out += int64(m)
        if not unit:
            for k in range(n_touched):
                last_user[uint64(touched[k])] = -1
                if not plain:
                    total[uint64(touched[k])] = 0
    return out


@njit(nogil=True, cache=True)
def _select(scores, kept, size, k):  # type: ignore[no-untyped-def]
    """Bring the k strongest of the first `size` to the front, ties to the lower item; returns k."""
    low, high = 0, int64(size) - 1
    while low < high:
        middle = uint64((low + high) >> 1)
        s, item = scores[middle], kept[middle]
        i, j = low, high
        while i <= j:
            while _weaker(s, item, scores[uint64(i)], kept[uint64(i)]):
                i += 1
            while _weaker(scores[uint64(j)], kept[uint64(j)], s, item):
                j -= 1
            if i <= j:
                x, y = uint64(i), uint64(j)
                scores[x], scores[y] = scores[y], scores[x]
                kept[x], kept[y] = kept[y], kept[x]
                i += 1
                j -= 1
        if k - 1 <= j:
            high = j
        elif k - 1 >= i:
            low = i
        else:
            break
    return uint64(k)


@njit(inline="always")
def _weaker(score_a, item_a, score_b, item_b):  # type: ignore[no-untyped-def]
    return score_a < score_b or (score_a == score_b and item_a > item_b)
