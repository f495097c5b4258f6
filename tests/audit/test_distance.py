"""Distances on a tiny truth worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.audit.distance import distances, jensen_shannon, law_of_graph, law_of_matrix, law_of_shares, top_overlap
from preceptor.graph.graph import from_edges

TRUTH = np.array([[0, 0.5, 0.5, 0], [0.25, 0, 0.25, 0.5], [0, 1, 0, 0], [0.5, 0.5, 0, 0]])
SHARE = np.array([0.1, 0.2, 0.3, 0.4])
PERCENTILE = {"popularity": np.array([0.125, 0.375, 0.625, 0.875])}
ALL = np.arange(4)


def test_the_truth_itself_is_at_no_distance() -> None:
    source, target = np.nonzero(TRUTH)
    graph = from_edges(4, source, target, TRUTH[source, target])
    found = distances(law_of_graph(graph), law_of_matrix(TRUTH), ALL, SHARE, PERCENTILE)
    for name in ("tv", "js", "tv_by_truth", "js_by_truth", "exposure_tv", "popularity_drift", "undefined"):
        assert found[name] == pytest.approx(0, abs=1e-9), name


def test_an_item_without_edges_counts_as_wholly_wrong() -> None:
    graph = from_edges(4, [0, 0, 1, 3], [1, 2, 3, 2], [1, 1, 1, 1])
    found = distances(law_of_graph(graph), law_of_matrix(TRUTH), ALL, SHARE, PERCENTILE)
    tv = np.array([0, 0.5, 1, 1])  # right; half right; no edges; all wrong
    assert found["undefined"] == 0.25
    assert found["tv"] == pytest.approx(tv.mean())
    assert found["tv_by_truth"] == pytest.approx(SHARE @ tv)
    assert found["tv_defined"] == pytest.approx(tv[[0, 1, 3]].mean())
    assert found["overlap"] == pytest.approx(np.mean([1, 1 / 3, 0, 0]))
    led_to = np.array([[0, 0.5, 0.5, 0], [0, 0, 0, 1], [0, 0, 1, 0]]).mean(0)
    meant = TRUTH[[0, 1, 3]].mean(0)
    assert found["exposure_tv"] == pytest.approx(0.5 * np.abs(led_to - meant).sum())
    assert found["popularity_drift"] == pytest.approx(PERCENTILE["popularity"] @ (led_to - meant))


def test_jensen_shannon_of_known_pairs() -> None:
    p, t = np.array([[1.0, 0], [0.5, 0.5], [1, 0]]), np.array([[0, 1.0], [0.5, 0.5], [0.5, 0.5]])
    assert jensen_shannon(p, t) == pytest.approx([1, 0, 0.311278], abs=1e-6)  # the last: 1 + ¾ log2 ¾ + ... by hand


def test_overlap_at_the_top_ignores_what_the_estimate_does_not_hold() -> None:
    t = np.array([[0.4, 0.3, 0.2, 0.1]])
    assert top_overlap(np.array([[0.6, 0, 0.4, 0]]), t, 2) == pytest.approx([0.5])
    assert top_overlap(np.array([[0, 0, 0, 1.0]]), t, 2) == pytest.approx([0])


def test_law_of_shares_leaves_the_item_out() -> None:
    rows = law_of_shares(SHARE)(np.array([3]))
    assert rows == pytest.approx(np.array([[1, 2, 3, 0]]) / 6)


@given(st.integers(0, 10_000), st.integers(3, 12))
def test_distances_stay_in_their_ranges(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)

    def random_law() -> np.ndarray:
        matrix = rng.random((n, n)) * (rng.random((n, n)) < 0.6)
        np.fill_diagonal(matrix, 0)
        return matrix

    truth = random_law() + 1e-3
    np.fill_diagonal(truth, 0)
    found = distances(law_of_matrix(random_law()), law_of_matrix(truth), np.arange(n), np.ones(n), {})
    assert all(0 <= found[name] <= 1 + 1e-12 for name in ("tv", "js", "overlap", "undefined"))
    assert found["js"] <= found["tv"] + 1e-12, "Jensen–Shannon in bits never exceeds total variation"
