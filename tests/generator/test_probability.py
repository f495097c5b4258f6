import math

import numpy as np
import pytest

from graph.graphs import all_policies, all_walks, small_graphs
from preceptor.generator import reference
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import walk_tables
from preceptor.generator.walks import sample
from preceptor.graph.graph import TOTAL, from_edges


@pytest.mark.parametrize("length", [1, 4, np.array([0, 1.0, 0.0, 2.0, 1.0])], ids=["one", "four", "mixed"])
@pytest.mark.parametrize("policy", all_policies())
@pytest.mark.parametrize("name", small_graphs())
def test_probabilities_of_all_walks_sum_to_one(name: str, policy: str, length: int | np.ndarray) -> None:
    graph = small_graphs()[name]
    tables = walk_tables(graph, np.arange(graph.n_items) + 1.0, length, all_policies()[policy])
    assert np.exp(log_probability(tables, *all_walks(tables))).sum() == pytest.approx(1, abs=1e-12)


def test_probability_of_a_walk_by_hand() -> None:
    graph = from_edges(4, [0, 0, 1], [1, 2, 3], [1.0, 3.0, 1.0])
    tables = walk_tables(graph, np.array([1.0, 1.0, 1.0, 1.0]), np.array([0, 0, 1.0, 3.0]))
    walks = np.array([[0, 1, 3], [0, 1, -1], [0, 2, -1], [1, 3, -1], [2, -1, -1], [0, 3, -1]], np.int32)
    lengths = np.array([3, 2, 2, 2, 1, 2])
    stated = np.exp(log_probability(tables, walks, lengths))
    quarter = tables.weight[0] / TOTAL
    expected = [0.5 * quarter * 0.75, 0.5 * quarter * 0.25, 0.5 * (1 - quarter), 0.5, 0.0, 0.0]
    np.testing.assert_allclose(stated, expected, rtol=1e-12)


@pytest.mark.parametrize("policy", all_policies())
@pytest.mark.parametrize("name", small_graphs())
def test_log_probability_is_that_of_the_definition(name: str, policy: str) -> None:
    graph = small_graphs()[name]
    tables = walk_tables(graph, np.ones(graph.n_items), np.array([0, 1.0, 0, 2.0, 1.0]), all_policies()[policy])
    items, lengths = sample(tables, 2, "law", 0, 40)
    stated = log_probability(tables, items, lengths)
    for row, n, log_p in zip(items, lengths, stated, strict=True):
        assert math.log(reference.probability(tables, row[:n].tolist())) == pytest.approx(log_p, abs=1e-12)
