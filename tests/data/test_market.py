"""The simulated market: the same bytes everywhere, dials that do what they say, and a truth the fair family converges to."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.data import market_config
from preceptor.data.config import DataConfig
from preceptor.data.log import CATALOGUE, Log
from preceptor.data.market import market
from preceptor.data.market_config import MarketConfig
from preceptor.data.read import read
from preceptor.data.stage import key_config, run

SMALL = MarketConfig(n_interactions=4000, n_users=150, n_items=120)
NONE = {"popularity": 0.0, "position": 0.0, "exposure": 0.0}
DIALS = ("popularity", "position", "exposure")


def same(one: Log, two: Log) -> bool:
    arrays = all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("user", "item", "time", "session"))
    return arrays and one.items.equals(two.items) and one.user_ids.equals(two.user_ids)


def estimate(log: Log) -> np.ndarray:
    """Plain co-occurrence within users, each user's pairs weighted by 1/(length − 1); rows sum to 1, no diagonal."""
    n = log.items.height
    counts = np.zeros((int(log.user.max()) + 1, n))
    np.add.at(counts, (log.user, log.item), 1)
    met = counts.T @ (counts / np.maximum(counts.sum(axis=1, keepdims=True) - 1, 1))
    np.fill_diagonal(met, 0)
    return met / np.maximum(met.sum(axis=1, keepdims=True), 1e-300)


def distance(rows: np.ndarray, truth: np.ndarray, start: np.ndarray) -> float:
    """Mean total variation between rows of transition probabilities."""
    return float(start @ (0.5 * np.abs(rows - truth).sum(axis=1)))


@pytest.mark.parametrize("family", ["fair", "misleading"])
def test_the_log_does_not_depend_on_the_number_of_threads(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(SMALL, family=family)
    logs = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("PRECEPTOR_WORKERS", str(threads))
        logs.append(market(config).log())
    assert same(logs[0], logs[1])
    assert same(logs[0], logs[2])


def test_a_log_is_whole() -> None:
    made = market(SMALL)
    log = made.log()
    assert len(log) == SMALL.n_interactions
    assert dict(log.items.schema) == CATALOGUE
    assert log.items["title"].n_unique() == log.items.height == made.n_items == 120
    assert log.items["categories"].list.len().unique().to_list() == [3]
    assert (np.diff(log.user) >= 0).all()
    assert (np.diff(log.time)[np.diff(log.user) == 0] >= 0).all()
    first = np.flatnonzero(np.diff(log.user, prepend=-1))
    assert (np.diff(log.time[first]) >= 0).all()  # users are numbered by their first interaction
    assert log.user_ids.n_unique() == len(log.user_ids) == len(first)
    assert log.session is not None
    assert len(np.unique(log.session)) == len(np.unique(np.stack([log.session, log.user]), axis=1).T)


def test_other_seeds_give_other_markets_and_other_dials_the_same_one() -> None:
    one = market(SMALL)
    assert market(dataclasses.replace(SMALL, seed=1)).world.digest() != one.world.digest()
    other = market(dataclasses.replace(SMALL, **NONE))
    assert other.world.digest() == one.world.digest()
    assert not same(other.log(), one.log())
    assert same(other.uniform_log(), one.uniform_log())


@pytest.mark.parametrize("family", ["fair", "misleading"])
def test_the_truth_is_the_sum_over_users(family: str) -> None:
    made = market(dataclasses.replace(SMALL, family=family))
    items = np.array([0, 7, 119])
    rows = made.truth.users(items) @ made.truth.choices(np.arange(made.n_users))
    rows[np.arange(3), items] = 0
    rows /= rows.sum(axis=1, keepdims=True)
    assert np.allclose(made.truth_rows(items), rows, rtol=1e-12)
    assert np.allclose(made.truth_start, made.world.activity @ made.truth.choices(np.arange(made.n_users)), rtol=1e-12)
    assert made.truth_start.sum() == pytest.approx(1)


def test_cooccurrence_converges_to_the_truth_in_the_fair_family_and_not_in_the_misleading_one() -> None:
    found = {}
    for family in ("fair", "misleading"):
        found[family] = []
        for n in (5_000, 40_000, 320_000):
            config = MarketConfig(n_interactions=n, n_users=300, n_items=100, family=family, **NONE)  # type: ignore[arg-type]
            made = market(config)
            truth = made.truth_rows(np.arange(made.n_items))
            found[family].append(distance(estimate(made.log()), truth, made.truth_start))
    fair, misleading = found["fair"], found["misleading"]
    assert fair[1] < 0.5 * fair[0]  # eight times the rows: √8 times nearer, were it noise alone
    assert fair[2] < 0.5 * fair[1]
    assert fair[2] < 0.02
    assert min(misleading) > 0.1
    assert misleading[2] > 0.8 * misleading[1]


def test_a_market_is_named_on_the_command_line() -> None:
    parsed = market_config.parse("market:family=misleading,popularity=0.8,n_items=5000", seed=3)
    assert parsed == MarketConfig(family="misleading", popularity=0.8, n_items=5000, seed=3)
    assert market_config.parse("market:seed=4", seed=3).seed == 4
    assert market_config.parse("market") == MarketConfig()
    assert not market_config.is_market("markets/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("market:popularty=1", "did you mean 'popularity'"),
        ("market:popularity=1,popularity=0", "each key once"),
        ("market:popularity=2", "from 0 (none) to 1 (strong)"),
        ("market:popularity=nan", "from 0 (none) to 1 (strong)"),
        ("market:n_items=many", "a whole number"),
        ("market:n_items=5", "at least 48"),
        ("market:n_interactions=0", "1 to 1,000,000,000"),
        ("market:family=kind", "fair or misleading"),
        ("market:,", "nothing between two commas"),
    ],
)
def test_bad_settings_are_refused(text: str, said: str) -> None:
    with pytest.raises(PreceptorError) as caught:
        DataConfig(source=text)
    assert said in str(caught.value)


def test_the_stage_writes_what_the_truth_needs(tmp_path: Path) -> None:
    config = DataConfig(source="market:n_interactions=3000,n_users=100,n_items=100", seed=5)
    made = run(config, {}, tmp_path)
    made.verify()
    again = market_config.load(made.file("market.json"))
    assert again.seed == 5
    assert made.counts["interactions"] == 3000 == len(read(config.source, config))
    assert market(again).n_items == made.counts["items"]
    assert json.loads(json.dumps(key_config(config), default=vars))["market"]["n_items"] == 100
    assert not (made.path / "train" / "market.json").exists()  # the leak rule: no later stage is given the truth
