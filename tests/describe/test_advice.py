import json

import numpy as np
import polars as pl

from describe.test_edges import ring
from describe.test_sequential import chains
from fixtures import tiny_log
from preceptor.data.config import SplitConfig
from preceptor.data.log import CATALOGUE, Log
from preceptor.describe.advice import Advice, advise
from preceptor.describe.advice_tables import tables


def log_of(histories: list[list[int]], n_items: int, times: list[list[int]] | None = None) -> Log:
    user = np.repeat(np.arange(len(histories), dtype=np.int32), [len(h) for h in histories])
    item = np.array([i for h in histories for i in h], np.int32)
    time = np.array([t for h in times or [range(len(h)) for h in histories] for t in h], np.int64)
    rows = [{"item_id": str(i), "title": f"Thing {i}"} for i in range(n_items)]
    items = pl.DataFrame([{**dict.fromkeys(CATALOGUE), **row} for row in rows], schema=CATALOGUE)
    return Log(items, pl.Series("user_id", [str(u) for u in range(len(histories))]), user, item, time, timed=times is not None)


def said(found: Advice) -> str:
    return " ".join(found.sentences)


def test_histories_that_jump_call_for_a_window() -> None:
    found = said(advise(log_of(ring(300, 120, 31, jump=0.35, back=0.25, far=3), 120)))
    assert "neighbours in a history belong together" in found
    assert "Try graph.window=2" in found
    assert "The price: a smaller window counts fewer meetings" in found


def test_histories_that_go_on_call_for_direction() -> None:
    found = said(advise(log_of(ring(1000, 120, 6, jump=0.05, back=0.1, far=12), 120)))
    assert "The order has one strict direction" in found
    assert "Try graph.directed=true" in found
    assert "The price: each direction has fewer meetings" in found


def test_a_direction_that_helps_no_edge_is_only_told() -> None:
    found = said(advise(log_of(ring(500, 120, 20, jump=0.3, back=0.3, far=3), 120)))
    assert "The order has a direction: read backwards" in found
    assert "Try graph.directed=true" not in found


def test_histories_without_order_call_for_baskets() -> None:
    """Users of two tastes who pick at random within them: co-occurrence helps, order does not."""
    rng = np.random.default_rng(0)
    histories = [(rng.permutation(30)[:10] + 30 * (u % 2)).tolist() for u in range(150)]
    found = advise(log_of(histories, 60))
    assert "does not show that order matters" in said(found)
    assert "Try graph.window" not in said(found)  # nothing but counting more meetings can help
    assert found.power[0].knn > found.power[0].popularity


def test_ties_in_the_order_of_the_catalogue_are_called_the_files_doing() -> None:
    rng = np.random.default_rng(1)
    histories = [np.sort(rng.permutation(60)[:10]).tolist() for _ in range(120)]
    times = [[1_600_000_000 + 1000 * u] * 9 + [1_600_900_000 + u] for u in range(120)]
    found = said(advise(log_of(histories, 60, times), SplitConfig(kind="leave-last-out")))
    assert "whoever wrote the file made the order" in found
    assert "does not show that order matters" in found  # the file's order is not taken for the users'


def test_histories_in_the_order_of_the_catalogue_are_not_taken_for_order() -> None:
    rng = np.random.default_rng(2)
    found = said(advise(log_of([np.sort(rng.permutation(60)[:10]).tolist() for _ in range(120)], 60)))
    assert "follow the order of the catalogue: 100% of steps go up" in found
    assert "graph.window=0" in found
    assert "graph.directed=true" not in found


def test_a_sparse_log_is_told_what_its_edges_reach() -> None:
    found = advise(log_of([[2 * u, 2 * u + 1] * 3 for u in range(40)], 100))
    assert found.shape.reach[1] == 0.8
    assert "reach 0% of the catalogue, and edges of 1 user reach 80%" in said(found)
    assert "Its price is privacy" in said(found)


def test_a_sparse_log_is_not_advised_fewer_users_where_they_reach_no_more() -> None:
    found = advise(log_of([[k % 4, (k + 1) % 4, (k + 2) % 4] for k in range(40)], 100))
    assert found.shape.reach[1] == found.shape.reach[2] < 0.6
    assert "graph.min_users=1" not in said(found)


def test_a_log_that_cant_be_cut_in_time_is_still_described() -> None:
    times = [[1_600_000_000] * 5 for _ in range(40)]
    found = advise(log_of(chains(40, 20, 5, 0.5), 20, times))
    assert found.split == "leave-last-out"
    assert "can't be cut as asked" in found.sentences[0]


def test_few_test_users_stand_beside_leave_last_out() -> None:
    found = advise(tiny_log(120, 40), source="tiny")
    assert {p.split for p in found.power} == {"temporal", "leave-last-out"}
    assert "leak into its training part" in said(found)
    assert json.loads(json.dumps(found.as_dict()))["source"] == "tiny"
    titles = [title for title, _, _ in tables(found)]
    assert [t.split()[0] for t in titles] == ["tiny:", "Does", "Which", "What", "What"]


def test_the_test_part_is_only_counted() -> None:
    """Other test items, the same advice."""
    log = tiny_log(120, 40)
    config = SplitConfig(kind="temporal", few_users=0)
    first = log.split(config).cuts
    assert first is not None
    late = log.time >= first[1]
    item = np.where(late, np.random.default_rng(5).integers(0, 40, len(log)), log.item).astype(np.int32)
    other = Log(log.items, log.user_ids, log.user, item, log.time)
    assert advise(log, config).as_dict() == advise(other, config).as_dict()
