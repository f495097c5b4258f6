import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.graphs import split_of
from preceptor.graph.cooccurrence import Cooccurrence, cooccurrence, item_users, kept_rows, meetings
from preceptor.graph.weights import NAMES, Weighting

HISTORIES = st.lists(st.lists(st.integers(0, 8), max_size=9), min_size=1, max_size=8)


def by_definition(
    histories: list[list[int]], window: int, directed: bool, decay: float, power: float
) -> dict[tuple[int, int], tuple[int, float]]:
    """(a, b) → distinct users, strength."""
    users: dict[tuple[int, int], int] = defaultdict(int)
    strength: dict[tuple[int, int], float] = defaultdict(float)
    for history in histories:
        best: dict[tuple[int, int], float] = {}
        for p, a in enumerate(history):
            for q, b in enumerate(history):
                near = window == 0 or abs(p - q) <= window
                if a != b and near and (q > p or not directed):
                    best[a, b] = max(best.get((a, b), 0.0), decay ** (abs(p - q) - 1))
        for pair, worth in best.items():
            users[pair] += 1
            strength[pair] += worth * len(set(history)) ** -power
    return {pair: (users[pair], strength[pair]) for pair in users}


def as_dict(found: Cooccurrence) -> dict[tuple[int, int], tuple[int, float]]:
    pairs = zip(found.source.tolist(), found.indices.tolist(), strict=True)
    return dict(zip(pairs, zip(found.users.tolist(), found.strength.tolist(), strict=True), strict=True))


@given(HISTORIES, st.integers(0, 4), st.booleans(), st.sampled_from([1.0, 0.5]), st.sampled_from(["count", "rp3beta"]))
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_the_definition(
    histories: list[list[int]], window: int, directed: bool, decay: float, name: str
) -> None:
    weighting = Weighting(name)
    found = as_dict(cooccurrence(split_of(histories, 9), weighting, window, directed, decay))
    expected = by_definition(histories, window, directed, decay, weighting.user_power)
    assert {k: v[0] for k, v in found.items()} == {k: v[0] for k, v in expected.items()}
    for pair, (_, strength) in expected.items():
        assert found[pair][1] == pytest.approx(strength, rel=1e-6)


@given(HISTORIES, st.integers(0, 3), st.integers(1, 3), st.booleans(), st.sampled_from(["count", "cosine", "rp3beta"]))
@settings(max_examples=150, deadline=None)
def test_top_k_keeps_the_strongest_ties_to_the_lower_item(
    histories: list[list[int]], window: int, top_k: int, directed: bool, name: str
) -> None:
    split, weighting = split_of(histories, 9), Weighting(name)
    every = cooccurrence(split, weighting, window, directed, min_users=2)
    found = cooccurrence(split, weighting, window, directed, min_users=2, top_k=top_k)
    users = item_users(split)
    weight = weighting.weight(every.strength, users[every.source], users[every.indices])
    rows = defaultdict(list)
    for a, b, w in zip(every.source.tolist(), every.indices.tolist(), weight.tolist(), strict=True):
        rows[a].append((-w, b))
    kept = {(a, b) for a, row in rows.items() for _, b in sorted(row)[:top_k]}
    if not directed:
        kept |= {(b, a) for a, b in kept}
    assert as_dict(found) == {pair: v for pair, v in as_dict(every).items() if pair in kept}
    assert all(v[0] >= 2 for v in as_dict(found).values())


@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("weighting", [Weighting(n, 400, shrinkage=s) for n in NAMES for s in (0, 7)], ids=str)
def test_selection_from_long_rows_is_that_of_a_full_sort(weighting: Weighting, repeats: bool, window: int) -> None:
    """Popular items meet nearly all others, rare ones few: both ways of gathering a row, and the buffer filled many times."""
    rng = np.random.default_rng(3)
    popularity = 1 / (np.arange(500) + 1.0)
    lengths = rng.integers(2, 60, 400)
    histories = [rng.choice(500, n, replace=repeats, p=popularity / popularity.sum()).tolist() for n in lengths]
    split = split_of(histories, 500)
    every = cooccurrence(split, weighting, window, directed=True)
    found = cooccurrence(split, weighting, window, directed=True, top_k=6)
    users = item_users(split)
    weight = weighting.weight(every.strength, users[every.source], users[every.indices])
    order = np.lexsort((every.indices, -weight, every.source))
    rank = np.arange(len(order)) - every.indptr[every.source[order]]
    kept = np.sort(order[rank < 6])
    for name in ("source", "indices", "users", "strength"):
        np.testing.assert_array_equal(getattr(found, name), getattr(every, name)[kept], err_msg=name)


def test_result_does_not_depend_on_threads() -> None:
    rng = np.random.default_rng(0)
    split = split_of([rng.integers(0, 200, 30).tolist() for _ in range(100)], 200)
    one, three = (cooccurrence(split, Weighting("cosine"), 5, decay=0.7, top_k=7, threads=t) for t in (1, 3))
    for name in ("indptr", "indices", "users", "strength"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))


def test_nothing_in_common_gives_no_pairs() -> None:
    found = cooccurrence(split_of([[0], [], [1, 1]], 3), Weighting("count"), 2, top_k=2)
    assert len(found.indices) == 0
    assert found.indptr.tolist() == [0, 0, 0, 0]


@given(HISTORIES, st.integers(0, 4), st.booleans(), st.integers(0, 3), st.lists(st.integers(0, 9), max_size=3))
@settings(max_examples=60, deadline=None)
def test_rows_by_blocks_of_items_are_the_rows(
    histories: list[list[int]], window: int, directed: bool, top_k: int, cuts: list[int]
) -> None:
    split, asked = split_of(histories, 9), {"window": window, "directed": directed, "top_k": top_k}
    whole = kept_rows(split, Weighting("cosine"), **asked)
    borders = [0, *sorted(cuts), 9]
    parts = [kept_rows(split, Weighting("cosine"), **asked, items=pair) for pair in itertools.pairwise(borders)]
    assert [np.diff(p.indptr).tolist() for p in parts] == [
        np.diff(whole.indptr)[a:b].tolist() for a, b in itertools.pairwise(borders)
    ]
    for name in ("indices", "users", "strength"):
        assert np.concatenate([getattr(p, name) for p in parts]).tolist() == getattr(whole, name).tolist()


def test_meetings_are_what_rows_look_at() -> None:
    split = split_of([[0, 1, 2, 1], [3], [0, 3]], 5)
    assert meetings(split).tolist() == [3 + 1, 3 + 3, 3, 0 + 1, 0]
    assert meetings(split, window=1).tolist() == [2 + 1, 2 + 2, 2, 0 + 1, 0]
    assert meetings(split, window=1, directed=True).tolist() == [1 + 1, 1 + 1, 1, 0 + 1, 0]
