"""The cost of a law on real next items: counted apart what it can't give, held-out items dropped, nothing upstream told."""

import dataclasses
import functools

import numpy as np
import pytest

from fixtures import tiny_split
from generator.test_likelihood import targets_of
from preceptor.data.log import Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.fit import FitConfig, fit
from preceptor.generator.made import within
from preceptor.generator.mixture import Mixture
from preceptor.generator.reality import of_walks, reality, without
from preceptor.generator.score import score
from preceptor.graph.graph import from_edges

SPLIT = tiny_split(n_users=120)
UNSEEN = np.arange(SPLIT.train.n_items) % 5 == 2
GRAPH = from_edges(6, [0, 1, 1, 2, 3], [1, 0, 2, 1, 4], [1.0, 1.0, 1.0, 1.0, 1.0])
MET = np.array([True, True, True, True, True, False])
TARGETS = targets_of([[0, 1, 2, 0, 5], [3, 1, 4]])  # next items 1, 2, 0, 5 and 1, 4


@functools.cache
def fitted_law() -> Mixture:
    return fit(SPLIT.train, FitConfig(resamples=2, singles=False)).mixture


def test_the_cost_is_the_mean_of_what_the_law_gives_targets() -> None:
    found = reality(fitted_law(), SPLIT.validation, "validation", "all")
    scored = score(fitted_law(), SPLIT.validation)
    assert found.inside == scored.inside.sum()
    assert found.inside + found.repeats + found.held_out + found.new == found.targets == len(SPLIT.validation)
    assert found.nats == pytest.approx(np.nanmean(scored.nats))
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < found.nats < found.hi
    assert found.recall_100 == scored.recall(100).mean()
    assert found.regret is not None
    assert found.regret >= -1e-9
    assert 0 < found.covered <= 1  # type: ignore[operator]


def test_held_out_items_are_dropped_from_histories_and_not_asked_for() -> None:
    targets = SPLIT.validation
    kept = without(targets, UNSEEN)
    assert not UNSEEN[kept.item].any()
    wanted = [
        (int(targets.item[t]), [int(x) for x in targets.history(t) if not UNSEEN[x]])
        for t in range(len(targets))
        if not UNSEEN[targets.item[t]]
    ]
    assert [(int(kept.item[t]), kept.history(t).tolist()) for t in range(len(kept))] == [w for w in wanted if w[1]]
    found = reality(within(fitted_law(), ~UNSEEN), targets, "validation", "seen", UNSEEN)
    assert found.held_out == len(targets) - len(kept)
    assert found.inside + found.repeats + found.held_out + found.new == len(targets)


def test_a_law_that_holds_no_target_has_no_cost() -> None:
    none = within(fitted_law(), np.zeros(len(fitted_law().members), bool))
    found = reality(none, SPLIT.validation, "validation", "all")
    assert (found.inside, found.nats, found.recall_100) == (0, None, None)
    assert found.new == found.targets
    empty = Targets(*(getattr(SPLIT.validation, name)[:0] for name in ("user", "sequence", "start", "end")))
    assert reality(fitted_law(), empty, "validation", "all").targets == 0


def test_a_better_law_costs_less() -> None:
    """Without parts the priors are left: they know no history."""
    total = fitted_law().prior_share
    blind = dataclasses.replace(
        fitted_law(), parts=(), priors=tuple(dataclasses.replace(p, weight=p.weight / total) for p in fitted_law().priors)
    )
    costs = [reality(law, SPLIT.validation, "validation", "all").nats for law in (fitted_law(), blind)]
    assert costs[0] < costs[1] - 0.1  # type: ignore[operator]


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


def test_walks_without_held_out_items_are_asked_for_no_such_item() -> None:
    unseen = np.array([False, True, False, False, False, False])
    row = of_walks(GRAPH.induced(unseen == 0), GeneratorConfig(law="paper"), TARGETS, "test", "seen", MET, unseen)
    assert (row.inside, row.held_out, row.new) == (3, 2, 1)
    assert row.covered == pytest.approx(1 / 3)  # 3 → 4
