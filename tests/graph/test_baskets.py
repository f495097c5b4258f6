"""Pairs met in sessions: baskets are sessions, people are users."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.graphs import split_of
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.graph.baskets import session_pairs
from preceptor.graph.pairs import Pairs, find_pairs


def sessions_of(histories: list[list[list[int]]], n_items: int) -> TrainSplit:
    """A split from users' sessions, one after another; a session given as [-1, …] is of rows without one."""
    whole = split_of([[abs(i) for s in h for i in s if i != -1] for h in histories], n_items)
    session = []
    for number, s in enumerate(s for h in histories for s in h):
        session += [-1] * (len(s) - 1) if s[:1] == [-1] else [number] * len(s)
    return replace(whole, session=np.array(session, np.int64))


def test_confidence_counts_sessions_and_the_minimum_counts_users() -> None:
    """Items 0 and 1 meet in three sessions of one user; 0 and 2 in one session of each of two users."""
    split = sessions_of([[[0, 1], [1, 0, 0], [0, 1, 2]], [[0, 2], [1]], [[-1, 0, 1]]], 3)
    met = session_pairs(split, 1, 0)
    assert met.items.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert met.sessions.tolist() == [3, 2, 1]
    assert met.users.tolist() == [1, 2, 1]
    assert (met.item_sessions.tolist(), met.n_sessions) == ([4, 4, 2], 5), "rows without a session are in no basket"
    assert session_pairs(split, 2, 0).items.tolist() == [[0, 2]]
    by_user = find_pairs(split, np.zeros(3, bool), 2, 0, 0.0, 0)
    assert by_user.items.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert by_user.n_baskets == 3
    assert np.array_equal(by_user.baskets, by_user.users)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=5), max_size=4), min_size=1, max_size=8)
    .filter(any),
    st.integers(1, 3),
    st.integers(0, 4),
)  # fmt: skip
def test_pairs_are_those_of_the_plain_definition(histories: list[list[list[int]]], min_users: int, per_item: int) -> None:
    met = session_pairs(sessions_of(histories, 8), min_users, per_item)
    together, people, alone = Counter(), {}, Counter()  # type: ignore[var-annotated]
    for user, sessions in enumerate(histories):
        for session in sessions:
            alone.update(set(session))
            for pair in combinations(sorted(set(session)), 2):
                together[pair] += 1
                people.setdefault(pair, set()).add(user)
    fit = [p for p in together if len(people[p]) >= min_users]
    kept = set()
    for item in range(8):
        mine = [p for p in fit if item in p]
        other = {p: p[0] + p[1] - item for p in mine}
        mine.sort(key=lambda p: (-together[p] / np.sqrt(alone[other[p]]), other[p]))
        kept |= set(mine[: per_item or None])
    assert [tuple(p) for p in met.items.tolist()] == sorted(kept)
    assert met.sessions.tolist() == [together[p] for p in sorted(kept)]
    assert met.users.tolist() == [len(people[p]) for p in sorted(kept)]
    assert met.item_sessions.tolist() == [alone[i] for i in range(8)]
    assert met.n_sessions == sum(map(len, histories))


@pytest.mark.parametrize("session", [None, np.full(3, -1)])
def test_a_log_without_sessions_is_told_what_to_do(session: np.ndarray | None) -> None:
    split = replace(split_of([[0, 1], [1]], 2), session=session)
    with pytest.raises(PreceptorError, match=r"(?s)graph\.pair_basket.*session_id.*interaction_columns.*pair_basket=user"):
        find_pairs(split, np.zeros(2, bool), 1, 0, 0.0, 0, "session")


def test_pairs_come_back_from_disk(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = find_pairs(sessions_of([[[0, 1], [1, 2]], [[0, 1]]], 3), np.array([False, True, False]), 1, 0, 0.5, 0, "session")
    found.save(tmp_path)
    back = Pairs.load(tmp_path)
    assert back.n_baskets == found.n_baskets == 3
    assert all(
        np.array_equal(getattr(back, n), getattr(found, n)) for n in ("items", "users", "baskets", "item_baskets", "split")
    )
