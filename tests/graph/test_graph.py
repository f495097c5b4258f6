from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.graphs import random_graph, small_graphs
from preceptor.core.errors import PreceptorError
from preceptor.graph.graph import TOTAL, Graph, apportion, from_edges, from_weights


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=200))
@settings(max_examples=200, deadline=None)
def test_shares_sum_exactly_and_follow_the_weights(weights: list[float]) -> None:
    share = apportion(np.array(weights)).astype(np.int64)
    assert share.sum() == TOTAL
    assert share.min() >= 1
    quota = np.array(weights) / np.sum(weights) * TOTAL
    assert np.all(np.abs(share - quota) <= 1 + quota * len(weights) / TOTAL + 1e-6)
    assert np.all(np.diff(share[np.argsort(weights, kind="stable")]) >= -1)  # a heavier edge never gets less, but for a unit


def test_remainders_go_to_the_largest_then_to_the_lower_index() -> None:
    assert apportion(np.ones(3)).astype(int).tolist() == [TOTAL // 3 + 1, TOTAL // 3 + 1, TOTAL // 3]


def test_every_row_sums_to_the_total() -> None:
    for graph in [*small_graphs().values(), random_graph(300, 5000, 1)]:
        sums = np.bincount(graph.source, weights=graph.weight, minlength=graph.n_items)
        assert set(sums[graph.degree > 0].tolist()) == {float(TOTAL)}


def test_self_loops_disorder_and_bad_weights_are_refused() -> None:
    with pytest.raises(PreceptorError, match=r"Self-loop[\s\S]*item 1"):
        from_edges(3, [0, 1], [1, 1], [1.0, 1.0])
    with pytest.raises(PreceptorError, match="ascend"):
        from_weights(np.array([0, 2, 2, 2]), np.array([2, 1]), np.ones(2))
    for bad in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(PreceptorError, match="Bad edge weight"):
            from_weights(np.array([0, 1, 1]), np.array([1]), np.array([bad]))


def test_induced_graph_is_part_of_the_whole_without_the_dropped() -> None:
    whole = random_graph(40, 600, 2)
    keep = np.arange(40) % 5 != 0
    dropped = np.array([[1, 2], [13, 3], [39, 38]])
    part = whole.induced(keep, dropped)
    edges = set(zip(part.source.tolist(), part.indices.tolist(), strict=True))
    gone = {(a, b) for a, b in dropped.tolist()} | {(b, a) for a, b in dropped.tolist()}
    expected = {
        (a, b)
        for a, b in zip(whole.source.tolist(), whole.indices.tolist(), strict=True)
        if keep[a] and keep[b] and (a, b) not in gone
    }
    assert edges == expected
    assert len(expected) < whole.n_edges


def test_induced_rows_keep_their_proportions() -> None:
    whole = from_edges(4, [0, 0, 0], [1, 2, 3], [1.0, 2.0, 5.0])
    part = whole.induced(np.array([True, True, True, False]))
    np.testing.assert_allclose(part.transition(), [1 / 3, 2 / 3], rtol=1e-8)


def test_row_entropy_of_equal_neighbours_is_log_degree() -> None:
    graph = small_graphs()["equal weights"]
    np.testing.assert_allclose(graph.row_entropy(), np.log(2), rtol=1e-12)
    assert small_graphs()["dead ends"].row_entropy()[4] == 0


def test_saved_graph_opens_equal(tmp_path: Path) -> None:
    graph = random_graph(20, 100, 3)
    graph.save(tmp_path)
    opened = Graph.load(tmp_path)
    for name in ("indptr", "indices", "weight"):
        np.testing.assert_array_equal(getattr(opened, name), getattr(graph, name))
        assert getattr(opened, name).dtype == getattr(graph, name).dtype
