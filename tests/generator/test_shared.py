import numpy as np
import pytest

from graph.graphs import all_walks, small_graphs
from preceptor.core.errors import PreceptorError
from preceptor.generator.policies import node2vec
from preceptor.generator.probability import log_probability
from preceptor.generator.shared import code_groups, code_log_probability
from preceptor.generator.walk_tables import walk_tables
from preceptor.generator.walks import sample


@pytest.mark.parametrize("name", small_graphs())
def test_forward_algorithm_equals_enumeration(name: str) -> None:
    graph = small_graphs()[name]
    codes = np.array([[7, 1], [3, 3], [7, 1], [2, 9], [3, 3], [5, 5], [7, 1], [0, 1], [0, 1]])[: graph.n_items]
    groups = code_groups(codes)
    tables = walk_tables(graph, np.arange(graph.n_items) + 1.0, np.array([0, 1.0, 2.0, 0.0, 3.0]))
    walks, lengths = all_walks(tables)
    p = np.exp(log_probability(tables, walks, lengths))
    sequence = [tuple(groups[w[:n]].tolist()) for w, n in zip(walks, lengths, strict=True)]
    summed: dict[tuple[int, ...], float] = {}
    for s, probability in zip(sequence, p, strict=True):
        summed[s] = summed.get(s, 0.0) + probability
    drawn, drawn_lengths = sample(tables, 0, "shared", 0, 300)
    found = np.exp(code_log_probability(tables, groups, drawn, drawn_lengths))
    expected = [summed[tuple(groups[w[:n]].tolist())] for w, n in zip(drawn, drawn_lengths, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_unique_codes_give_the_walk_s_own_probability() -> None:
    tables = walk_tables(small_graphs()["heavy hub"], np.ones(9), 4)
    items, lengths = sample(tables, 0, "unique", 0, 100)
    stated = code_log_probability(tables, np.arange(9, dtype=np.int32), items, lengths)
    np.testing.assert_allclose(stated, log_probability(tables, items, lengths), rtol=1e-12)


def test_other_policies_are_refused() -> None:
    tables = walk_tables(small_graphs()["heavy hub"], np.ones(9), 4, node2vec(1, 2))
    with pytest.raises(PreceptorError, match="shared codes"):
        code_log_probability(tables, np.arange(9, dtype=np.int32), *sample(tables, 0, "x", 0, 2))
