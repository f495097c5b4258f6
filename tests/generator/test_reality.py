import numpy as np
import pytest

from generator.test_likelihood import targets_of
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.reality import of_walks, without
from preceptor.graph.graph import from_edges

GRAPH = from_edges(6, [0, 1, 1, 2, 3], [1, 0, 2, 1, 4], [1.0, 1.0, 1.0, 1.0, 1.0])
MET = np.array([True, True, True, True, True, False])
TARGETS = targets_of([[0, 1, 2, 0, 5], [3, 1, 4]])  # next items 1, 2, 0, 5 and 1, 4


@pytest.mark.parametrize(
    ("config", "covered"),
    [
        (GeneratorConfig(law="paper"), 2 / 5),  # 0 → 1, 1 → 2
        (GeneratorConfig(law="paper", policy="node2vec"), 2 / 5),
        (GeneratorConfig(law="paper", policy="history"), 4 / 5),  # 1 → 0 and 3 → 4 too, from further back
        (GeneratorConfig(law="paper", policy="history", length=1), 2 / 5),
        (GeneratorConfig(law="paper", repeats=False), 2 / 4),  # 0 came before: outside
    ],
)
def test_walks_cover_the_targets_that_a_step_can_give(config: GeneratorConfig, covered: float) -> None:
    row = of_walks(GRAPH, config, TARGETS, "validation", "all", MET)
    assert row.covered == pytest.approx(covered)
    assert (row.targets, row.users, row.new, row.held_out, row.nats) == (6, 2, 1, 0, None)
    assert row.inside + row.repeats == 5
    assert row.repeats == (0 if config.repeats else 1)


def test_held_out_items_are_dropped_from_histories_and_counted() -> None:
    unseen = np.array([False, True, False, False, False, False])
    asked = without(TARGETS, unseen)
    assert [asked.history(t).tolist() for t in range(len(asked))] == [[0], [0, 2], [0, 2, 0], [3]]
    row = of_walks(GRAPH.induced(unseen == 0), GeneratorConfig(law="paper"), TARGETS, "test", "seen", MET, unseen)
    assert (row.inside, row.held_out, row.new) == (3, 2, 1)
    assert row.covered == pytest.approx(1 / 3)  # 3 → 4
