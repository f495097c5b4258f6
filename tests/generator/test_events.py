import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fixtures
from graph.graphs import split_of
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator import events as ev


def timed_split() -> TrainSplit:
    return fixtures.tiny_split(200, 30).train


def test_a_timed_log_is_cut_in_time() -> None:
    split = timed_split()
    found = ev.events(split)
    (fold,) = found.folds
    assert found.timed
    assert found.cut is not None
    assert fold.inner.time.max() < found.cut
    assert (split.time[fold.events.end] >= found.cut).all()
    assert (fold.events.start < fold.events.end).all()
    assert 0.85 < len(fold.inner.item) / len(split.item) <= 0.9
    later = np.flatnonzero((split.time >= found.cut) & np.concatenate([[False], np.diff(split.user) == 0]))
    assert fold.events.end.tolist() == later.tolist()


def test_an_ordered_log_gives_each_users_last_item_and_graphs_of_others() -> None:
    random = np.random.default_rng(0)
    split = split_of([random.integers(0, 9, random.integers(1, 6)).tolist() for _ in range(40)], 9)
    found = ev.events(split)
    assert not found.timed
    assert len(found.folds) == 5
    lengths = np.diff(split.user_indptr)
    assert sorted(found.user.tolist()) == np.flatnonzero(lengths > 1).tolist()
    for fold in found.folds:
        assert not np.isin(fold.inner.user, fold.events.user).any()
        assert (fold.events.end == split.user_indptr[fold.events.user + 1] - 1).all()


def test_few_of_many_users_make_one_fold() -> None:
    split = split_of([[0, 1, 2]] * 100, 3)
    found = ev.events(split, cap=20)
    assert [len(fold.events) for fold in found.folds] == [20]
    assert found.found == 100
    assert len(np.unique(found.folds[0].inner.user)) == 80


def test_the_sample_is_keyed_and_nested_in_the_events() -> None:
    split = timed_split()
    whole, some = ev.events(split), ev.events(split, cap=50)
    assert len(some) == 50
    assert set(some.folds[0].events.end) <= set(whole.folds[0].events.end)
    assert ev.events(split, cap=50).folds[0].events.end.tolist() == some.folds[0].events.end.tolist()


@given(st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=6), min_size=1, max_size=4), st.booleans())
def test_what_lies_inside(histories: list[list[int]], repeats: bool) -> None:
    split = split_of(histories, 5)
    members = np.array([True, True, False, True, True])
    rows = np.flatnonzero(np.concatenate([[False], np.diff(split.user) == 0]))
    targets = ev._targets(split, rows)
    expected = [
        members[targets.item[t]] and (repeats or targets.item[t] not in targets.history(t)) for t in range(len(targets))
    ]
    assert ev.inside(targets, members, repeats).tolist() == expected


def test_a_log_without_next_items_is_refused() -> None:
    with pytest.raises(PreceptorError, match="No next item"):
        ev.events(split_of([[0], [1], [2]], 3))


def test_positions_are_told_from_times() -> None:
    split = timed_split()
    assert ev.is_timed(split)
    assert not ev.is_timed(split_of([[0, 1], [1, 2, 0]], 3))
    shifted = dataclasses.replace(split_of([[0, 1], [1, 2, 0]], 3), time=np.array([1, 2, 1, 2, 3]))
    assert not ev.is_timed(shifted)
