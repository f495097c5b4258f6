"""Windowed co-occurrence of items in the histories of users, row by row.

Row a is gathered in one dense accumulator (Gustavson 1978) from the places where a occurs: the cost is linear in
interactions × window, and memory holds one row per thread plus the edges that are kept, never the whole matrix.

The strength of a pair is Σ over users of value(u)·max over its meetings of decay^(gap − 1), gap being how many positions
the two are apart: with decay 1 and value 1 it is the number of distinct users. It is summed in integers (units of 2^−36),
so it doesn't depend on order and is the same in both directions.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from preceptor.core import workers
from preceptor.core.disk import frozen
from preceptor.data.rows import Training
from preceptor.graph.meetings import UNIT, Counting, Histories, Rows, meeting_rows
from preceptor.graph.weights import Weighting

if TYPE_CHECKING:
    from preceptor.data.log import TrainSplit

_BLOCK = 1 << 22  # edges a block of rows may hold before it is cut to what is kept
_PARTS = 4  # of the rows: only one part's reversed edges are held at a time


@dataclass(frozen=True)
class Cooccurrence:
    """Kept pairs in rows: indptr int64 [I + 1], indices int32 [E] ascending, users int32 [E] distinct, strength [E].

    strength is float64, or, where every user counts 1, `users` itself.
    """

    indptr: np.ndarray
    indices: np.ndarray
    users: np.ndarray
    strength: np.ndarray

    @property
    def source(self) -> np.ndarray:
        """Item of each pair's row, int32 [E]."""
        return np.repeat(np.arange(len(self.indptr) - 1, dtype=np.int32), np.diff(self.indptr))


class _Edges(NamedTuple):
    """Edges in rows: indptr, and by edge target and value."""

    indptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray


def item_users(split: Training) -> np.ndarray:
    """Distinct users of each item, int32 [I]."""
    user, item = _distinct(split)
    return _counts(item, split.n_items).astype(np.int32)


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
    return united(kept_rows(split, weighting, window, directed, decay, min_users, top_k, threads), directed, top_k)


def united(found: Cooccurrence, directed: bool, top_k: int) -> Cooccurrence:
    """Of what every item keeps for itself: the pairs that either end keeps, where pairs are undirected."""
    return found if directed or not top_k else _union(found)


def meetings(split: TrainSplit, window: int = 0, directed: bool = False) -> np.ndarray:
    """The work of each item's row: pairs of places that are looked at, about. int64 [I]."""
    out = np.zeros(split.n_items, np.int64)
    indptr_u = split.user_indptr
    reach = window or int(np.diff(indptr_u).max(initial=1))
    _meetings(frozen(split.item), indptr_u, reach * (1 if directed else 2), out)
    return out


def kept_rows(
    split: TrainSplit,
    weighting: Weighting,
    window: int = 0,
    directed: bool = False,
    decay: float = 1.0,
    min_users: int = 1,
    top_k: int = 0,
    threads: int | None = None,
    items: tuple[int, int] | None = None,
) -> Cooccurrence:
    """What each item keeps for itself, as `cooccurrence` says; indptr has a row for each of `items` (first, last + 1) alone."""
    n = split.n_items
    met_by, met = _distinct(split)
    users_of = _counts(met, n)
    if window == 0 and decay == 1.0 and not directed:  # order doesn't matter: a basket
        user, item = met_by, met
    else:
        user, item = np.asarray(split.user), np.asarray(split.item)
    plain = decay == 1.0 and weighting.user_power == 0  # the strength is the number of users
    unit = plain and len(item) == int(users_of.sum())
    indptr_u = np.searchsorted(user, np.arange(split.n_users + 1)).astype(np.int64)
    lengths = np.diff(indptr_u)
    reach = int(lengths.max(initial=1)) if window == 0 else window
    value = np.ones(split.n_users)
    if weighting.user_power != 0:
        value = np.maximum(_counts(met_by, split.n_users), 1).astype(np.float64) ** -weighting.user_power
    del met_by, met
    fade = np.concatenate([[0.0], decay ** np.arange(reach, dtype=np.float64)]) * UNIT
    places, indptr_i = _places(item, n)
    counted = users_of.astype(np.float64)
    bound = np.minimum(np.diff(indptr_i) * min(2 * reach, n), n)
    if top_k:
        bound = np.minimum(bound, top_k)
    begin, end = items or (0, n)
    cuts = [begin + cut for cut in _cuts(bound[begin:end])]
    log = Histories(frozen(user), frozen(item), indptr_u, places, indptr_i)
    counting = Counting(
        counted,
        value,
        fade,
        reach,
        directed,
        unit,
        plain,
        min_users,
        top_k,
        weighting.kernel_arguments(),
        *weighting.factors(users_of),
    )

    def block(k: int) -> tuple[np.ndarray, ...]:
        first, last = cuts[k], cuts[k + 1]
        room = int(bound[first:last].sum())
        out = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(0 if plain else room, np.int64))
        sizes = np.zeros(last - first, np.int64)
        m = meeting_rows(first, last, log, counting, Rows(*out, sizes))
        return (*(a[:m].copy() for a in out), sizes)

    blocks = range(len(cuts) - 1)
    with ThreadPoolExecutor(threads or workers.count()) as pool:
        parts = list(pool.map(block, blocks))
    indices, users, strength, sizes = (_join(parts, j) for j in range(4))
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    return Cooccurrence(indptr, indices, users, users if plain else strength / UNIT)


def _distinct(split: Training) -> tuple[np.ndarray, np.ndarray]:
    """Each (user, item) once, by user."""
    user, item = np.asarray(split.user), np.asarray(split.item)
    first = np.empty(len(item), np.bool_)
    _first_meetings(frozen(user), frozen(item), np.full(split.n_items, -1, np.int32), first)
    return (user, item) if first.all() else (user[first], item[first])


def _cuts(bound: np.ndarray) -> list[int]:
    """Borders of row blocks that hold about _BLOCK edges each; at least a few blocks, so that threads share the work."""
    ends = np.cumsum(bound)
    total = int(ends[-1]) if len(ends) else 0
    size = max(1, min(_BLOCK, total // 16))
    inner = np.searchsorted(ends, np.arange(size, total, size)) + 1
    return [0, *sorted({int(c) for c in inner if 0 < c < len(bound)}), len(bound)]


def _join(parts: list[tuple[np.ndarray, ...]], column: int) -> np.ndarray:
    """One column of all blocks; each block's is let go as it is copied."""
    out = np.empty(sum(len(p[column]) for p in parts), parts[0][column].dtype)
    at = 0
    for k, part in enumerate(parts):
        out[at : at + len(part[column])] = part[column]
        at += len(part[column])
        parts[k] = (*part[:column], part[column][:0].copy(), *part[column + 1 :])
    return out


def _union(found: Cooccurrence) -> Cooccurrence:
    """Pairs that either end keeps, in both rows; both directions carry the same numbers."""
    indptr, targets, users = _symmetric(found.indptr, found.indices, found.users)
    if found.strength is found.users:
        return Cooccurrence(indptr, targets, users, users)
    return Cooccurrence(indptr, targets, users, _symmetric(found.indptr, found.indices, found.strength)[2])


def _symmetric(indptr: np.ndarray, indices: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """indptr, indices and values of the union of edges and reversed edges, which are held for a part of the rows at a time."""
    n = len(indptr) - 1
    back_indptr = np.concatenate([[0], np.cumsum(_counts(indices, n))])
    targets, out_values = np.empty(2 * len(indices), np.int32), np.empty(2 * len(indices), values.dtype)
    sizes, m = np.zeros(n + 1, np.int64), 0
    borders = np.searchsorted(back_indptr, np.linspace(0, len(indices), _PARTS + 1)[1:-1])
    for first, last in itertools.pairwise([0, *borders.tolist(), n]):
        begin = back_indptr[first]
        size = int(back_indptr[last] - begin)
        back, back_values = np.empty(size, np.int32), np.empty(size, values.dtype)
        _transpose(indptr, indices, values, first, last, back_indptr[first:last] - begin, back, back_values)
        forward = _Edges(indptr[first : last + 1], indices, values)
        backward = _Edges(back_indptr[first : last + 1] - begin, back, back_values)
        m = _merge(forward, backward, sizes[1 + first : 1 + last], m, targets, out_values)
    targets.resize(m, refcheck=False)  # in place: the part never written was never held
    out_values.resize(m, refcheck=False)
    return np.cumsum(sizes), targets, out_values


def _counts(item: np.ndarray, n_items: int) -> np.ndarray:
    """How often each item occurs, int64 [I], without the wider copy that bincount makes."""
    out = np.zeros(n_items, np.int64)
    _count(frozen(item), out)
    return out


def _places(item: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the log by item, ascending (int32 [n], int64 when there are 2^31 or more; and int64 [I + 1])."""
    indptr = np.concatenate([[0], np.cumsum(_counts(item, n_items))])
    places = np.empty(len(item), np.int32 if len(item) < 2**31 else np.int64)
    _scatter(frozen(item), indptr[:-1].copy(), places)
    return places, indptr


@njit(nogil=True, cache=True)
def _count(item, out):  # type: ignore[no-untyped-def]
    for i in item:
        out[i] += 1


@njit(nogil=True, cache=True)
def _meetings(item, indptr_u, reach, out):  # type: ignore[no-untyped-def]
    for u in range(len(indptr_u) - 1):
        near = min(reach, indptr_u[u + 1] - indptr_u[u] - 1)
        for p in range(indptr_u[u], indptr_u[u + 1]):
            out[item[p]] += near


@njit(nogil=True, cache=True)
def _transpose(indptr, indices, values, first, last, at, back, back_values):  # type: ignore[no-untyped-def]
    """Edges into the items first … last − 1, by source."""
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            if first <= indices[e] < last:
                place = at[indices[e] - first]
                back[place], back_values[place] = row, values[e]
                at[indices[e] - first] += 1


@njit(nogil=True, cache=True)
def _first_meetings(user, item, last_user, first):  # type: ignore[no-untyped-def]
    for p in range(len(item)):
        first[p] = last_user[item[p]] != user[p]
        last_user[item[p]] = user[p]


@njit(nogil=True, cache=True)
def _merge(forward, backward, sizes, out, targets, out_values):  # type: ignore[no-untyped-def]
    """Merge each row's edges out and edges in, both ascending; an edge that goes both ways is taken once."""
    (indptr, indices, values), (back_indptr, back, back_values) = forward, backward
    for row in range(len(sizes)):
        begin, e, f = out, indptr[row], back_indptr[row]
        last_e, last_f = indptr[row + 1], back_indptr[row + 1]
        while e < last_e or f < last_f:
            there = indices[e] if e < last_e else np.int32(2**31 - 1)
            back_there = back[f] if f < last_f else np.int32(2**31 - 1)
            targets[out] = min(there, back_there)
            out_values[out] = values[e] if there <= back_there else back_values[f]
            e += there <= back_there
            f += back_there <= there
            out += 1
        sizes[row] = out - begin
    return out


@njit(nogil=True, cache=True)
def _scatter(item, at, places):  # type: ignore[no-untyped-def]
    for p in range(len(item)):
        places[at[item[p]]] = p
        at[item[p]] += 1
