"""What a grown log changes in the counts of co-occurrence: only the meetings of rows that are new, or gone, are looked at.

Counts are of distinct users, so they don't add over rows; they do add over users. Of a user whose history has another end than
before, the pairs that met in the common beginning are counted already, whatever follows. So a pair changes by one exactly where
it met in the new end and not in the old history, or in the old end and not in the new history. That is exact for a log with
deleted or changed rows too; the common beginning is then shorter, and more is looked at.

Only counts of users are made so (decay 1). A strength that fades with distance, or that counts users by how much they have
met, changes for pairs without any new meeting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from preceptor.data.log import TrainSplit

EVENTS = 1 << 24  # changes held at a time


class Histories(NamedTuple):
    """item: int32 [n] by user, in order; indptr: int64 [U + 1]; first: int64 [U], the time of each user's first row."""

    item: np.ndarray
    indptr: np.ndarray
    first: np.ndarray


@dataclass(frozen=True)
class Changed:
    """Users whose histories differ, side by side: user u of `of_old` and `of_new` (−1: none there) share their first
    `common` rows."""

    of_old: np.ndarray
    of_new: np.ndarray
    common: np.ndarray


def histories(split: TrainSplit, place: np.ndarray | None = None, once: bool = False) -> Histories:
    """The histories of a training part. place: int [I], another number of each item. once: each item at its first meeting only,
    for counts of whole histories, where order doesn't matter."""
    item, indptr = np.asarray(split.item), split.user_indptr
    starts = indptr[:-1][np.diff(indptr) > 0]
    first = np.full(split.n_users, np.iinfo(np.int64).min, np.int64)
    first[np.diff(indptr) > 0] = np.asarray(split.time)[starts]
    item = item if place is None else place[item].astype(np.int32)
    if once:
        kept = np.zeros(len(item), np.bool_)
        _first_meetings(item, indptr, np.full(int(item.max(initial=0)) + 1, -1, np.int64), kept)
        before = np.concatenate([[0], np.cumsum(kept)])
        item, indptr = item[kept], before[indptr]
    return Histories(np.ascontiguousarray(item), np.ascontiguousarray(indptr), first)


def changed(old: Histories, new: Histories) -> Changed:
    """Which users differ. A user of both logs is told by number, else by first row: item and time.

    Whom that confuses is counted right nevertheless: the old history is taken out and the new one put in.
    """
    n_old, n_new = len(old.indptr) - 1, len(new.indptr) - 1
    n = min(n_old, n_new)
    keys_old, keys_new = _keys(old), _keys(new)
    same = (keys_old[:n] == keys_new[:n]).all(axis=1)
    of_old, of_new = np.flatnonzero(same), np.flatnonzero(same)
    rest_old, rest_new = (np.setdiff1d(np.arange(size), of_old) for size in (n_old, n_new))
    pair_old, pair_new = _joined(keys_old[rest_old], keys_new[rest_new])
    only_old, only_new = np.delete(rest_old, pair_old), np.delete(rest_new, pair_new)
    none = [np.full(len(only), -1, np.int64) for only in (only_old, only_new)]
    of_old = np.concatenate([of_old, rest_old[pair_old], only_old, none[1]])
    of_new = np.concatenate([of_new, rest_new[pair_new], none[0], only_new])
    common = np.empty(len(of_old), np.int64)
    differs = np.zeros(len(of_old), np.bool_)
    _compare(old.item, old.indptr, new.item, new.indptr, of_old, of_new, common, differs)
    return Changed(of_old[differs], of_new[differs], common[differs])


def differences(
    old: Histories, new: Histories, found: Changed, n_items: int, reach: int, directed: bool, rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How counts of distinct users change in the rows (first, last + 1): source, target, change, int32 each, ascending.

    reach: places apart at most; 0: anywhere in the history.
    """
    arrays = (old.item, old.indptr, new.item, new.indptr, found.of_old, found.of_new, found.common)
    reach = reach or 1 << 40
    pairs: list[np.ndarray] = []
    size, at = 1 << 16, 0
    while at < len(found.common):
        keys = np.empty(size, np.int64)
        done, filled = _events(*arrays, n_items, reach, directed, rows[0], rows[1], at, keys)
        if done == at:  # one user alone needs more
            size *= 4
            continue
        pairs.append(_summed([keys[:filled]]))
        at, size = done, min(max(size, 4 * filled), EVENTS)
        if len(pairs) > 16:
            pairs = [_merged(pairs)]
    total = _merged(pairs)
    key, change = total[0], total[1]
    return (key // n_items).astype(np.int32), (key % n_items).astype(np.int32), change.astype(np.int32)


def _keys(histories: Histories) -> np.ndarray:
    """(time, item) of each user's first row, int64 [U, 2]; of one without rows the smallest number and −1."""
    out = np.full((len(histories.first), 2), -1, np.int64)
    out[:, 0] = histories.first
    some = np.diff(histories.indptr) > 0
    out[some, 1] = histories.item[histories.indptr[:-1][some]]
    return out


def _joined(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of equal keys in both, each place once, equal ones in order."""
    parts = []
    for keys in (one, other):
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        ordered = keys[order]
        opens = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)]) if len(ordered) else np.zeros(0, bool)
        turn = np.arange(len(order)) - np.maximum.accumulate(np.where(opens, np.arange(len(order)), 0))
        named = np.empty(len(order), [("time", np.int64), ("item", np.int64), ("turn", np.int64)])
        named["time"], named["item"], named["turn"] = ordered[:, 0], ordered[:, 1], turn
        parts.append((named, order))
    (a, order_a), (b, order_b) = parts
    _, at_a, at_b = np.intersect1d(a, b, assume_unique=True, return_indices=True)
    return order_a[at_a], order_b[at_b]


def _summed(keys: list[np.ndarray]) -> np.ndarray:
    """Signed events, key · 2 + (1 where it is taken away), as (keys, sums), int64 [2, k]; sums of 0 are left out."""
    event = np.concatenate(keys)
    key, which = np.unique(event >> 1, return_inverse=True)
    total = np.bincount(which, weights=1.0 - 2.0 * (event & 1), minlength=len(key)).astype(np.int64)
    return np.stack([key, total])[:, total != 0]


def _merged(parts: list[np.ndarray]) -> np.ndarray:
    if not parts:
        return np.zeros((2, 0), np.int64)
    key, which = np.unique(np.concatenate([p[0] for p in parts]), return_inverse=True)
    total = np.bincount(which, weights=np.concatenate([p[1] for p in parts]).astype(np.float64), minlength=len(key))
    return np.stack([key, total.astype(np.int64)])[:, total != 0]


@njit(nogil=True, cache=True)
def _first_meetings(item, indptr, last_user, kept):  # type: ignore[no-untyped-def]
    for u in range(len(indptr) - 1):
        for p in range(indptr[u], indptr[u + 1]):
            kept[p] = last_user[item[p]] != u
            last_user[item[p]] = u


@njit(nogil=True, cache=True)
def _compare(old_item, old_indptr, new_item, new_indptr, of_old, of_new, common, differs):  # type: ignore[no-untyped-def]
    for k in range(len(of_old)):
        size_old = size_new = a = b = 0
        if of_old[k] >= 0:
            a = old_indptr[of_old[k]]
            size_old = old_indptr[of_old[k] + 1] - a
        if of_new[k] >= 0:
            b = new_indptr[of_new[k]]
            size_new = new_indptr[of_new[k] + 1] - b
        n = 0
        while n < min(size_old, size_new) and old_item[a + n] == new_item[b + n]:
            n += 1
        common[k] = n
        differs[k] = n < max(size_old, size_new)


@njit(nogil=True, cache=True)
def _events(  # type: ignore[no-untyped-def]
    old_item, old_indptr, new_item, new_indptr, of_old, of_new, common, n_items, reach, directed, first, last, at, keys
):
    """Changes of users number `at` on, as far as `keys` has room for whole users: (number of the next user, events).

    For each item y of an end: which items it met in the common beginning (before), and in the rest of either history. A pair of
    two items of the ends is emitted once, from its source's side.
    """
    met = np.zeros((2, 3, n_items), np.int64)  # [y first or last of the pair, before | new | old, item]: the stamp
    seen, in_end = np.zeros(n_items, np.int64), np.zeros(n_items, np.int64)
    touched = np.empty(n_items, np.int64)
    ys = np.empty(n_items, np.int64)
    stamp, filled = np.int64(0), 0
    for k in range(at, len(common)):
        begin_filled = filled
        n = common[k]
        a = old_indptr[of_old[k]] if of_old[k] >= 0 else 0
        b = new_indptr[of_new[k]] if of_new[k] >= 0 else 0
        size_old = old_indptr[of_old[k] + 1] - a if of_old[k] >= 0 else 0
        size_new = new_indptr[of_new[k] + 1] - b if of_new[k] >= 0 else 0
        n_ys = 0
        for side in range(2):
            for p in range(n, size_new if side == 0 else size_old):
                y = new_item[b + p] if side == 0 else old_item[a + p]
                if in_end[y] != k + 1:
                    in_end[y] = k + 1
                    ys[n_ys] = y
                    n_ys += 1
        for i in range(n_ys):
            y = ys[i]
            stamp += 1
            n_touched = 0
            for side in range(2):
                item, start, size = (new_item, b, size_new) if side == 0 else (old_item, a, size_old)
                for r in range(size):
                    if item[start + r] != y:
                        continue
                    for s in range(max(0, r - reach), min(size, r + reach + 1)):
                        x = item[start + s]
                        if x == y:
                            continue
                        late = 1 if s < r else 0  # y is the last of the pair
                        part = 0 if max(r, s) < n else 1 + side
                        if part == 0 and side == 1:
                            continue  # the common beginning once
                        if seen[x] < stamp:
                            seen[x] = stamp
                            touched[n_touched] = x
                            n_touched += 1
                        met[late, part, x] = stamp
                        if not directed:
                            met[1 - late, part, x] = stamp
            for j in range(n_touched):
                x = touched[j]
                for late in range(2):
                    if late == 1 and in_end[x] == k + 1:
                        continue  # its own turn emits it
                    if met[late, 0, x] == stamp or (met[late, 1, x] == stamp) == (met[late, 2, x] == stamp):
                        continue
                    source, target = (x, y) if late else (y, x)
                    if not first <= source < last:
                        continue
                    if filled == len(keys):
                        return k, begin_filled
                    keys[filled] = 2 * (source * n_items + target) + (met[late, 2, x] == stamp)
                    filled += 1
    return len(common), filled
