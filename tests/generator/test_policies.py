import numpy as np
import pytest

from graph.graphs import small_graphs
from preceptor.core.errors import PreceptorError
from preceptor.generator import reference
from preceptor.generator.policies import history, node2vec
from preceptor.generator.walk_tables import walk_tables


@pytest.mark.parametrize(("p", "q"), [(1, 1), (0.25, 4), (4, 0.25), (0.01, 100), (100, 0.01)])
def test_node2vec_factors_are_in_the_stated_proportions(p: float, q: float) -> None:
    _, _, back, near, far, k = node2vec(p, q).tolist()
    assert max(near, far) == 2**k
    assert max(back, near, far) <= 2**31
    np.testing.assert_allclose([back / near, far / near], [1 / p, 1 / q], rtol=1e-4)


def test_node2vec_law_by_hand() -> None:
    """From 0 to 2 in the triangle 0-1-2 with the tail 2-3: back to 0, near to 1, far to 3."""
    graph = small_graphs()["triangle and tail"]
    tables = walk_tables(graph, np.ones(4), 4, node2vec(0.5, 4))
    w = reference.neighbours(graph, 2)
    raw = {0: w[0] / 0.5, 1: w[1], 3: w[3] / 4}
    law = reference.distribution(tables, [0, 2])
    assert {x: float(p) for x, p in law.items()} == pytest.approx({x: m / sum(raw.values()) for x, m in raw.items()})


def test_history_law_by_hand() -> None:
    graph = small_graphs()["triangle and tail"]
    tables = walk_tables(graph, np.ones(4), 4, history(0.5, 4))
    w2, w3 = reference.neighbours(graph, 2), reference.neighbours(graph, 3)
    raw = {0: 0.5 * w2[0], 1: 0.5 * w2[1], 2: w3[2]}
    law = reference.distribution(tables, [2, 3])
    assert {x: float(p) for x, p in law.items()} == pytest.approx({x: m / sum(raw.values()) for x, m in raw.items()})


def test_impossible_parameters_are_refused() -> None:
    for p, q in ((0, 1), (1, -1), (float("nan"), 1), (1e-9, 1)):
        with pytest.raises(PreceptorError):
            node2vec(p, q)
    with pytest.raises(PreceptorError, match="from 0 to 1"):
        history(1.5, 8)
    with pytest.raises(PreceptorError, match="too long"):
        history(0.5, 1000)
