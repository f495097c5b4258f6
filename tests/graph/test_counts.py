"""Counts that are kept: what they give is what counting the log gives, and changes alone lead to the same bytes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.graphs import split_of
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.graph import counts
from preceptor.graph.cooccurrence import Cooccurrence, cooccurrence, item_users
from preceptor.graph.weights import Weighting

HISTORIES = st.lists(st.lists(st.integers(0, 8), max_size=9), min_size=1, max_size=8)
WAYS = [(0, False), (1, False), (3, False), (2, True), (0, True)]


def arrays(found: Cooccurrence) -> dict[str, list[float]]:
    return {name: getattr(found, name).tolist() for name in ("indptr", "indices", "users", "strength")}


def stored(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def with_times(split: TrainSplit) -> TrainSplit:
    """Rows have times of their own, so that users can be told by their first row."""
    return dataclasses.replace(split, time=np.arange(len(split.item)) * 10)


@given(HISTORIES, st.sampled_from(WAYS), st.integers(1, 3), st.integers(0, 3), st.sampled_from(["count", "cosine", "lift"]))
@settings(max_examples=80, deadline=None)
def test_the_strongest_of_kept_counts_are_those_of_the_log(
    tmp_path_factory: pytest.TempPathFactory,
    histories: list[list[int]], way: tuple[int, bool], min_users: int, top_k: int, name: str,
) -> None:  # fmt: skip
    split, (window, directed) = split_of(histories, 9), way
    weighting = Weighting(name, len(np.unique(split.user)), shrinkage=2.0)
    kept = counts.count(split, window, directed, tmp_path_factory.mktemp("counts") / "kept")
    found = kept.strongest(weighting, item_users(split), directed, min_users, top_k)
    expected = cooccurrence(split, weighting, window, directed, min_users=min_users, top_k=top_k)
    assert arrays(found) == arrays(expected)


@given(HISTORIES, HISTORIES, st.sampled_from(WAYS), st.permutations(list(range(9))), st.booleans())
@settings(max_examples=150, deadline=None)
def test_changes_alone_lead_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    old: list[list[int]], more: list[list[int]], way: tuple[int, bool], place: list[int], appended: bool,
) -> None:  # fmt: skip
    """Rows added to known users and by new ones, or any other histories in their place; items numbered anew, some gone."""
    numbered = [[place[i] for i in history] for history in old]
    later = [[min(i, 6) for i in history] for history in more]  # items 7 and 8 are in the old log alone
    grown = [a + b for a, b in zip(numbered, later, strict=False)] + later[len(numbered) :] if appended else later
    n_items = 9 if appended else 7
    before, after = with_times(split_of(old, 9)), with_times(split_of(grown, n_items))
    window, directed = way
    folder = tmp_path_factory.mktemp("counts")
    kept = counts.count(before, window, directed, folder / "old")
    counts.refresh(kept, before, after, np.array(place), window, directed, folder / "new")
    counts.count(after, window, directed, folder / "anew")
    assert stored(folder / "new") == stored(folder / "anew")


def logs(seed: int, n_users: int = 400, n_items: int = 300, new: int = 200) -> tuple[TrainSplit, TrainSplit]:
    """A log, and the same a day later: rows at the end of some users' histories, and some new users."""
    rng = np.random.default_rng(seed)
    popularity = 1 / (np.arange(n_items) + 1.0)
    lengths = rng.integers(1, 60, n_users)
    histories = [rng.choice(n_items, n, p=popularity / popularity.sum()).tolist() for n in lengths]
    grown = [list(history) for history in histories] + [[] for _ in range(20)]
    for _ in range(new):
        grown[rng.integers(0, len(grown))].append(int(rng.integers(0, n_items)))
    return with_times(split_of(histories, n_items)), with_times(split_of(grown, n_items))


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_small_blocks_and_passes_change_no_byte_that_is_read(
    way: tuple[int, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by blocks of rows and passes over the changes; a row is cut nowhere."""
    before, after = logs(1)
    place = np.arange(before.n_items)
    whole = counts.count(after, *way, tmp_path / "whole")
    monkeypatch.setattr(counts, "BLOCK", 3000)
    monkeypatch.setattr(counts, "CHANGES", 500)
    kept = counts.count(before, *way, tmp_path / "old")
    new = counts.refresh(kept, before, after, place, *way, tmp_path / "new")
    assert len(new.cuts) > 5
    assert stored(tmp_path / "new") == stored(counts.count(after, *way, tmp_path / "anew").folder)
    assert [a.tolist() for a in new.rows(0, 300)] == [a.tolist() for a in whole.rows(0, 300)]
    assert [a.tolist() for a in new.rows(17, 90)] == [a.tolist() for a in whole.rows(17, 90)]


def test_a_pair_takes_two_to_three_bytes(tmp_path: Path) -> None:
    _, log = logs(2, 2000)
    kept = counts.count(log, 10, False, tmp_path / "kept")
    pairs = len(kept.rows(0, kept.n_items)[1])
    assert pairs > 20_000
    assert 2 <= kept.bytes[-1] / pairs < 3


def test_counts_of_another_log_are_refused(tmp_path: Path) -> None:
    before, after = logs(3)
    other, _ = logs(4)
    kept = counts.count(other, 3, False, tmp_path / "other")
    gone = dataclasses.replace(after, user=after.user[:0], item=after.item[:0], time=after.time[:0])
    with pytest.raises(PreceptorError, match="not those of its log"):
        counts.refresh(kept, before, gone, np.arange(300), 3, False, tmp_path / "new")


def test_damaged_counts_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    before, _ = logs(5)
    kept = counts.count(before, 3, False, tmp_path / "kept")
    data = np.load(tmp_path / "kept" / "00000.npy")
    data[:] = 255
    np.save(tmp_path / "kept" / "00000.npy", data)
    with pytest.raises(PreceptorError, match=r"(?s)Damaged counts.*00000\.npy"):
        kept.rows(0, 300)
