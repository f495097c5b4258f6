"""Which meetings predict the next item best: those in baskets, in windows, or in one direction only.

As the item graph would do it, on the training part: the cosine of an item with each other, √ of the users of both in its
denominator, is counted in one half of the users and ranks, for steps of the other half's histories, what comes after the
last item; items of the history before are not offered, unless the next item is one. A hit: the next item is among the first
ten, ties against it. That neighbours belong together (sequential.py) doesn't say that a window is better: baskets count more
meetings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from preceptor.core import rng
from preceptor.core.statistics import Interval, mean_interval
from preceptor.data.log import TrainSplit
from preceptor.describe.sequential import timely

TOP = 10
WAYS = {  # name: (positions apart, 0 anywhere; only later items)
    "baskets": (0, False),
    "window of 10": (10, False),
    "window of 2": (2, False),
    "window of 10, directed": (10, True),
}
_Z = 2.39  # three comparisons, 95 % together (Bonferroni)
PER_USER, STEPS = 5, 10_000  # steps of a user, and in all, that are looked at
_PLACES, _FAR = 500, 200  # places of an item, and positions to each side of one, that are counted


@dataclass(frozen=True)
class Edges:
    """How often each way of counting finds the next item among ten.

    users, steps: what was looked at. hits: of each way, mean over users. against_baskets: of each way but baskets, its hits
    less those of baskets. directed: the directed window's hits less the undirected one's.
    """

    users: int
    steps: int
    hits: dict[str, float]
    against_baskets: dict[str, Interval]
    directed: Interval


class _Taught(NamedTuple):
    """The log by user (user u's rows from indptr[u] on), the places of items that teach (`_places`), users of each item."""

    user: np.ndarray
    item: np.ndarray
    indptr: np.ndarray
    places: np.ndarray
    starts: np.ndarray
    more: np.ndarray
    users: np.ndarray


def edges(train: TrainSplit, seed: int = 0) -> Edges | None:
    """Measure a training part; None where there aren't three users with two different items in a row."""
    user, item = np.asarray(train.user), timely(train, seed)
    half = rng.bits(rng.purpose_key(seed, "describe/halves"), np.arange(train.n_users)) & np.uint64(1)
    steps = _steps(user, item, seed)
    if len(np.unique(user[steps])) < 3 or len(np.unique(half[user[steps]])) < 2:
        return None
    indptr = train.user_indptr
    found = {name: np.zeros(len(steps)) for name in WAYS}
    for side in (0, 1):
        asked = steps[half[user[steps]] == side]
        taught = half[user] != side
        order = np.argsort(item[asked - 1], kind="stable")
        places = _places(item, taught, np.unique(item[asked - 1]), seed)
        log = _Taught(user, item, indptr, *places, _distinct_users(user[taught], item[taught], train.n_items))
        for name, (window, directed) in WAYS.items():
            hit = np.zeros(len(asked))
            _ask(asked[order], log, window or _FAR, directed, hit)
            found[name][np.flatnonzero(half[user[steps]] == side)[order]] = hit
    _, owner = np.unique(user[steps], return_inverse=True)
    mean = {name: np.bincount(owner, weights=hit) / np.bincount(owner) for name, hit in found.items()}
    return Edges(
        users=int(owner.max()) + 1,
        steps=len(steps),
        hits={name: float(values.mean()) for name, values in mean.items()},
        against_baskets={name: mean_interval(mean[name] - mean["baskets"], _Z) for name in list(WAYS)[1:]},
        directed=mean_interval(mean["window of 10, directed"] - mean["window of 10"], _Z),
    )


def _steps(user: np.ndarray, item: np.ndarray, seed: int) -> np.ndarray:
    """Places of next items, ascending: at most PER_USER of each user, of at most STEPS / PER_USER users with any."""
    rows = np.flatnonzero((user[1:] == user[:-1]) & (item[1:] != item[:-1])) + 1
    chance = rng.bits(rng.purpose_key(seed, "describe/steps"), rows)
    drawn = rows[np.lexsort((chance, user[rows]))]
    owner, first = np.unique(user[drawn], return_index=True)
    rank = np.arange(len(drawn)) - np.repeat(first, np.diff(np.append(first, len(drawn))))
    chosen = owner[rng.permutation(seed, "describe/step users", len(owner))[: STEPS // PER_USER]]
    return np.sort(drawn[(rank < PER_USER) & np.isin(user[drawn], chosen)])


def _places(item: np.ndarray, taught: np.ndarray, wanted: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of the wanted items among the taught rows, at most _PLACES each and ascending; where each item's begin (int64
    [I + 1]); how many times more there are (float64 [I])."""
    n = int(item.max()) + 1
    among = np.zeros(n, bool)
    among[wanted] = True
    rows = np.flatnonzero(taught & among[item])
    chance = rng.bits(rng.purpose_key(seed, "describe/places"), rows)
    rows = rows[np.lexsort((chance, item[rows]))]
    total = np.bincount(item[rows], minlength=n)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(total) - total, total)
    rows = rows[rank < _PLACES]
    rows = rows[np.lexsort((rows, item[rows]))]
    count = np.bincount(item[rows], minlength=n)
    return rows, np.concatenate([[0], np.cumsum(count)]).astype(np.int64), total / np.maximum(count, 1)


def _distinct_users(user: np.ndarray, item: np.ndarray, n_items: int) -> np.ndarray:
    key = np.unique(user.astype(np.int64) * n_items + item)
    return np.maximum(np.bincount(key % n_items, minlength=n_items), 1).astype(np.float64)


@njit(nogil=True, cache=True)
def _ask(asked, log, reach, directed, hit):  # type: ignore[no-untyped-def]
    """hit[k]: whether item[asked[k]] is among the first TOP after item[asked[k] − 1]; asked is grouped by that last item."""
    user, item, indptr, places, starts, more, users = log
    n = len(users)
    count, last_user, stamp = np.zeros(n, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    touched, score = np.empty(n, np.int64), np.zeros(n)
    n_touched, current = 0, -1
    for k in range(len(asked)):
        a = item[asked[k] - 1]
        if a != current:
            for j in range(n_touched):
                b = touched[j]
                count[b], last_user[b], score[b] = 0, -1, 0.0
            n_touched, current = 0, a
            for e in range(starts[a], starts[a + 1]):
                p = places[e]
                u = user[p]
                low = p + 1 if directed else max(indptr[u], p - reach)
                for q in range(low, min(indptr[u + 1], p + reach + 1)):
                    b = item[q]
                    if b == a or last_user[b] == u:
                        continue
                    if count[b] == 0:
                        touched[n_touched] = b
                        n_touched += 1
                    last_user[b] = u
                    count[b] += 1
            for j in range(n_touched):
                b = touched[j]
                score[b] = count[b] * more[a] / np.sqrt(users[a] * users[b])
        target = item[asked[k]]
        if score[target] == 0.0:
            continue
        for p in range(indptr[user[asked[k]]], asked[k]):
            stamp[item[p]] = k
        rank = 0
        for j in range(n_touched):
            b = touched[j]
            if b == target or (stamp[b] != k and score[b] >= score[target]):
                rank += 1
                if rank > TOP:
                    break
        hit[k] = rank <= TOP
