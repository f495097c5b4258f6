"""Later rows can't move the cut, whatever becomes of them: the training part is the same to the byte."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.data.config import DataConfig, SplitConfig
from preceptor.data.log import Split, TrainSplit
from preceptor.data.read import read

Row = tuple[str, str, int, str]  # user, item, time, rating
T, N_ITEMS = 1_600_000_000, 8
CONFIG = DataConfig(
    min_rating=2,
    max_unusable=1.0,
    split=SplitConfig(validation_from=0.6, test_from=0.8, min_item_interactions=2, min_user_interactions=2),
)
rows_of_a_log = st.lists(
    st.tuples(
        st.integers(0, 5).map("u{}".format),
        st.integers(0, N_ITEMS - 1).map("i{}".format),
        st.integers(0, 12).map(lambda t: T + 1000 * t),
        st.integers(1, 5).map(str),
    ),
    min_size=12,
    max_size=60,
)
replacements = st.tuples(
    st.sampled_from(["", "u0", "u1", "u5", "u99", "=1"]),
    st.sampled_from(["", "i0", "i1", "i7", "unknown"]),
    st.sampled_from(["", "1", "5", "nan"]),
)


def cut_of(folder: Path, rows: list[Row], config: DataConfig = CONFIG) -> Split:
    folder.mkdir(exist_ok=True)
    lines = ["user_id,item_id,timestamp,rating", *(",".join(map(str, row)) for row in rows)]
    (folder / "interactions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = [f"i{k},Thing {k}" for k in range(N_ITEMS)]
    (folder / "items.csv").write_text("\n".join(["item_id,title", *items]) + "\n", encoding="utf-8")
    return read(folder, config).split(config.split)


def content(part: TrainSplit, folder: Path) -> dict[str, bytes]:
    part.save(folder)
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(rows_of_a_log, st.data())
def test_replacing_later_rows_by_anything_leaves_the_training_part(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Row], data: st.DataObject
) -> None:
    """By other rows, by copies of one another (dropped), by rows that are filtered, and by such as are set aside."""
    folder = tmp_path_factory.mktemp("log")
    try:
        before = cut_of(folder, rows)
    except PreceptorError:
        assume(False)
    assert before.cuts is not None
    later = [k for k, row in enumerate(rows) if row[2] >= before.cuts[0]]
    how = data.draw(st.sampled_from(["anything", "copies", "unusable"]))
    other = list(rows)
    for k in later:
        user, item, rating = data.draw(replacements) if how == "anything" else ("u0", "i0", "5" if how == "copies" else "")
        other[k] = (user, item if how != "unusable" else "unknown", rows[k][2], rating)
    after = cut_of(folder, other)
    assert after.cuts == before.cuts
    assert content(after.train, tmp_path_factory.mktemp("a")) == content(before.train, tmp_path_factory.mktemp("b"))


@pytest.mark.parametrize("how", ["copies", "filtered", "unusable"])
def test_rows_that_are_dropped_still_count_for_the_cut(how: str, tmp_path: Path) -> None:
    """A hundred rows of one user a minute; of the last forty all but two are dropped. The cut stays at 60 %."""
    rows: list[Row] = [(f"u{k % 5}", f"i{k % N_ITEMS}", T + 60 * (k // 2), "5") for k in range(100)]
    whole = cut_of(tmp_path / "whole", rows)
    for k in range(60, 100):
        if k % 20 > 1:
            user, item, rating = {"copies": ("u0", "i0", "5"), "filtered": ("u1", "i1", "1"), "unusable": ("", "i1", "5")}[how]
            rows[k] = (user, item, rows[k][2], rating)
    cut = cut_of(tmp_path / "cut", rows)
    assert whole.cuts == cut.cuts == (T + 60 * 30, T + 60 * 40)
    assert content(cut.train, tmp_path / "a") == content(whole.train, tmp_path / "b")


def test_the_unit_of_times_is_a_vote_of_all_rows_with_a_time(tmp_path: Path) -> None:
    """Two rows in three have milliseconds; that their items are unknown doesn't make the others the majority."""
    rows: list[Row] = [(f"u{k % 4}", "i1", T + k, "5") for k in range(20)]
    rows += [(f"u{k % 4}", "i2" if k < 10 else "unknown", (T + k) * 1000, "5") for k in range(40)]
    log_times = read_times(tmp_path, rows)
    assert len(log_times) == 10
    assert log_times.min() == T


def read_times(folder: Path, rows: list[Row]) -> np.ndarray:
    cut_of(folder, rows, DataConfig(max_unusable=1.0, split=SplitConfig(validation_from=0.2, test_from=0.4)))
    return read(folder, DataConfig(max_unusable=1.0)).time


def test_a_log_whose_rows_all_count_keeps_no_second_clock(tmp_path: Path) -> None:
    rows: list[Row] = [(f"u{k % 5}", f"i{k % N_ITEMS}", T + 60 * k, "5") for k in range(30)]
    cut_of(tmp_path, rows)
    assert read(tmp_path).clock is None
    rows[7] = ("", "i1", T, "5")
    cut_of(tmp_path, rows)
    clock = read(tmp_path).clock
    assert clock is not None
    assert len(clock) == 30
