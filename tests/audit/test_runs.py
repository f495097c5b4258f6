import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.audit.runs import Runs, flat

Sequences = st.lists(st.lists(st.integers(0, 3), max_size=12), max_size=8)


def joined(sequences: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    items = np.array([i for s in sequences for i in s], np.int32)
    return items, np.concatenate([[0], np.cumsum([len(s) for s in sequences])]).astype(np.int64)


@settings(deadline=None, max_examples=150)
@given(Sequences, Sequences, st.integers(1, 8))
def test_runs_are_those_found_by_comparing_everything(known: list[list[int]], asked: list[list[int]], n: int) -> None:
    """Four items only, so that equal runs, repeats and full tables are common."""
    items, indptr = joined(known)
    index = Runs.of(items, indptr, n)
    holders: dict[tuple[int, ...], set[int]] = {}
    first: dict[tuple[int, ...], int] = {}
    for s, history in enumerate(known):
        for p in range(len(history) - n + 1):
            run = tuple(history[p : p + n])
            holders.setdefault(run, set()).add(s)
            first.setdefault(run, int(indptr[s]) + p)
    queries, borders = joined(asked)
    expected = np.full(len(queries), -1)
    for s, history in enumerate(asked):
        for p in range(len(history) - n + 1):
            expected[borders[s] + p] = first.get(tuple(history[p : p + n]), -1)
    np.testing.assert_array_equal(index.find(queries, borders), expected)
    assert {run for run, p in first.items() if index.shared[p]} == {run for run, who in holders.items() if len(who) > 1}


def test_the_rolling_hash_is_that_of_the_run_wherever_it_stands() -> None:
    """A run is found at every offset of a long sequence, so rolling gives what hashing afresh gives."""
    rng = np.random.default_rng(0)
    sequence = rng.integers(0, 1000, 500).astype(np.int32)
    index = Runs.of(sequence, np.array([0, 500]), 5)
    for p in range(0, 496, 7):
        assert index.find(sequence[p : p + 5], np.array([0, 5]))[0] == p


def test_flat_leaves_out_what_is_beyond_a_walks_end() -> None:
    items, indptr = flat(np.array([[1, 2, -1], [3, -1, -1], [4, 5, 6]]), np.array([2, 1, 3]))
    assert items.tolist() == [1, 2, 3, 4, 5, 6]
    assert [items[a:b].tolist() for a, b in itertools.pairwise(indptr)] == [[1, 2], [3], [4, 5, 6]]
