"""Puts interactions in order in linear time: users by their first interaction, each user's rows by time, then file order."""

from __future__ import annotations

import numpy as np
import polars as pl
from numba import njit


def users_by_first(user: np.ndarray, instant: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of `rows` (ascending), the first of each user by (instant, row), in that order. user: uint32; instant, rows: int64."""
    size = int(user[rows].max(initial=0)) + 1
    earliest = _earliest(user, instant, rows, np.full(size, -1, np.int64))
    first = earliest[earliest >= 0]
    return first[np.lexsort((first, instant[first]))]


def by_user_and_time(number: np.ndarray, user: np.ndarray, instant: np.ndarray, rows: np.ndarray, n_users: int) -> np.ndarray:
    """`rows` (ascending) sorted by number[user], then instant, then row: a counting sort, then each history by itself.

    The result has the dtype of `rows`, int32 or int64.
    """
    return _histories(number, user, instant, rows, n_users)


def repeats(user: np.ndarray, item: np.ndarray, instant: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Which places of `order` (sorted by user and instant) hold a row that equals an earlier one in all three; bool."""
    found = np.zeros(len(order), np.bool_)
    touching = np.flatnonzero(_touching(user, instant, order))  # only these can be repeats
    if len(touching):
        rows = order[touching]
        keys = pl.DataFrame({"user": user[rows], "item": item[rows], "instant": instant[rows]})
        found[touching] = ~keys.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    return found


@njit(cache=True)
def _earliest(user, instant, rows, first):  # type: ignore[no-untyped-def]
    for row in rows:
        u = user[row]
        if first[u] < 0 or instant[row] < instant[first[u]]:
            first[u] = row
    return first


@njit(cache=True)
def _touching(user, instant, order):  # type: ignore[no-untyped-def]
    """Whether the place before or after has the same user and instant."""
    out = np.zeros(len(order), np.bool_)
    for place in range(1, len(order)):
        before, row = order[place - 1], order[place]
        if user[before] == user[row] and instant[before] == instant[row]:
            out[place - 1] = out[place] = True
    return out


@njit(cache=True)
def _histories(number, user, instant, rows, n_users):  # type: ignore[no-untyped-def]
    start = np.zeros(n_users + 1, np.int64)
    for row in rows:
        start[number[user[row]] + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    order = np.empty(len(rows), rows.dtype)
    for row in rows:
        u = number[user[row]]
        order[fill[u]] = row
        fill[u] += 1
    for u in range(n_users):
        a, b = start[u], start[u + 1]
        if b - a <= 64:
            for i in range(a + 1, b):  # insertion sort: stable, and linear where rows come in order of time
                row = order[i]
                j = i
                while j > a and instant[order[j - 1]] > instant[row]:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = row
        else:
            part = order[a:b].copy()
            order[a:b] = part[np.argsort(instant[part], kind="mergesort")]
    return order
