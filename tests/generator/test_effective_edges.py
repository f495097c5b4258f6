import numpy as np
import pytest

from generator.mixtures import ALL, LAST, mixture
from graph.graphs import small_graphs
from preceptor.generator.effective_edges import effective_edges
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.graph.graph import from_edges

RING = small_graphs()["equal weights"]


def test_equal_edges_count_as_many_as_they_are() -> None:
    """Five items with two neighbours each; starts are uniform, so that each item is read alike. Noise is under 1 %."""
    once = mixture_tables(mixture((RING,), [(0, LAST, 0.6)], [(0.0, 0.4)]), np.ones(5), 3)
    assert effective_edges(once, 0, "edges") == pytest.approx(10, rel=0.01)
    twice = mixture_tables(mixture((RING, RING), [(0, LAST, 0.3), (1, ALL, 0.5)], [(0.0, 0.2)]), np.ones(5), 3)
    assert effective_edges(twice, 0, "edges") == pytest.approx(10, rel=0.01)


def test_uneven_edges_count_less() -> None:
    pair = from_edges(3, [0, 0, 1, 2], [1, 2, 0, 0], [0.9, 0.1, 1.0, 1.0])
    tables = mixture_tables(mixture((pair,), [(0, LAST, 1.0)], [], repeats=True), np.array([1.0, 0.0, 0.0]), 2)
    assert effective_edges(tables, 0, "edges") == pytest.approx(np.exp(-0.9 * np.log(0.9) - 0.1 * np.log(0.1)), rel=1e-6)


def test_a_law_without_signal_has_none() -> None:
    assert effective_edges(mixture_tables(mixture((RING,), [], [(0.0, 1.0)]), np.ones(5), 3), 0, "edges") == 0
