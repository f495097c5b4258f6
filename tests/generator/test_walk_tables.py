from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.graphs import all_policies, random_graph, small_graphs
from preceptor.core.errors import PreceptorError
from preceptor.generator import policies
from preceptor.generator.walk_tables import WalkTables, exact_weights, load_tables, save_tables, walk_tables, with_policy
from preceptor.generator.walks import sample
from preceptor.graph.graph import TOTAL, from_weights


def drawn_weight(tables: WalkTables, row: int, n_outcomes: int) -> np.ndarray:
    """How many of the 2^31 numbers select each outcome of a row, counted from the cells."""
    first, bits = divmod(int(tables.rows[row]), 64)
    cells = tables.cells[first : first + (1 << bits)].astype(np.int64)
    capacity = TOTAL >> bits
    assert np.all(cells[:, 0] <= capacity)
    below = np.bincount(cells[:, 1], weights=cells[:, 0], minlength=n_outcomes)
    return below + np.bincount(cells[:, 2], weights=capacity - cells[:, 0], minlength=n_outcomes)


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=70))
@settings(max_examples=100, deadline=None)
def test_cells_hold_exactly_the_weight_of_each_edge(weights: list[float]) -> None:
    k = len(weights)
    graph = from_weights(np.array([0] + [k] * (k + 1)), np.arange(1, k + 1), np.array(weights))
    tables = walk_tables(graph, np.ones(k + 1), 3)
    np.testing.assert_array_equal(drawn_weight(tables, 0, k + 1)[1:], graph.weight)


def test_start_and_length_rows_are_exact_too() -> None:
    graph = small_graphs()["isolated items"]
    lengths = np.array([0, 1.0, 0.0, 5.0, 2.5])
    tables = walk_tables(graph, np.arange(7) + 0.5, lengths)
    np.testing.assert_array_equal(drawn_weight(tables, 7, 7), tables.start)
    np.testing.assert_array_equal(drawn_weight(tables, 8, 5), tables.length)
    assert np.flatnonzero(tables.start).tolist() == [1, 4, 5]
    assert np.flatnonzero(tables.length).tolist() == [1, 3, 4]
    assert tables.start.sum(dtype=np.int64) == tables.length.sum(dtype=np.int64) == TOTAL


def test_exact_weights_keep_zeros_and_proportions() -> None:
    out = exact_weights(np.array([0.0, 1.0, 3.0, 0.0]))
    assert out.tolist() == [0, TOTAL // 4, 3 * TOTAL // 4, 0]
    assert exact_weights(np.zeros(3)).tolist() == [0, 0, 0]


def test_a_graph_without_edges_or_a_length_of_nothing_is_refused() -> None:
    empty = from_weights(np.zeros(5, np.int64), np.zeros(0, np.int32), np.zeros(0))
    with pytest.raises(PreceptorError, match="no edge"):
        walk_tables(empty, np.ones(4), 8)
    for bad in (0, np.array([1.0, 1.0]), np.array([0.0, 0.0])):
        with pytest.raises(PreceptorError, match="walk length"):
            walk_tables(small_graphs()["heavy hub"], np.ones(9), bad)


def test_saved_tables_open_equal(tmp_path: Path) -> None:
    tables = walk_tables(random_graph(30, 200, 4), np.ones(30), 8)
    save_tables(tables, tmp_path, "uih_")
    opened = load_tables(tmp_path, "uih_")
    for name, array in tables._asdict().items():
        np.testing.assert_array_equal(getattr(opened, name), array)
        assert not getattr(opened, name).flags.writeable


def test_another_policy_brings_its_tables_along() -> None:
    graph = small_graphs()["heavy hub"]
    plain = walk_tables(graph, np.ones(9), 4)
    for policy in all_policies().values():
        for expected, made in zip(walk_tables(graph, np.ones(9), 4, policy), with_policy(plain, policy), strict=True):
            np.testing.assert_array_equal(made, expected)
    with pytest.raises(PreceptorError, match="another policy's"):
        sample(plain._replace(policy=policies.node2vec(0.5, 2)), 0, "x", 0, 10)
