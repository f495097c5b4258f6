import numpy as np
import pytest

from audit.test_runs import joined
from preceptor.audit.membership import ATTACKS, LEAST_LOG, People, likelihood, pairs_among, scores
from preceptor.core.statistics import auc
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.graph.graph import from_weights


def people_of(histories: list[list[int]], n_items: int, window: int = 1) -> People:
    items, indptr = joined(histories)
    return People.of(items, indptr, np.maximum(np.bincount(items, minlength=n_items), 1), window)


def walks_of(histories: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(h) for h in histories], np.int32)
    walks = np.full((len(histories), lengths.max()), -1, np.int32)
    for row, h in zip(walks, histories, strict=True):
        row[: len(h)] = h
    return walks, lengths


def drawn(count: int, n_items: int, seed: int) -> list[list[int]]:
    return [h.tolist() for h in np.random.default_rng(seed).integers(0, n_items, (count, 8))]


def test_scores_by_hand() -> None:
    people = people_of([[0, 1, 2, 3], [4, 5], [6]], 8)
    walks, lengths = walks_of([[7, 7, 7], [1, 0, 7], [1, 2, 3], [4, 5, 4]])
    found = scores(people, walks, lengths, (1, 2, 4))
    assert found["nearest walk"].tolist() == [[0, 0, 0], [2 / 5, 0, 0], [3 / 4, 1, 0]]
    assert found["longest run"].tolist() == [[0, 0, 0], [0, 0, 0], [3, 2, 0]]
    np.testing.assert_allclose(found["rare pairs"], [[0, 0, 0], [1 / 3, 0, 0], [1, 1, 0]])
    assert pairs_among(people, np.array([1 * 8 + 2])).tolist() == [pytest.approx(1 / 3), 0, 0]


def test_rare_pairs_weigh_more() -> None:
    people = people_of([[0, 1, 2], [0, 1], [0, 1]], 3)
    # pairs of the first: (0, 1) of 3·3 interactions, (1, 2) of 3·1
    assert pairs_among(people, np.array([1 * 3 + 2]))[0] == pytest.approx((1 / 3) / (1 / 3 + 1 / 9))


def test_pairs_reach_as_far_as_the_window() -> None:
    assert pairs_among(people_of([[0, 1, 2, 3]], 4, window=2), np.array([0 * 4 + 2]))[0] == pytest.approx(1 / 5)
    assert pairs_among(people_of([[0, 1, 2, 3]], 4, window=9), np.array([0 * 4 + 3]))[0] == pytest.approx(1 / 6)


def test_walks_that_know_nothing_of_the_users_tell_nothing() -> None:
    """200 members and 200 others: AUC has a standard deviation of 0.029; four of them, 1 false alarm in 5,000 for the three."""
    people = people_of(drawn(400, 60, 1), 60, window=3)
    walks, lengths = walks_of(drawn(3000, 60, 2))
    member = np.arange(400) < 200
    for attack, found in scores(people, walks, lengths, (3000,)).items():
        assert abs(auc(found[0], member)[0] - 0.5) < 4 * 0.029, attack


def test_walks_that_are_the_members_histories_tell_everything() -> None:
    histories = drawn(400, 300, 3)
    walks, lengths = walks_of(histories[:200])
    member = np.arange(400) < 200
    found = scores(people_of(histories, 300), walks, lengths, (50, 200))
    assert list(found) == list(ATTACKS)
    for attack, score in found.items():
        assert auc(score[1], member)[0] > 0.99, attack
        assert 0.55 < auc(score[0], member)[0] < 0.75, attack  # a quarter of the members is out


def test_people_without_pairs_score_nothing() -> None:
    people = people_of([[0], [1]], 2)
    assert pairs_among(people, np.array([1])).tolist() == [0, 0]


def test_pair_counts_by_hand() -> None:
    """Items 0 and 1 are together in both walks, 2 and 3 in none: log of (met + ½) over (expected + ½)."""
    people = people_of([[0, 1], [2, 3]], 4)
    walks, lengths = walks_of([[0, 2, 1], [1, 3, 0]])
    found = scores(people, walks, lengths, (1, 2))["pair counts"]
    both = 2 * 6 * (2 / 6) ** 2  # pairs drawn, and twice the product of the shares of 0 and 1
    apart = 2 * 6 * (1 / 6) ** 2
    np.testing.assert_allclose(found[1], [np.log(2.5 / (both + 0.5)), np.log(0.5 / (apart + 0.5))])
    np.testing.assert_allclose(found[0], [np.log(1.5 / (2 * 3 / 9 + 0.5)), np.log(0.5 / 0.5)])


def test_likelihood_is_the_mean_over_later_items() -> None:
    graph = from_weights(np.array([0, 1, 2, 2]), np.array([1, 2]), np.ones(2))  # 0 → 1 → 2
    parts, members = (Part(0, Memory(0.0, 1), 1 - 1e-9),), np.ones(3, bool)
    law = mixture_tables(
        Mixture((graph,), ("ring",), parts, (Prior(0.0, 1e-9),), np.ones(3, np.int64), members, True), np.ones(3), 3, 0.0
    )
    people = people_of([[0, 1, 2], [0, 2], [1]], 3)
    np.testing.assert_allclose(likelihood(people, law), [0.0, LEAST_LOG, 0.0])
