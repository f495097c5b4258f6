"""Splits: no leakage, full histories, equal times on one side, against a plain reading of the definitions."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import scramble_targets, tiny_log, tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.data.config import SplitConfig
from preceptor.data.log import CATALOGUE, Log, Targets, TrainSplit, count_parts
from preceptor.data.split import thresholds

Row = tuple[int, int, int]  # user, item, time; the place in the list is the file order


def log_of(rows: list[Row], timed: bool = True, n_items: int = 8) -> Log:
    """A log by the plain definitions: users by first interaction, rows by user, time, file order."""
    by_time = sorted(range(len(rows)), key=lambda r: (rows[r][2], r))
    users = list(dict.fromkeys(rows[r][0] for r in by_time))
    order = sorted(range(len(rows)), key=lambda r: (users.index(rows[r][0]), rows[r][2], r))
    ids = {"item_id": [f"i{i}" for i in range(n_items)]}
    items = pl.DataFrame({name: ids.get(name, [None] * n_items) for name in CATALOGUE}, schema=CATALOGUE)
    table = np.array([(users.index(rows[r][0]), rows[r][1], rows[r][2]) for r in order], np.int64).reshape(-1, 3)
    names = pl.Series("user_id", [str(u) for u in users])
    return Log(items, names, table[:, 0].astype(np.int32), table[:, 1].astype(np.int32), table[:, 2], timed=timed)


some_rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 12)), min_size=3, max_size=60)
timed_rows = some_rows.filter(lambda rows: len({t for _, _, t in rows}) >= 3)


def timelines(log: Log) -> list[list[tuple[int, int]]]:
    """(item, time) of each user in order."""
    return [[(int(log.item[r]), int(log.time[r])) for r in np.flatnonzero(log.user == u)] for u in range(len(log.user_ids))]


def as_set(targets: Targets) -> set[tuple[int, tuple[int, ...], int]]:
    """(user, history, item) of every target."""
    return {(int(targets.user[t]), tuple(targets.history(t).tolist()), int(targets.item[t])) for t in range(len(targets))}


def saved(part: TrainSplit, folder: Path) -> dict[str, bytes]:
    part.save(folder)
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@given(timed_rows, st.floats(0.1, 0.8), st.floats(0.05, 0.15))
def test_temporal_split_is_what_its_definition_says(rows: list[Row], first: float, width: float) -> None:
    log = log_of(rows)
    cut = log.split(SplitConfig(validation_from=first, test_from=first + width))
    assert cut.cuts is not None
    a, b = cut.cuts
    assert a < b
    assert cut.train.time.max() < a
    assert len(cut.train.user) == sum(t < a for _, _, t in rows)
    expected: dict[str, set[tuple[int, tuple[int, ...], int]]] = {"validation": set(), "test": set()}
    for user, line in enumerate(timelines(log)):
        for k, (item, time) in enumerate(line):
            if k and time >= a:
                expected["validation" if time < b else "test"].add((user, tuple(i for i, _ in line[:k]), item))
    assert as_set(cut.validation) == expected["validation"]
    assert as_set(cut.test) == expected["test"]
    # Nothing after the last target is kept with it: validation knows nothing of the test part.
    assert len(cut.validation) == 0 or cut.validation.end.max() == len(cut.validation.sequence) - 1


@given(timed_rows, st.floats(0.3, 0.8))
def test_thresholds_lie_on_changes_of_time_near_the_shares(rows: list[Row], share: float) -> None:
    time = np.array([t for _, _, t in rows])
    a, b = thresholds(time, share, share + 0.1)
    distinct = np.unique(time)
    assert a in distinct[1:]
    assert b in distinct
    # No more rows before the cut than asked, unless the first instant alone holds more; and no later cut would do, unless
    # it left nothing for validation and test.
    assert np.sum(time < a) <= share * len(time) or np.sum(distinct < a) == 1
    assert np.sum(time <= a) > share * len(time) or np.sum(distinct > a) == 1


@given(some_rows)
def test_leave_last_out_is_what_its_definition_says(rows: list[Row]) -> None:
    log = log_of(rows, timed=False)
    cut = log.split(SplitConfig(kind="leave-last-out"))
    validation, test, train = set(), set(), []
    for user, line in enumerate(timelines(log)):
        items = [i for i, _ in line]
        if len(items) >= 3:
            test.add((user, tuple(items[:-1]), items[-1]))
            validation.add((user, tuple(items[:-2]), items[-2]))
            items = items[:-2]
        train += [(user, i) for i in items]
    assert as_set(cut.test) == test
    assert as_set(cut.validation) == validation
    assert list(zip(cut.train.user.tolist(), cut.train.item.tolist(), strict=True)) == train


@given(timed_rows, st.integers(0, 2**31))
def test_nothing_of_the_training_part_depends_on_later_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], seed: int
) -> None:
    config = SplitConfig(validation_from=0.6, test_from=0.8, min_item_interactions=2, min_user_interactions=2)
    cut = thresholds(log_of(rows).time, 0.6, 0.8)[0]
    rng = np.random.default_rng(seed)
    other = [r if r[2] < cut else (int(rng.integers(0, 20)), int(rng.integers(0, 8)), r[2]) for r in rows]
    before, after = (saved(log_of(r).split(config).train, tmp_path_factory.mktemp("part")) for r in (rows, other))
    assert before == after


def test_equal_times_keep_file_order() -> None:
    rows = [(0, 3, 5), (0, 1, 5), (0, 2, 5), (1, 0, 1), (1, 1, 2), (0, 4, 6), (0, 6, 6)]
    cut = log_of(rows).split(SplitConfig(validation_from=0.6, test_from=0.8))
    assert cut.test.sequence.tolist() == [3, 1, 2, 4, 6]
    assert cut.test.history(1).tolist() == [3, 1, 2, 4]


def test_users_without_training_rows_come_after_those_with() -> None:
    cut = tiny_split(400, 60, seed=2)
    assert set(cut.train.user.tolist()) == set(range(cut.train.n_users))
    assert cut.test.user.max() >= cut.train.n_users
    assert len(cut.train.user_indptr) == cut.train.n_users + 1


def test_rare_items_and_users_leave_the_training_part_only() -> None:
    log = tiny_log(200, 60, seed=3)
    loose, strict = (log.split(SplitConfig(min_item_interactions=n, min_user_interactions=n)) for n in (1, 8))
    users = np.bincount(strict.train.user)
    assert len(strict.train.user) < len(loose.train.user)
    assert users[users > 0].min() >= 8
    assert as_set(strict.test) == as_set(loose.test)
    assert strict.train.n_users == loose.train.n_users


@pytest.mark.parametrize(
    ("rows", "timed", "config", "word"),
    [
        ([(0, 1, 1), (0, 2, 1), (1, 1, 2)], True, SplitConfig(), "2 distinct times"),
        ([(0, 1, 1), (0, 2, 2), (1, 1, 3)], False, SplitConfig(kind="temporal"), "no timestamps"),
    ],
)
def test_logs_that_cannot_be_cut_so_are_refused(rows: list[Row], timed: bool, config: SplitConfig, word: str) -> None:
    with pytest.raises(PreceptorError, match=word):
        log_of(rows, timed).split(config)


def test_auto_chooses_by_what_the_log_has() -> None:
    rows = [(u, u % 5, t) for u in range(4) for t in range(5)]
    assert log_of(rows).split().kind == "temporal"
    assert log_of(rows, timed=False).split().kind == "leave-last-out"
    assert log_of(rows).split(SplitConfig(kind="leave-last-out")).kind == "leave-last-out"


def test_summary_counts_add_up() -> None:
    log = tiny_log(300, 60, seed=1)
    parts = count_parts(log, log.split())["parts"]
    assert sum(parts[p]["interactions"] for p in parts) == len(log)
    assert parts["train"]["time"][1] < parts["validation"]["time"][0]
    assert parts["validation"]["time"][1] < parts["test"]["time"][0]
    assert parts["test"]["targets"] <= parts["test"]["interactions"]


@pytest.mark.parametrize("kind", ["temporal", "leave-last-out"])
def test_scrambling_changes_targets_and_nothing_known(kind: str) -> None:
    before = tiny_split(80, 50, seed=4, kind=kind)
    after = scramble_targets(before, seed=9)
    assert after.train is before.train
    for old, new in ((before.validation, after.validation), (before.test, after.test)):
        assert np.mean(old.item != new.item) > 0.9
        for t in range(len(old)):
            trained = np.sum(before.train.user == old.user[t])
            assert new.history(t)[:trained].tolist() == old.history(t)[:trained].tolist()


def test_parts_are_the_same_after_saving(tmp_path: Path) -> None:
    cut = tiny_split(kind="leave-last-out")
    cut.test.save(tmp_path / "test")
    cut.train.save(tmp_path / "train")
    assert as_set(Targets.load(tmp_path / "test")) == as_set(cut.test)
    train = TrainSplit.load(tmp_path / "train")
    assert train.items.equals(cut.train.items)
    assert np.array_equal(train.popularity, cut.train.popularity)
    assert train.session is None
