"""Distances to the market's truth: what is copied stays true, limits of known ladders, ceilings in their order."""

import numpy as np
import pytest

from preceptor.audit import truth
from preceptor.audit.config import AuditConfig
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import build_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.market.config import MarketConfig
from preceptor.market.simulate import market

SMALL = {"n_items": 60, "n_users": 100, "n_interactions": 4_000}
SETTINGS = GraphConfig(window=0, weight="count", min_users=1, top_k=0)


def test_copied_people_have_the_same_truth_and_as_long_histories() -> None:
    one = market(MarketConfig(**SMALL, sparsity=0.0))
    many = truth.copied(one, 5)
    items = np.arange(60)
    assert many.n_users == 500
    assert many.truth_rows(items) == pytest.approx(one.truth_rows(items), abs=1e-12)
    assert many.truth_start == pytest.approx(one.truth_start, abs=1e-12)
    lengths = [np.bincount(m.uniform_log().user).mean() for m in (one, many)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.05)


def test_limit_of_a_power_law_is_exact() -> None:
    ladder = [0.3 + 2.0 * (4.0**k) ** -0.5 for k in range(4)]
    assert truth.limit(ladder) == pytest.approx(0.3)
    assert truth.limit([0.3, 0.3, 0.3]) == 0.3


@pytest.mark.parametrize("ladder", [[0.5, 0.4], [0.5, 0.4, 0.2], [0.5, 0.4, 0.45], [0.5, None, 0.4], [0.4, 0.2, 0.1, 0.01]])
def test_no_limit_where_the_ladder_does_not_converge(ladder: list[float | None]) -> None:
    assert truth.limit(ladder) is None


def test_a_biased_log_is_farther_from_the_truth_than_its_ceilings() -> None:
    planted = market(MarketConfig(**SMALL, popularity=0.0, position=0.0, exposure=1.0))
    train = truth.as_train(planted.log())
    every = build_tables(build_graph(train, SETTINGS), train, GeneratorConfig())
    found = truth.report(train, every, SETTINGS, GeneratorConfig(), planted, AuditConfig(walks=500, truth_multiples=(1, 2, 4)))
    assert found["sources"] == 60
    assert found["graph"]["tv"] > found["uniform"][0]["tv"] + 0.05
    assert found["uniform"][0]["tv"] > found["uniform"][-1]["tv"], "more data of the same kind come nearer"
    assert found["graph"]["promotion_drift"] > abs(found["uniform"][0]["promotion_drift"]) + 0.04
    assert found["references"]["true shares"]["exposure_tv"] < found["references"]["popularity"]["exposure_tv"]
    assert found["shares"]["first-order"]["transitions"]["tv"] == pytest.approx(found["graph"]["tv"], abs=0.02)
    assert set(found["shares"]) == {"log", "first-order", "node2vec", "history"}


def test_shares_of_the_truth_do_not_drift() -> None:
    planted = market(MarketConfig(**SMALL))
    at = truth.percentiles_of(planted, np.arange(60))
    assert truth.shares(1e4 * planted.truth_start, planted.truth_start, at) == {
        "tv": pytest.approx(0, abs=1e-12),
        "popularity_drift": pytest.approx(0, abs=1e-12),
        "promotion_drift": pytest.approx(0, abs=1e-12),
        "shelf_drift": pytest.approx(0, abs=1e-12),
    }
    assert np.argmin(planted.shelf) == np.argmax(at["shelf"]), "the front of the page is at the top"
