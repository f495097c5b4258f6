import numpy as np
import polars as pl
import pytest

from fixtures import tiny_log
from preceptor.data.log import TrainSplit
from preceptor.describe.shape import WINDOW, shape


def split_of(histories: list[list[int]], times: list[list[int]] | None = None, n_items: int = 10) -> TrainSplit:
    user = np.repeat(np.arange(len(histories), dtype=np.int32), [len(h) for h in histories])
    item = np.array([i for h in histories for i in h], np.int32)
    time = np.array([t for h in times or [range(len(h)) for h in histories] for t in h], np.int64)
    return TrainSplit(pl.DataFrame({"item_id": [str(i) for i in range(n_items)]}), len(histories), user, item, time)


def test_counts_by_hand() -> None:
    found = shape(split_of([[0, 1, 1, 0], [0, 2], [3]]), timed=False)
    assert (found.users, found.items, found.interactions, found.catalogue) == (3, 4, 7, 10)
    assert found.density == pytest.approx(5 / 12)
    assert found.single == pytest.approx(1 / 3)
    assert found.rare == {2: 3 / 4, 5: 1.0}
    assert found.repeats == pytest.approx(2 / 7)
    assert found.in_a_row == pytest.approx(1 / 7)
    assert (found.gap, found.sittings, found.sessions, found.tied) == ((), {}, {}, 0.0)


def test_reach_counts_distinct_users_within_the_window() -> None:
    far = [0, *[9, 8] * WINDOW, 1]  # 0 and 1 are further apart than a window
    found = shape(split_of([[0, 1], [1, 0], [0, 1, 0, 1], far, [2, 3]]), timed=False)
    assert found.reach[1] == 0.6  # 0, 1, 2, 3, 8, 9
    assert found.reach[2] == 0.2  # 0 and 1: three users, however often they met
    assert found.reach[5] == 0.0


def test_reach_of_a_large_log_is_estimated_on_some_items(monkeypatch: pytest.MonkeyPatch) -> None:
    log = tiny_log(200, 40, mean_length=12)
    train = log.split().train
    whole = shape(train, True).reach
    monkeypatch.setattr("preceptor.describe.shape._KEYS", len(train.item) * WINDOW)  # half of the meetings
    part = shape(train, True).reach
    assert all(abs(part[m] - whole[m]) + (whole[m] in (0.0, 1.0)) > 0 for m in whole)  # other items, another figure
    assert all(abs(part[m] - whole[m]) < 0.35 for m in whole)


def test_tied_times_and_the_order_they_stand_in() -> None:
    sorted_by_file = shape(split_of([[1, 4, 7, 2, 3]], [[10, 10, 10, 90, 90]]), timed=True)
    assert sorted_by_file.tied == 0.75
    assert sorted_by_file.ties_ascending == 1.0
    assert shape(split_of([[4, 1, 2, 3]], [[1, 1, 2, 3]]), timed=True).ties_ascending == 0.0
    assert shape(split_of([[4, 1]], [[86_400, 172_800]]), timed=True).days
    assert sorted_by_file.ascending == 0.0  # 7 → 2, the only step in time
    assert shape(split_of([[1, 4, 4, 2, 5]]), timed=False).ascending == 2 / 3


def test_sittings_end_after_half_an_hour() -> None:
    found = shape(split_of([[0, 1, 2, 3], [4, 5], [6]], [[0, 60, 1860, 5000], [0, 100], [7]]), timed=True)
    assert found.sittings == {"number": 4, "interactions": 7 / 4, "one_only": 0.5, "longest": 0.875}
    assert found.gap == (90, 950, 2135)  # of 60, 100, 1800 and 3140 s


def test_heavy_users_weigh_more_in_baskets_than_in_windows() -> None:
    found = shape(split_of([list(range(10)) * 20, *[[0, 1]] * 99]), timed=False)
    assert found.heavy["interactions"] == pytest.approx(200 / 398)
    assert found.heavy["basket_pairs"] == pytest.approx(19_900 / 19_999)
    assert found.heavy["window_pairs"] == pytest.approx((10 * 200 - 55) / (10 * 200 - 55 + 99))


def test_sessions_of_the_log_are_counted() -> None:
    plain = split_of([[0, 1, 2], [3]])
    train = TrainSplit(plain.items, 2, plain.user, plain.item, plain.time, np.array([0, 0, 1, -1]))
    assert shape(train, False).sessions == {"number": 2, "interactions": 1.5, "share_of_rows": 0.75}
