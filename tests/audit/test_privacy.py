import dataclasses

import numpy as np
import polars as pl
import pytest

from audit.test_membership import drawn
from audit.test_runs import joined
from fixtures import tiny_split
from preceptor.audit.config import PrivacyConfig
from preceptor.audit.privacy import EVERY, RUNS, half, halvings, memorised, report
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import build_tables
from preceptor.generator.walks import sample
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

SMALL = PrivacyConfig(halvings=4, walks=2000, released=(100, 2000), bootstraps=50)


def split_of(histories: list[list[int]], n_items: int) -> TrainSplit:
    items, indptr = joined(histories)
    user = np.repeat(np.arange(len(histories), dtype=np.int32), np.diff(indptr))
    return TrainSplit(
        pl.DataFrame({"item_id": [str(i) for i in range(n_items)]}), len(histories), user, items, np.arange(len(items))
    )


def test_one_users_own_sequence_is_found_in_walks_and_gone_at_two_users() -> None:
    """Sixty users of twenty items, and one who alone met items 20 … 29, in that order."""
    crowd, secret = drawn(60, 20, 0), list(range(20, 30))
    train = split_of([*crowd, secret], 30)
    config = GraphConfig(window=1, directed=True, min_users=1, top_k=0)
    for minimum, expected in ((1, True), (2, False)):
        settings = dataclasses.replace(config, min_users=minimum)
        walks, lengths = sample(build_tables(build_graph(train, settings), train, GeneratorConfig()), 0, "t", 0, 5000)
        found = memorised(walks, lengths, joined([secret]), joined(crowd))
        assert (found["members"] > 0).tolist() == [expected] * len(RUNS)
        np.testing.assert_array_equal(found["members"], found["members_alone"])
    walks, lengths = sample(build_tables(build_graph(train, config), train, GeneratorConfig()), 0, "t", 0, 5000)
    whole = memorised(walks, lengths, joined([*crowd, secret]), joined(crowd))
    assert whole["members_alone"][-1] > 0  # a run of eight items that one person alone has
    assert whole["others"][-1] < whole["members"][-1]


def test_shares_of_walks_by_hand() -> None:
    walks = np.array([[0, 1, 2, 3], [2, 3, 4, -1], [9, 9, 9, 9], [0, 1, 9, 2]])
    found = memorised(walks, np.array([4, 3, 4, 4]), joined([[0, 1, 2], [5, 0, 1, 2], [2, 3, 4]]), joined([[9]]), (2, 3, 4))
    assert found["members"].tolist() == [0.75, 0.5, 0.0]
    assert found["members_alone"].tolist() == [0.5, 0.25, 0.0]  # 0 1 2 is held by two; 2 3 and 3 4 by one
    assert found["others"].tolist() == found["others_alone"].tolist() == [0, 0, 0]


def test_halves_are_disjoint_and_random() -> None:
    people = np.array([0, 1, 2, 4, 6, 7, 9])
    made = list(halvings(people, 10, 5, 0))
    assert all(member.sum() == 4 and not member[[3, 5, 8]].any() for member in made)
    assert len({tuple(m) for m in made}) > 1


def test_half_of_a_log_holds_the_histories_of_that_half() -> None:
    train = tiny_split().train
    member = np.arange(train.n_users) % 2 == 0
    part = half(train, member)
    assert part.n_users == train.n_users
    for u in (0, 1, 4):
        mine = part.item[part.user_indptr[u] : part.user_indptr[u + 1]]
        whole = train.item[train.user_indptr[u] : train.user_indptr[u + 1]]
        np.testing.assert_array_equal(mine, whole if u % 2 == 0 else [])


def test_private_sequences_show_in_the_whole_report_and_fade_with_the_minimum() -> None:
    """Each user has ten items of their own: at one user an edge everything is remembered, at two nothing can be walked."""
    train = split_of([list(range(10 * u, 10 * u + 10)) for u in range(30)], 300)
    found = report(
        train, GraphConfig(window=1, directed=True), GeneratorConfig(), dataclasses.replace(SMALL, min_users=(1, 2)), 0
    )
    rows = {row["run"]: row for row in found["memorisation"]}
    assert rows[3]["members_alone"] > 0.5
    assert rows[3]["others"] == 0
    assert rows[3]["interval"][0] > 0
    area = {(row["attack"], row["walks"]): row["auc"] for row in found["membership"]}
    assert area["rare pairs", EVERY] == area["rare pairs", 2000] == 1.0
    assert area["nearest walk", 2000] > 0.95
    assert [row["min_users"] for row in found["left_out"]] == [2]
    assert "No walk can start" in found["left_out"][0]["why"]


def test_users_without_habits_of_their_own_give_little_away_at_five_users() -> None:
    """All users draw from one distribution over 15 items: each pair is common, so who was in matters little.

    How often pairs are drawn says more than whether they are: a hundred users shape the weights of a hundred pairs.
    """
    train = split_of([np.random.default_rng(u).permutation(15)[:6].tolist() for u in range(200)], 15)
    found = report(train, GraphConfig(), GeneratorConfig(), dataclasses.replace(SMALL, min_users=(5,)), 0)
    for row in found["membership"]:
        assert abs(row["auc"] - 0.5) < (0.25 if row["attack"] == "pair counts" else 0.12), row
        assert row["interval"][0] <= row["auc"] <= row["interval"][1]
    assert found["memorisation"][-1]["interval"] is None  # no history is as long as eight
    for row in found["memorisation"][:1]:
        assert row["interval"][0] <= row["difference"] <= row["interval"][1]
        assert row["difference"] == pytest.approx(row["members"] - row["others"])


def test_equal_seeds_equal_figures_and_few_people_are_left_out() -> None:
    train = tiny_split().train
    config = dataclasses.replace(SMALL, min_users=(1,), halvings=2, walks=200, released=(100,), users=20)
    assert report(train, GraphConfig(), GeneratorConfig(), config, 3) == report(
        train, GraphConfig(), GeneratorConfig(), config, 3
    )
    assert report(train, GraphConfig(), GeneratorConfig(), config, 3) != report(
        train, GraphConfig(), GeneratorConfig(), config, 4
    )
    alone = report(split_of([[0, 1], [1, 0]], 2), GraphConfig(), GeneratorConfig(), config, 0)
    assert alone["left_out"] == [{"min_users": 1, "why": "fewer than four users"}]


def test_of_many_users_some_are_halved() -> None:
    train = tiny_split(n_users=80).train
    config = dataclasses.replace(SMALL, min_users=(1,), halvings=2, walks=200, released=(100,), graph_users=30)
    assert report(train, GraphConfig(), GeneratorConfig(), config, 0)["users"] == 30
    assert report(train, GraphConfig(), GeneratorConfig(), dataclasses.replace(config, graph_users=80), 0)["users"] > 30
