"""The mean law of the next item: the graph's own for first-order walks, and what counting converges to for the others."""

import numpy as np
import pytest

from preceptor.audit.transitions import mean_transitions
from preceptor.graph import policies
from preceptor.graph.graph import TOTAL, from_edges
from preceptor.graph.tables import WalkTables, walk_tables
from preceptor.graph.walks import sample

LENGTH = 6


def tables(policy: np.ndarray) -> WalkTables:
    rng = np.random.default_rng(3)
    source, target = np.nonzero((rng.random((9, 9)) < 0.5) & ~np.eye(9, dtype=bool))
    graph = from_edges(9, source, target, rng.random(len(source)) + 0.1)
    return walk_tables(graph, np.ones(9), LENGTH, policy)


def test_first_order_walks_follow_the_graph() -> None:
    made = tables(policies.first_order())
    items, lengths = sample(made, 0, "test", 0, 200)
    found, steps = mean_transitions(made, items, lengths)
    assert steps.tolist() == np.bincount(items[:, :-1].ravel(), minlength=9).tolist()
    expected = np.zeros((9, 9))
    expected[made.graph.source, made.indices] = made.weight / TOTAL
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("policy", [policies.node2vec(4, 0.5), policies.history(0.6, LENGTH), policies.node2vec(1, 1, False)])
def test_other_policies_agree_with_counted_steps(policy: np.ndarray) -> None:
    made = tables(policy)
    items, lengths = sample(made, 0, "test", 0, 40_000)
    counted = np.zeros((9, 9))
    inside = np.arange(1, LENGTH) < lengths[:, None]
    np.add.at(counted, (items[:, :-1][inside], items[:, 1:][inside]), 1)
    steps = counted.sum(axis=1)
    found, _ = mean_transitions(made, items[:2_000], lengths[:2_000])
    assert found.sum(axis=1) == pytest.approx(np.ones(9))
    assert np.abs(found - counted / steps[:, None]).max() < 5 * 0.5 / np.sqrt(steps.min() / 20)  # 2,000 of the walks, 5 σ
