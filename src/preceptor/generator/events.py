"""Next-item events inside the training part, on which a generator's weights are fitted.

Timed logs: item graphs from the rows before a cut, events after it. The cut is a quantile of the *rows* by time, as that of
`data.split`: logs grow and pause, and a share of the time span may hold next to nothing. Order-only logs: each user's last
training item is an event, and the graphs come from the other users, fold by fold. Nothing outside a TrainSplit is read.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Targets, Training
from preceptor.graph.cooccurrence import item_users

if TYPE_CHECKING:
    from preceptor.data.log import TrainSplit

FOLDS = 5


@dataclass(frozen=True)
class Fold:
    """Events with the part of the log that their graphs may be built from."""

    inner: TrainSplit
    events: Targets


@dataclass(frozen=True)
class EventSet:
    """folds: where the events come from. found: events there were before the cap. timed: whether a cut in time made them.

    cut: the first instant of the events (timed), else None.
    """

    folds: tuple[Fold, ...]
    found: int
    timed: bool
    cut: int | None

    def __len__(self) -> int:
        return sum(len(fold.events) for fold in self.folds)

    @property
    def user(self) -> np.ndarray:
        """User of each event, fold after fold."""
        return np.concatenate([fold.events.user for fold in self.folds])


def events(split: TrainSplit, share: float = 0.9, cap: int = 20_000, seed: int = 0, timed: bool | None = None) -> EventSet:
    """The events of a training part, at most `cap` of them (a keyed sample). timed: None finds out (`is_timed`).

    Raises PreceptorError where there is none.
    """
    found = by_time(split, share, cap, seed) if (is_timed(split) if timed is None else timed) else by_order(split, cap, seed)
    if not len(found):
        raise PreceptorError(
            "No next item to fit a generator on",
            found=f"{len(split.item):,} training interactions of {len(np.unique(split.user)):,} users",
            expected="users with an item before another, after the cut in time",
            remedy="give a longer log, or one with more than one interaction a user",
        )
    return found


def is_timed(split: TrainSplit) -> bool:
    """Whether `time` holds instants: where it holds positions most users begin at the same one."""
    first = np.asarray(split.time)[np.searchsorted(split.user, np.unique(split.user))]
    if not len(first):
        return True
    return int(np.unique(first, return_counts=True)[1].max()) * 2 <= len(first) or len(first) == 1


def by_time(split: TrainSplit, share: float, cap: int, seed: int) -> EventSet:
    """Events at or after the time of the row at that share of the rows; equal times stay together."""
    time = np.asarray(split.time)
    at = min(int(share * len(time)), max(len(time) - 1, 0))
    cut = int(np.partition(time, at)[at]) if len(time) else 0
    later = time >= cut
    chosen, found = _sampled(np.flatnonzero(later & _follows(split)), cap, seed)
    return EventSet((Fold(_part(split, ~later), _targets(split, chosen)),), found, True, cut)


def by_order(split: TrainSplit, cap: int, seed: int) -> EventSet:
    """Each user's last item, in five folds of users, of which as many are used as the cap needs."""
    last = np.flatnonzero(np.append(np.diff(split.user) != 0, True)) if len(split.user) else np.zeros(0, np.int64)
    last = last[_follows(split)[last]]
    number = np.empty(len(last), np.int64)
    number[rng.permutation(seed, "generator/folds", len(last))] = np.arange(len(last)) % FOLDS
    used = min(FOLDS, len(last), -(-cap * FOLDS // max(len(last), 1)))
    chosen, _ = _sampled(last[number < used], cap, seed)
    folds = []
    for k in range(used):
        out = np.zeros(split.n_users, bool)
        out[np.asarray(split.user)[last[number == k]]] = True
        folds.append(Fold(_part(split, ~out[split.user]), _targets(split, chosen[out[np.asarray(split.user)[chosen]]])))
    return EventSet(tuple(folds), len(last), False, None)


def without_items(split: TrainSplit, unseen: np.ndarray) -> TrainSplit:
    """A training split without the interactions of some items (bool [I])."""
    return _part(split, ~unseen[np.asarray(split.item)])


def inside(given: Targets, members: np.ndarray, repeats: bool) -> np.ndarray:
    """Whether each target lies in X(h): a member, and not in its history where items don't repeat. bool [targets]."""
    good = members[given.item]
    return good if repeats else good & ~repeated(given)


def repeated(given: Targets) -> np.ndarray:
    """Whether each target's item is in its history, bool [targets]."""
    sequence = np.asarray(given.sequence)
    lines = zip(given.start.tolist(), given.end.tolist(), strict=True)
    return np.array([sequence[end] in sequence[start:end] for start, end in lines], np.bool_)


def never_repeats(split: Training) -> bool:
    """Whether fewer than 1 in 1,000 training interactions show a user an item that the user met before."""
    return len(split.item) - int(item_users(split).sum()) < len(split.item) / 1000


def select(given: Targets, rows: np.ndarray) -> Targets:
    """Some of the targets."""
    return Targets(given.user[rows], given.sequence, given.start[rows], given.end[rows])


def _follows(split: TrainSplit) -> np.ndarray:
    """Rows with an earlier row of their user."""
    return np.concatenate([[False], np.diff(split.user) == 0]) if len(split.user) else np.zeros(0, bool)


def _sampled(rows: np.ndarray, cap: int, seed: int) -> tuple[np.ndarray, int]:
    if len(rows) <= cap:
        return rows, len(rows)
    return np.sort(rows[rng.permutation(seed, "generator/events", len(rows))[:cap]]), len(rows)


def _part(split: TrainSplit, mask: np.ndarray) -> TrainSplit:
    session = None if split.session is None else np.asarray(split.session)[mask]
    user, item, time = (np.asarray(a)[mask] for a in (split.user, split.item, split.time))
    return dataclasses.replace(split, user=user, item=item, time=time, session=session)


def _targets(split: TrainSplit, rows: np.ndarray) -> Targets:
    user = np.asarray(split.user)[rows]
    start = split.user_indptr[user]
    return Targets(user, np.asarray(split.item), start.astype(np.int64), rows.astype(np.int64))
