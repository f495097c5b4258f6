"""Whether the order of a log tells anything: how well an item predicts the next one, as it was and after shuffling.

Two halves of the users teach each other: transitions counted in one half predict the other, so nothing is known by heart.
With c(a, b) transitions a → b, c(a) from a, T(a) distinct successors of a and p₀ the popularity (add-one), p(b | a) =
(c(a, b) + T(a)·p₀(b)) / (c(a) + T(a)) (Witten & Bell 1991). A hit: b is among the ten most frequent successors of a, ties to
the more popular. Shuffling within each history leaves users, items and popularity as they are, so what is lost was order
(after Klenitskiy et al., arXiv 2408.12008, who compare rules and models). Neighbours with one time have no order: they are
put in random order first. Repeats of the item just before are not counted: the item graph has no such edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core import rng
from preceptor.core.statistics import Interval, mean_interval
from preceptor.data.log import TrainSplit

TOP = 10
Z = 1.96  # normal intervals of paired differences, one a user
ARMS = ("as it was", "shuffled", "backwards")


@dataclass(frozen=True)
class Order:
    """How much the last item says about the next one.

    users: those with a transition to predict; transitions: how many there are.
    hits: for each arm the share of next items among the ten most frequent successors, mean over users. "backwards": the
        histories reversed, predicted by transitions that were counted forwards.
    nats: for each arm the mean gain over popularity in nats per item.
    hits_lost, nats_lost: as it was − shuffled. hits_direction, nats_direction: as it was − backwards.
    """

    users: int
    transitions: int
    hits: dict[str, float]
    nats: dict[str, float]
    hits_lost: Interval
    nats_lost: Interval
    hits_direction: Interval
    nats_direction: Interval


def order(train: TrainSplit, seed: int = 0) -> Order | None:
    """Measure a training part; None where fewer than three users have two different items in a row. Linear but for sorting."""
    user, item = np.asarray(train.user), timely(train, seed)
    other = rng.bits(rng.purpose_key(seed, "describe/shuffle"), np.arange(len(user)))
    shuffled = np.asarray(train.item)[np.lexsort((other, user))]
    half = (rng.bits(rng.purpose_key(seed, "describe/halves"), np.arange(train.n_users)) & np.uint64(1)).astype(np.int8)
    users = _neighbours(user, item)[0]
    if len(np.unique(users)) < 3 or len(np.unique(half[users])) < 2:
        return None
    n = train.n_items
    per_user = {
        "as it was": _by_user(user, item, item, half, n, train.n_users),
        "shuffled": _by_user(user, shuffled, shuffled, half, n, train.n_users),
        "backwards": _by_user(user, item, item, half, n, train.n_users, backwards=True),
    }
    there = np.all([np.isfinite(v[0]) for v in per_user.values()], axis=0)
    hits, nats = ({arm: v[k][there] for arm, v in per_user.items()} for k in (0, 1))
    return Order(
        users=int(there.sum()),
        transitions=len(users),
        hits={arm: float(v.mean()) for arm, v in hits.items()},
        nats={arm: float(v.mean()) for arm, v in nats.items()},
        hits_lost=mean_interval(hits["as it was"] - hits["shuffled"], Z),
        nats_lost=mean_interval(nats["as it was"] - nats["shuffled"], Z),
        hits_direction=mean_interval(hits["as it was"] - hits["backwards"], Z),
        nats_direction=mean_interval(nats["as it was"] - nats["backwards"], Z),
    )


def timely(train: TrainSplit, seed: int) -> np.ndarray:
    """The items of all histories, rows of one user and one time in random order."""
    chance = rng.bits(rng.purpose_key(seed, "describe/ties"), np.arange(len(train.user)))
    return np.asarray(train.item)[np.lexsort((chance, np.asarray(train.time), np.asarray(train.user)))]


def _neighbours(user: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = (user[1:] == user[:-1]) & (item[1:] != item[:-1])
    return user[1:][rows], item[:-1][rows].astype(np.int64), item[1:][rows].astype(np.int64)


def _by_user(
    user: np.ndarray, taught: np.ndarray, asked: np.ndarray, half: np.ndarray, n: int, n_users: int, backwards: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Mean hit and mean gain in nats of each user's transitions, NaN for users without."""
    owner, before, after = _neighbours(user, taught)
    key = before * n + after
    found = np.zeros((2, len(owner)))
    for fold in (0, 1):
        fit, rest = half[owner] == fold, half[owner] != fold
        popularity = np.bincount(taught[half[user] == fold], minlength=n) + 1.0
        known, count = np.unique(key[fit], return_counts=True)
        source = known // n
        total, kinds = np.bincount(before[fit], minlength=n), np.bincount(source, minlength=n)
        ranking = np.lexsort((known % n, -popularity[known % n], -count, source))
        rank = np.empty(len(known), np.int64)
        rank[ranking] = np.arange(len(known)) - (np.cumsum(kinds) - kinds)[source]
        a, b = (after[rest], before[rest]) if backwards else (before[rest], after[rest])
        place = np.minimum(np.searchsorted(known, a * n + b), max(len(known) - 1, 0))
        there = known[place] == a * n + b if len(known) else np.zeros(len(a), bool)
        chance = popularity[b] / popularity.sum()
        met = np.where(there, count[place], 0) if len(known) else np.zeros(len(a))
        p = np.where(total[a] > 0, (met + kinds[a] * chance) / np.maximum(total[a] + kinds[a], 1), chance)
        found[0, rest] = there & (rank[place] < TOP) if len(known) else 0.0
        found[1, rest] = np.log(p / chance)
    number = np.bincount(owner, minlength=n_users)
    with np.errstate(invalid="ignore"):
        hits, nats = (np.bincount(owner, weights=values, minlength=n_users) / number for values in found)
    return hits, nats
