"""The mean law of the next item: the graph's own for first-order walks, and what counting converges to for the others."""

import numpy as np
import pytest

from preceptor.audit.transitions import first_order_shares, mean_transitions
from preceptor.generator import policies
from preceptor.generator.mass import mass
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.generator.walks import sample
from preceptor.graph.graph import TOTAL, from_edges

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


@pytest.mark.parametrize(
    "policy", [policies.node2vec(4, 0.5), policies.history(0.6, LENGTH, False), policies.node2vec(2, 3, False)]
)
def test_a_single_step_has_the_sampler_s_own_law(policy: np.ndarray) -> None:
    made = tables(policy)
    items, lengths = sample(made, 1, "test", 0, 50)
    items = items[lengths == LENGTH][:1]
    for t in range(1, LENGTH):
        before, _ = mean_transitions(made, items, np.array([t]))
        after, steps = mean_transitions(made, items, np.array([t + 1]))
        here = items[0, t - 1]
        last = after[here] * steps[here] - before[here] * (steps[here] - 1)
        masses = np.array([mass(made, items[0], t, x) for x in range(9)], np.float64)
        assert last == pytest.approx(masses / masses.sum(), abs=1e-6)


def test_shares_of_first_order_walks_are_those_met() -> None:
    made = tables(policies.first_order())
    items, _ = sample(made, 0, "test", 0, 40_000)
    expected = first_order_shares(made.graph, made.start / TOTAL, LENGTH)
    assert np.bincount(items.ravel(), minlength=9) / items.size == pytest.approx(expected, abs=0.006)
