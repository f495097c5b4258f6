import numpy as np
import pytest

from graph.graphs import random_graph, split_of
from preceptor.generator import floor
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import TOTAL, Graph
from preceptor.graph.item_graph import build_graph
from preceptor.graph.nulls import relabelled, rewired


def edges(graph: Graph) -> set[tuple[int, int]]:
    return set(zip(graph.source.tolist(), graph.indices.tolist(), strict=True))


def valid(graph: Graph) -> None:
    assert np.all(graph.source != graph.indices)
    assert len(edges(graph)) == graph.n_edges
    same_row = graph.source[1:] == graph.source[:-1]
    assert np.all(np.diff(graph.indices)[same_row] > 0)
    sums = np.bincount(graph.source, weights=graph.weight, minlength=graph.n_items)
    assert set(sums[graph.degree > 0].tolist()) <= {float(TOTAL)}


def undirected_graph() -> Graph:
    rng = np.random.default_rng(4)
    return build_graph(split_of([rng.integers(0, 40, 12).tolist() for _ in range(40)], 45), GraphConfig(window=3, top_k=6))


@pytest.mark.parametrize("graph", [random_graph(50, 300, 8), undirected_graph()], ids=["directed", "undirected"])
def test_rewiring_keeps_rows_and_in_degrees_and_moves_most_edges(graph: Graph) -> None:
    made = rewired(graph, 1)
    valid(made)
    np.testing.assert_array_equal(made.indptr, graph.indptr)
    np.testing.assert_array_equal(np.bincount(made.indices, minlength=50), np.bincount(graph.indices, minlength=50))
    for i in range(graph.n_items):
        row = slice(graph.indptr[i], graph.indptr[i + 1])
        assert sorted(made.weight[row].tolist()) == sorted(graph.weight[row].tolist())
    np.testing.assert_allclose(made.row_entropy(), graph.row_entropy(), rtol=1e-12)
    assert len(edges(made) & edges(graph)) < 0.5 * graph.n_edges
    assert edges(rewired(graph, 1)) == edges(made) != edges(rewired(graph, 2))


def test_relabelling_gives_the_same_graph_of_other_items() -> None:
    graph = undirected_graph()
    made, new_item = relabelled(graph, 3)
    valid(made)
    assert edges(made) == {(int(new_item[a]), int(new_item[b])) for a, b in edges(graph)} != edges(graph)
    np.testing.assert_array_equal(made.connected, graph.connected)
    start = np.ones(graph.n_items)
    one, two = (floor.closed_form(walk_tables(g, start, 8))["floor"] for g in (graph, made))
    assert one == pytest.approx(two, rel=1e-6)  # but for the last units of the start's shares
