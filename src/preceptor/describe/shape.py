"""What kind of histories a training part holds: sparsity, repeats, tied times, heavy users, sittings.

Everything is counted in time linear in the interactions. The reasons why these figures matter stand in advice.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from preceptor.core import rng
from preceptor.data.log import TrainSplit

WINDOW = 10  # positions; as the graph's default
SITTING = 30 * 60  # seconds without an interaction that end a sitting
FEWEST = (1, 2, 5, 10)  # distinct users an edge may need
_QUANTILES = (0, 25, 50, 75, 90, 100)
_KEYS = 4_000_000  # meetings that are looked at for `reach`


@dataclass(frozen=True)
class Shape:
    """A training part in figures.

    users, items, interactions; catalogue: items of the catalogue; density: distinct (user, item) pairs over users × items met.
    per_user: interactions at 0, 25, 50, 75, 90, 100 % of the users; single: share of users with one interaction.
    rare: for m = 2, 5, share of the items met by fewer than m distinct users.
    reach: for m = 1, 2, 5, 10, share of the *catalogue* that has a partner at most WINDOW positions apart for m distinct users:
        what an item graph with min_users = m can reach.
    repeats: share of interactions whose item the user had met before; in_a_row: whose item is the one just before.
    tied: share of a user's neighbouring interactions that have one time; ties_ascending: of those (repeats aside), the share
        whose items follow each other in the order of the catalogue (None: none).
    ascending: share of a user's neighbouring interactions at different times, repeats aside, whose items follow each other in
        the order of the catalogue (None: none). About a half where people made the order.
    heavy: share that the 1 % of the users with the most interactions have of interactions, of the pairs in baskets and of the
        pairs within WINDOW positions.
    timed: False: positions only, no times. days: every time is a whole day. gap: seconds between a user's neighbouring
        interactions at 25, 50, 75 %; sittings: number, mean interactions, share of users with just one, and the median share
        of a user's interactions in the longest of the user's sittings (users with two interactions and more).
    sessions: number and mean interactions of the log's own sessions, where it has them.
    """

    users: int
    items: int
    interactions: int
    catalogue: int
    density: float
    per_user: tuple[int, ...]
    single: float
    rare: dict[int, float]
    reach: dict[int, float]
    repeats: float
    in_a_row: float
    tied: float
    ties_ascending: float | None
    ascending: float | None
    heavy: dict[str, float]
    timed: bool
    days: bool
    gap: tuple[int, ...]
    sittings: dict[str, float]
    sessions: dict[str, float]


def shape(train: TrainSplit, timed: bool, seed: int = 0) -> Shape:
    """Describe a training part with at least one interaction. seed: draws the items `reach` is estimated on in a large log."""
    user, item, time = (np.asarray(a) for a in (train.user, train.item, train.time))
    length = np.bincount(user)
    length = length[length > 0]
    n_users, n_items = len(length), int(np.count_nonzero(train.popularity))
    met = np.unique(user.astype(np.int64) * train.n_items + item)
    of_item = np.bincount(met % train.n_items, minlength=train.n_items)
    of_item = of_item[of_item > 0]
    same = user[1:] == user[:-1]
    other = same & (item[1:] != item[:-1])
    tied, moved = other & (time[1:] == time[:-1]), other & (time[1:] != time[:-1])
    return Shape(
        users=n_users,
        items=n_items,
        interactions=len(item),
        catalogue=train.n_items,
        density=len(met) / (n_users * n_items),
        per_user=tuple(int(q) for q in np.percentile(length, _QUANTILES, method="lower")),
        single=float((length == 1).mean()),
        rare={m: float((of_item < m).mean()) for m in (2, 5)},
        reach=_reach(train, seed),
        repeats=1 - len(met) / len(item),
        in_a_row=float((same & (item[1:] == item[:-1])).sum() / len(item)),
        tied=_share(same & (time[1:] == time[:-1]), same),
        ties_ascending=_share(tied & (item[1:] > item[:-1]), tied) if tied.any() else None,
        ascending=_share(moved & (item[1:] > item[:-1]), moved) if moved.any() else None,
        heavy=_heavy(length),
        timed=timed,
        days=bool(timed and (time % 86_400 == 0).all()),
        gap=tuple(int(q) for q in np.percentile((time[1:] - time[:-1])[same], (25, 50, 75))) if timed and same.any() else (),
        sittings=_sittings(user, time, same) if timed and same.any() else {},
        sessions=_sessions(train),
    )


def _reach(train: TrainSplit, seed: int) -> dict[int, float]:
    """Share of items with a partner of at least m users, over all items or, in a large log, over a keyed sample of them."""
    user, item = np.asarray(train.user), np.asarray(train.item)
    chosen = np.ones(train.n_items, bool)
    keys = 2 * WINDOW * len(item)
    if keys > _KEYS:
        chosen = rng.uniform(rng.purpose_key(seed, "describe/reach"), np.arange(train.n_items)) < _KEYS / keys
        chosen[0] |= not chosen.any()
    parts = []
    for gap in range(1, min(WINDOW, len(item) - 1) + 1):
        for a, b in ((slice(None, -gap), slice(gap, None)), (slice(gap, None), slice(None, -gap))):
            rows = chosen[item[a]] & (user[a] == user[b]) & (item[a] != item[b])
            parts.append(pl.DataFrame({"a": item[a][rows], "b": item[b][rows], "user": user[a][rows]}))
    if not parts:
        return dict.fromkeys(FEWEST, 0.0)
    pairs = pl.concat(parts).unique().group_by("a", "b").len("users")
    best = pairs.group_by("a").agg(pl.col("users").max())["users"].to_numpy()
    return {m: float((best >= m).sum() / chosen.sum()) for m in FEWEST}


def _heavy(length: np.ndarray) -> dict[str, float]:
    ordered = np.sort(length.astype(np.float64))[::-1]
    top = max(1, len(ordered) // 100)
    near = np.minimum(ordered - 1, WINDOW)
    worth = {
        "interactions": ordered,
        "basket_pairs": ordered * (ordered - 1) / 2,
        "window_pairs": near * ordered - near * (near + 1) / 2,
    }
    return {name: float(w[:top].sum() / max(w.sum(), 1.0)) for name, w in worth.items()}


def _sittings(user: np.ndarray, time: np.ndarray, same: np.ndarray) -> dict[str, float]:
    opens = np.concatenate([[True], ~same | (time[1:] - time[:-1] > SITTING)])
    starts = np.flatnonzero(opens)
    size = np.diff(np.append(starts, len(user)))
    owner = user[starts]
    longest = np.zeros(int(owner.max()) + 1, np.int64)
    np.maximum.at(longest, owner, size)
    number, total = np.bincount(owner), np.bincount(user)
    more = total > 1
    return {
        "number": len(starts),
        "interactions": float(size.mean()),
        "one_only": float((number[more] == 1).mean()),
        "longest": float(np.median(longest[more] / total[more])),
    }


def _sessions(train: TrainSplit) -> dict[str, float]:
    if train.session is None:
        return {}
    named = np.asarray(train.session)
    named = named[named >= 0]
    number = len(np.unique(named))
    return {"number": number, "interactions": len(named) / max(number, 1), "share_of_rows": len(named) / len(train.item)}


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float(part.sum() / max(int(whole.sum()), 1))
