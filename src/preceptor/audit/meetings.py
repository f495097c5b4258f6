"""How many distinct users stand behind an edge or a pair: counted anew from the log, for the graph to be held against.

The graph counts while it is built, row by row; here each pair is counted for itself, from the places of its two items.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from preceptor.core import rng
from preceptor.data.log import TrainSplit
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph

MOST = 200_000  # edges or pairs that are counted anew; of more, a keyed sample


class _Baskets(NamedTuple):
    """Places in the log by item (item i's from indptr[i] on), and of each place its user and the ends of its basket."""

    place: np.ndarray
    indptr: np.ndarray
    user: np.ndarray
    first: np.ndarray
    last: np.ndarray


def distinct_users(
    train: TrainSplit, a: np.ndarray, b: np.ndarray, window: int = 0, directed: bool = False, basket: str = "user"
) -> np.ndarray:
    """Distinct users who met a[p] and b[p] (different items) at most `window` positions apart (0: anywhere), int64 [pairs].

    directed: with b after a. basket: "session": both within one session; rows without a session count for nothing.
    """
    item, user = np.asarray(train.item), np.asarray(train.user)
    opens = user[1:] != user[:-1]
    if basket == "session":
        session = np.full(len(item), -1) if train.session is None else np.asarray(train.session)
        rows = np.lexsort((np.arange(len(item)), session, user))
        rows = rows[session[rows] >= 0]
        item, user, session = item[rows], user[rows], session[rows]
        opens = (user[1:] != user[:-1]) | (session[1:] != session[:-1])
    place = np.argsort(item, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=train.n_items))]).astype(np.int64)
    borders = np.concatenate([[0], np.flatnonzero(opens) + 1, [len(item)]]).astype(np.int64)
    first, last = (np.repeat(ends, np.diff(borders)) for ends in (borders[:-1], borders[1:] - 1))
    out = np.zeros(len(a), np.int64)
    reach = window or max(1, len(item))
    log = _Baskets(place, indptr, user, first, last)
    _count(a.astype(np.int64), b.astype(np.int64), log, reach, directed, out)
    return out


def behind_edges(train: TrainSplit, graph: Graph, config: GraphConfig, seed: int) -> dict[str, Any]:
    """The fewest distinct users behind an edge of a graph.

    Returns {"edges", "by_text", "counted", "fewest"}: an edge by text joins an item that has no partner of enough users to
    one that is like it, and nobody need have met both; such edges are counted as by_text alone. fewest: None without others.
    """
    source, target = graph.source.astype(np.int64), graph.indices.astype(np.int64)
    met = np.ones(len(source), bool)
    if config.text_neighbours:
        plain = build_graph(train, dataclasses.replace(config, text_neighbours=0))
        met = np.isin(source * graph.n_items + target, plain.source.astype(np.int64) * graph.n_items + plain.indices)
    rows = _some(np.flatnonzero(met), seed)
    users = distinct_users(train, source[rows], target[rows], config.window, config.directed)
    return {
        "edges": len(source),
        "by_text": int((~met).sum()),
        "counted": len(rows),
        "fewest": int(users.min()) if len(rows) else None,
    }


def behind_pairs(train: TrainSplit, pairs: np.ndarray, basket: str, seed: int) -> dict[str, Any]:
    """The fewest distinct users behind a CF pair (int [P, 2]), met in one basket: {"pairs", "counted", "fewest"}."""
    rows = _some(np.arange(len(pairs)), seed)
    users = distinct_users(train, pairs[rows, 0], pairs[rows, 1], basket=basket)
    return {"pairs": len(pairs), "counted": len(rows), "fewest": int(users.min()) if len(rows) else None}


def _some(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows if len(rows) <= MOST else rows[rng.permutation(seed, "privacy/counted", len(rows))[:MOST]]


@njit(nogil=True, cache=True)
def _count(a, b, log, reach, directed, out):  # type: ignore[no-untyped-def]
    """Places of both items ascend, so one pass over each is enough."""
    place, indptr, user, first, last = log
    for k in range(len(a)):
        at, end = indptr[b[k]], indptr[b[k] + 1]
        counted = -1
        for e in range(indptr[a[k]], indptr[a[k] + 1]):
            p = place[e]
            low = p + 1 if directed else max(first[p], p - reach)
            high = min(last[p], p + reach)
            while at < end and place[at] < low:
                at += 1
            if at < end and place[at] <= high and user[p] != counted:
                out[k] += 1
                counted = user[p]
