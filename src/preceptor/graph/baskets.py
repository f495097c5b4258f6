"""Which items were met in the same session, and by how many distinct users: the baskets of CF pairs where these aren't users.

A session belongs to one user, so users are counted by going through an item's sessions user by user. As for users, each row
is gathered in one dense accumulator; the cost is linear in Σ over sessions of their length squared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit


@dataclass(frozen=True)
class SessionPairs:
    """items: int32 [P, 2], a < b, ascending; users, sessions: int32 [P] that met both; item_sessions: int32 [I]; n_sessions."""

    items: np.ndarray
    users: np.ndarray
    sessions: np.ndarray
    item_sessions: np.ndarray
    n_sessions: int


def session_pairs(split: TrainSplit, min_users: int, per_item: int) -> SessionPairs:
    """Pairs met in one session by at least `min_users` distinct users, the `per_item` strongest (cosine of their sessions;
    0: all) of each item, ties to the lower item, either end keeping. Rows without a session are in no basket.

    Raises PreceptorError for a log without sessions.
    """
    if split.session is None or not (np.asarray(split.session) >= 0).any():
        raise PreceptorError(
            "Pairs by session need sessions",
            where="graph.pair_basket",
            found="a log without session_id" if split.session is None else "no training row with a session_id",
            expected="a column session_id beside user_id and item_id",
            remedy="export it, or name it in data.interaction_columns: {session_id: …}; or set graph.pair_basket=user",
        )
    n = split.n_items
    session, item, user = _distinct(split)
    n_sessions = len(user)
    starts = np.searchsorted(session, np.arange(n_sessions + 1))
    places = np.argsort(item, kind="stable")
    item_sessions = np.bincount(item, minlength=n)
    item_starts = np.concatenate([[0], np.cumsum(item_sessions)])
    others = np.bincount(item, weights=np.diff(starts)[session] - 1, minlength=n).astype(np.int64)
    bound = np.minimum(others, per_item or n)
    at = np.concatenate([[0], np.cumsum(bound)])
    target, users, sessions = (np.empty(int(at[-1]), np.int32) for _ in range(3))
    sizes = np.zeros(n, np.int64)
    norm = np.sqrt(np.maximum(item_sessions, 1))
    found = _Rows(at, target, users, sessions, sizes)
    _gather(_Sessions(item, starts, user, places, item_starts, norm), min_users, per_item, found)
    kept = np.repeat(at[:-1], sizes) + np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    source = np.repeat(np.arange(n, dtype=np.int64), sizes)
    target, users, sessions = target[kept], users[kept], sessions[kept]
    key, first = np.unique(np.minimum(source, target) * n + np.maximum(source, target), return_index=True)
    items = np.stack([key // n, key % n], axis=1).astype(np.int32)
    return SessionPairs(items, users[first], sessions[first], item_sessions.astype(np.int32), n_sessions)


class _Sessions(NamedTuple):
    """Distinct (session, item) by session, session s from starts[s] on; `places` of item i from item_starts[i] on.

    user: of each session. norm: float64 [I], what the sessions with an item are divided by in scores.
    """

    item: np.ndarray
    starts: np.ndarray
    user: np.ndarray
    places: np.ndarray
    item_starts: np.ndarray
    norm: np.ndarray


class _Rows(NamedTuple):
    """Where each item's partners go: item i's from at[i] on, sizes[i] of them; with both's users and sessions."""

    at: np.ndarray
    targets: np.ndarray
    users: np.ndarray
    sessions: np.ndarray
    sizes: np.ndarray


def _distinct(split: TrainSplit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Session and item of each distinct (session, item), by session, numbered user by user; the user of each session."""
    rows = np.flatnonzero(np.asarray(split.session) >= 0)
    session, item, user = (np.asarray(array)[rows] for array in (split.session, split.item, split.user))
    order = np.lexsort((item, session, user))
    session, item, user = session[order], item[order], user[order]
    opens = np.concatenate([[True], (session[1:] != session[:-1]) | (user[1:] != user[:-1])])
    number = np.cumsum(opens) - 1
    new = opens | np.concatenate([[True], item[1:] != item[:-1]])
    return number[new], item[new], user[opens]


@njit(nogil=True, cache=True)
def _gather(log, min_users, per_item, found):  # type: ignore[no-untyped-def]
    item, starts, user, places, item_starts, norm = log
    at, targets, users, sessions, sizes = found
    n = len(norm)
    met_sessions, met_users = np.zeros(n, np.int32), np.zeros(n, np.int32)
    last_user = np.full(n, -1, np.int64)
    touched = np.empty(n, np.int32)
    row_session = np.empty(len(item), np.int64)  # session of each place
    for s in range(len(user)):
        row_session[starts[s] : starts[s + 1]] = s
    for a in range(n):
        n_touched = 0
        for e in range(item_starts[a], item_starts[a + 1]):
            s = row_session[places[e]]
            u = user[s]
            for q in range(starts[s], starts[s + 1]):
                b = item[q]
                if b == a:
                    continue
                if met_sessions[b] == 0:
                    touched[n_touched] = b
                    n_touched += 1
                met_sessions[b] += 1
                if last_user[b] != u:
                    last_user[b] = u
                    met_users[b] += 1
        near = np.sort(touched[:n_touched])
        near = near[met_users[near] >= min_users]
        if per_item and len(near) > per_item:
            score = met_sessions[near] / norm[near]  # the norm of a is the same for all
            near = np.sort(near[np.argsort(-score, kind="mergesort")[:per_item]])
        for k in range(len(near)):
            b = near[k]
            targets[at[a] + k], users[at[a] + k], sessions[at[a] + k] = b, met_users[b], met_sessions[b]
        sizes[a] = len(near)
        for k in range(n_touched):
            b = touched[k]
            met_sessions[b], met_users[b], last_user[b] = 0, 0, -1
