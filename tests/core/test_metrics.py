"""Ranking metrics against plain references that share no code with them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from preceptor.core import metrics

SCORES = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 7), elements=st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0])),
        hnp.arrays(np.int64, n, elements=st.integers(0, 6)),
    )
)


@settings(deadline=None)  # the first example compiles
@given(SCORES)
def test_rank_is_the_worst_place_a_tied_item_can_take(case: tuple[np.ndarray, np.ndarray]) -> None:
    scores, target = case
    for rank, row, item in zip(metrics.ranks(scores, target), scores.tolist(), target.tolist(), strict=True):
        if row[item] == -math.inf:
            assert rank == 7
        else:
            # sort best first, the target last among its equals
            order = sorted(range(7), key=lambda i: (-row[i], i == item))
            assert rank == order.index(item) + 1


def test_constant_and_nan_scores_rank_last() -> None:
    scores = np.array([[1.0, 1, 1, 1], [np.nan, 0, 2, 1], [0, 3, np.nan, 1]], dtype=np.float32)
    assert metrics.ranks(scores, np.array([0, 0, 1])).tolist() == [4, 4, 2]


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.integers(1, 200), min_size=1), st.sampled_from(metrics.KS))
def test_recall_and_ndcg_by_definition(ranks: list[int], k: int) -> None:
    for rank, r, g in zip(ranks, metrics.recall(np.array(ranks), k), metrics.ndcg(np.array(ranks), k), strict=True):
        gains = [1.0 if place == rank else 0.0 for place in range(1, k + 1)]
        assert r == sum(gains)
        assert g == pytest.approx(sum(x / math.log2(place + 1) for place, x in enumerate(gains, 1)))
        assert metrics.value("ndcg", np.array([rank]), k)[0] == g


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), min_size=1))
def test_balanced_means_against_loops(rows: list[tuple[int, int, float]]) -> None:
    popularity = np.array([0, 4, 3, 0, 1, 9])
    user, item, values = (np.array(column) for column in zip(*rows, strict=True))
    by_item: dict[int, list[float]] = {}
    by_user: dict[int, list[float]] = {}
    for u, i, x in rows:
        by_user.setdefault(u, []).append(x)
        if popularity[i]:
            by_item.setdefault(i, []).append(x)

    def expected(groups: dict[int, list[float]]) -> float:
        return sum(sum(g) / len(g) for g in groups.values()) / len(groups) if groups else math.nan

    assert metrics.item_balanced(values, item, popularity) == pytest.approx(expected(by_item), nan_ok=True)
    assert metrics.user_balanced(values, user) == pytest.approx(expected(by_user))


def test_groups_hold_their_shares() -> None:
    popularity = np.array([0, 10, 50, 5, 20, 10, 5, 0])
    names = [metrics.GROUPS[g] for g in metrics.popularity_groups(popularity)]
    assert names == ["unseen", "mid", "head", "tail", "mid", "tail", "tail", "unseen"]


@settings(deadline=None)  # the first example compiles
@given(hnp.arrays(np.int64, 30, elements=st.integers(0, 100)))
def test_more_popular_items_are_never_in_a_later_group(popularity: np.ndarray) -> None:
    group = metrics.popularity_groups(popularity)
    order = np.argsort(-popularity, kind="stable")
    assert (np.diff(group[order].astype(int)) >= 0).all()
    assert ((group == metrics.UNSEEN) == (popularity == 0)).all()


def test_coverage_and_popularity_of_lists() -> None:
    top = np.array([[0, 1], [1, -1]])
    assert metrics.coverage(top, 4) == 0.5
    assert metrics.mean_popularity(top, np.array([9, 5, 7, 1, 0])) == pytest.approx((0 + 0.5 + 0.5) / 3)
