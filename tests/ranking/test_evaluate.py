"""Full-catalogue ranking against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fixtures import tiny_split
from preceptor.data.log import Targets
from preceptor.ranking import evaluate


class Table:
    """Scores that depend on the history's last item only."""

    def __init__(self, scores: np.ndarray) -> None:
        self.table = scores

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        return self.table[[targets.history(int(t))[-1] for t in rows]].copy()


@pytest.mark.parametrize("mask", [True, False])
def test_ranks_and_lists_against_a_loop(mask: bool) -> None:
    targets = tiny_split(n_users=40).test
    table = np.random.default_rng(0).integers(0, 6, (40, 40)).astype(np.float32)
    ranked = evaluate.rank_targets(Table(table), targets, mask, batch=7)
    assert len(targets) > 20
    for t in range(len(targets)):
        history = targets.history(t)
        row = table[history[-1]].tolist()
        wanted = int(targets.item[t])
        offered = [i for i in range(40) if not (mask and i in history)]
        place = 40 if wanted not in offered else sum(row[i] >= row[wanted] for i in offered)
        assert ranked.rank[t] == place
        best = sorted(offered, key=lambda i: (-row[i], i))[: evaluate.TOP]
        assert ranked.top[t].tolist() == best + [-1] * (evaluate.TOP - len(best))


@given(hnp.arrays(np.float32, (3, 8), elements=st.sampled_from([-np.inf, 0.0, 1.0, 2.0])), st.integers(1, 12))
def test_best_by_sorting(scores: np.ndarray, k: int) -> None:
    for row, found in zip(scores.tolist(), evaluate.best(scores, k).tolist(), strict=True):
        order = sorted((i for i in range(8) if row[i] > -np.inf), key=lambda i: (-row[i], i))[:k]
        assert found == order + [-1] * (min(k, 8) - len(order))


def test_histories_are_the_newest_items_oldest_first() -> None:
    targets = tiny_split().test
    rows = np.array([5, 0, 2])
    place, items = evaluate.histories_of(targets, rows, longest=3)
    for b, t in enumerate(rows):
        assert items[place == b].tolist() == targets.history(int(t))[-3:].tolist()


def test_subsample_is_a_keyed_part_in_order() -> None:
    targets = tiny_split().test
    part = evaluate.subsample(targets, 10, seed=1)
    assert len(part) == 10
    assert (np.diff(part.end) > 0).all()
    assert set(part.end) <= set(targets.end)
    assert np.array_equal(part.end, evaluate.subsample(targets, 10, seed=1).end)
    assert not np.array_equal(part.end, evaluate.subsample(targets, 10, seed=2).end)
    assert evaluate.subsample(targets, 0, seed=1) is targets
