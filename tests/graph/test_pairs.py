import numpy as np

from graph.graphs import split_of
from preceptor.graph.pairs import BOTH_SEEN, find_pairs


def test_pairs_count_baskets_not_orders_or_repeats() -> None:
    split = split_of([[0, 1, 0, 2], [1, 0], [2, 2, 1], [3]], 4)
    found = find_pairs(split, np.zeros(4, bool), 1, 0, 0.0, 0)
    assert found.items.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert found.users.tolist() == [2, 1, 2]
    assert found.item_users.tolist() == [2, 3, 2, 1]
    assert find_pairs(split, np.zeros(4, bool), 2, 0, 0.0, 0).items.tolist() == [[0, 1], [1, 2]]


def test_split_follows_held_out_items() -> None:
    rng = np.random.default_rng(2)
    split = split_of([rng.integers(0, 60, 25).tolist() for _ in range(60)], 60)
    unseen = rng.random(60) < 0.3
    found = find_pairs(split, unseen, 1, 0, 0.2, 5)
    number = unseen[found.items].sum(axis=1)
    np.testing.assert_array_equal(found.split[number == 1], 2)
    np.testing.assert_array_equal(found.split[number == 2], 3)
    assert set(found.split[number == 0].tolist()) == {0, BOTH_SEEN}
    share = (found.split == BOTH_SEEN)[number == 0].mean()
    assert abs(share - 0.2) < 4.9 * np.sqrt(0.2 * 0.8 / (number == 0).sum())  # false alarm 1e-6, seed fixed


def test_holding_a_pair_out_depends_on_the_pair_alone() -> None:
    rng = np.random.default_rng(3)
    histories = [rng.integers(0, 30, 12).tolist() for _ in range(40)]
    few, many = (find_pairs(split_of(histories, 30), np.zeros(30, bool), m, 0, 0.3, 1) for m in (3, 1))
    where = {tuple(p): s for p, s in zip(many.items.tolist(), many.split.tolist(), strict=True)}
    assert [where[tuple(p)] for p in few.items.tolist()] == few.split.tolist()
