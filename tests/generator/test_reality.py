"""The cost of a law on real next items: counted apart what it can't give, held-out items dropped, nothing upstream told."""

import dataclasses

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.data.log import Targets
from preceptor.generator.fit import FitConfig, fit
from preceptor.generator.made import within
from preceptor.generator.reality import reality, without
from preceptor.generator.score import score

SPLIT = tiny_split(n_users=120)
LAW = fit(SPLIT.train, FitConfig(resamples=2, singles=False)).mixture
UNSEEN = np.arange(SPLIT.train.n_items) % 5 == 2


def test_the_cost_is_the_mean_of_what_the_law_gives_targets() -> None:
    found = reality(LAW, SPLIT.validation, "validation", "all")
    scored = score(LAW, SPLIT.validation)
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
    found = reality(within(LAW, ~UNSEEN), targets, "validation", "seen", UNSEEN)
    assert found.held_out == len(targets) - len(kept)
    assert found.inside + found.repeats + found.held_out + found.new == len(targets)


def test_a_law_that_holds_no_target_has_no_cost() -> None:
    none = within(LAW, np.zeros(len(LAW.members), bool))
    found = reality(none, SPLIT.validation, "validation", "all")
    assert (found.inside, found.nats, found.recall_100) == (0, None, None)
    assert found.new == found.targets
    empty = Targets(*(getattr(SPLIT.validation, name)[:0] for name in ("user", "sequence", "start", "end")))
    assert reality(LAW, empty, "validation", "all").targets == 0


def test_a_better_law_costs_less() -> None:
    """Without parts the priors are left: they know no history."""
    total = LAW.prior_share
    blind = dataclasses.replace(
        LAW, parts=(), priors=tuple(dataclasses.replace(p, weight=p.weight / total) for p in LAW.priors)
    )
    costs = [reality(law, SPLIT.validation, "validation", "all").nats for law in (LAW, blind)]
    assert costs[0] < costs[1] - 0.1  # type: ignore[operator]
