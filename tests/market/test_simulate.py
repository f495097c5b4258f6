"""The simulated market: the same bytes everywhere, dials that do what they say, and a truth the fair family converges to."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.golden import values
from preceptor.core.errors import PreceptorError
from preceptor.data.config import DataConfig
from preceptor.data.log import CATALOGUE, Log
from preceptor.data.read import read
from preceptor.data.stage import STAGE, check, key
from preceptor.market import config as market_config
from preceptor.market import source as _market  # noqa: F401  makes the market known
from preceptor.market import truth as market_truth
from preceptor.market.config import MarketConfig
from preceptor.market.simulate import market

SMALL = MarketConfig(n_interactions=4000, n_users=150, n_items=120)
NONE = {"popularity": 0.0, "position": 0.0, "exposure": 0.0}


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


def test_rows_are_the_same_however_many_items_are_handled_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = market(SMALL).truth_rows(np.arange(5))
    monkeypatch.setattr(market_truth, "COLUMNS", 50)
    assert np.allclose(market(SMALL).truth_rows(np.arange(5)), whole, rtol=1e-13)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 400),
    users=st.integers(1, 40),
    items=st.integers(48, 90),
    family=st.sampled_from(["fair", "misleading"]),
    dials=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 4),
)
def test_any_market_gives_a_log_of_the_size_asked_for(
    n: int, users: int, items: int, family: str, dials: tuple[float, float, float, float]
) -> None:
    made = market(MarketConfig(n, users, items, family, *dials))  # type: ignore[arg-type]
    log = made.log()
    assert len(log) == n
    assert len(made.uniform_log(n + 7)) == n + 7
    assert 0 <= log.item.min() <= log.item.max() < made.n_items
    assert made.truth_rows(np.array([0])).sum() == pytest.approx(1)
    assert made.exposure.sum() == pytest.approx(1)


def test_cooccurrence_converges_to_the_truth_in_the_fair_family_and_not_in_the_misleading_one() -> None:
    found = {}
    for family in ("fair", "misleading"):
        found[family] = []
        for n in (10_000, 80_000, 640_000):
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


def ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(np.float64)


def test_each_dial_turns_what_it_is_named_after() -> None:
    """Rank correlation of an item's interactions with its promotion, its shelf place, and what popularity makes of both."""
    base = MarketConfig(n_interactions=30_000, n_users=600, n_items=500, **NONE)  # type: ignore[arg-type]

    def at(dial: str, value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        made = market(dataclasses.replace(base, **{dial: value}))
        met = np.bincount(made.log().item, minlength=made.n_items)
        return met, made.exposure, made.shelf

    def correlation(one: np.ndarray, two: np.ndarray) -> float:
        return float(np.corrcoef(ranks(one), ranks(two))[0, 1])

    promoted = [correlation(met, -market(base).world.promotion) for met, _, _ in (at("exposure", d) for d in (0, 0.5, 1))]
    placed = [correlation(met, -shelf) for met, _, shelf in (at("position", d) for d in (0, 0.5, 1))]
    largest = [np.sort(met)[-25:].sum() / met.sum() for met, _, _ in (at("popularity", d) for d in (0, 0.5, 1))]
    for risen in (promoted, placed):
        assert abs(risen[0]) < 0.12  # 500 items: a standard error of 0.045
        assert risen[0] + 0.1 < risen[1] < risen[2] - 0.1
    assert largest[0] + 0.1 < largest[1] < largest[2] - 0.1


def test_popularity_follows_exposure_more_as_the_dials_rise() -> None:
    found = []
    for dial in (0.0, 0.5, 1.0):
        made = market(MarketConfig(30_000, 600, 500, popularity=dial, position=dial, exposure=dial))
        met = np.bincount(made.log().item, minlength=made.n_items)
        looks = made.looks()
        assert (met <= looks).all()  # nobody takes what he hasn't looked at
        found.append(float(np.corrcoef(ranks(met), ranks(looks))[0, 1]))
    assert found[0] < 0.3
    assert min(found[1:]) > 0.7


def test_under_no_bias_every_choice_of_a_visit_follows_the_truth() -> None:
    """Fair family: the first choice, the next and the later ones all have the shares P*, though they hang together."""
    made = market(MarketConfig(120_000, 2000, 100, **NONE))  # type: ignore[arg-type]
    log = made.log()
    assert log.session is not None
    order = np.argsort(log.session, kind="stable")
    visit, item, truth = log.session[order], log.item[order], made.truth_start
    place = np.arange(len(log)) - np.searchsorted(visit, visit)
    for which in (place == 0, place == 1, place >= 2):
        n = int(which.sum())
        shares = np.bincount(item[which], minlength=100) / n
        statistic = n * ((shares - truth) ** 2 / truth).sum()  # about χ² of 99 degrees, were users all alike
        assert statistic < 2 * 99, statistic


def test_order_holds_information() -> None:
    """After a thing of one kind comes the next kind of its group more often than the one before it."""
    made = market(MarketConfig(40_000, 800, 500, **NONE))  # type: ignore[arg-type]
    log = made.log()
    assert log.session is not None
    kind = made.world.kind[log.item].astype(np.int64)
    together = (np.diff(log.session) == 0) & (np.diff(log.user) == 0)
    one, two = kind[:-1][together], kind[1:][together]
    assert (one // 4 == two // 4).all()
    forward = np.mean((two - one) % 4 == 1)
    backward = np.mean((one - two) % 4 == 1)
    assert forward > 0.4
    assert backward < 0.6 * forward


def test_at_the_sparse_end_most_things_are_met_once_or_twice() -> None:
    def share(sparsity: float) -> float:
        log = market(MarketConfig(30_000, sparsity=sparsity)).log()
        met = np.bincount(log.item)
        return float(np.mean(met[met > 0] <= 2))

    shares = [share(s) for s in (0, 0.5, 1)]
    assert shares[0] < 0.25
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] > 0.6


def test_in_the_misleading_family_people_take_one_of_a_kind() -> None:
    def same_kind(family: str) -> float:
        made = market(MarketConfig(20_000, 400, 500, family=family, **NONE))  # type: ignore[arg-type]
        log = made.log()
        kind = made.world.kind[log.item]
        near = (log.user[5:] == log.user[:-5]) & (kind[5:] == kind[:-5])
        return float(near.mean())

    assert same_kind("misleading") < 0.1 * same_kind("fair")


def test_traders_are_few_and_make_many_of_the_interactions() -> None:
    made = market(MarketConfig(20_000, 2000, 300, family="misleading"))
    log = made.log()
    number = np.array([int(name[1:]) for name in log.user_ids])
    traders = made.segments == made.world.n_tastes
    assert 0.005 < traders.mean() < 0.02
    assert 0.1 < traders[number[log.user]].mean() < 0.35
    assert not (market(MarketConfig(20_000, 2000, 300)).segments == made.world.n_tastes).any()


def test_parameters_and_bytes_are_frozen() -> None:
    """`make golden` writes the new state. A change makes every committed result of a market another market's."""
    assert values() == json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


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
        ("market:family=kind", "fair | misleading"),
        ("market:,", "nothing between two commas"),
    ],
)
def test_bad_settings_are_refused(text: str, said: str) -> None:
    with pytest.raises(PreceptorError) as caught:
        check(DataConfig(source=text))
    assert said in str(caught.value)


def test_filters_that_a_market_cannot_answer_are_refused() -> None:
    with pytest.raises(PreceptorError, match="neither ratings nor events"):
        read("market:n_interactions=100", DataConfig(min_rating=3))


def test_the_stage_writes_what_the_truth_needs(tmp_path: Path) -> None:
    config = DataConfig(source="market:n_interactions=3000,n_users=100,n_items=100", seed=5)
    made = STAGE.make(config, {}, tmp_path)
    made.verify()
    again = market_config.load(made.file("market.json"))
    assert again.seed == 5
    assert made.counts["interactions"] == 3000 == len(read(config.source, config))
    assert market(again).n_items == made.counts["items"]
    assert json.loads(json.dumps(key(config, {}).config, default=vars))["market"]["n_items"] == 100
    assert not (made.path / "train" / "market.json").exists()  # the leak rule: no later stage is given the truth
