"""Windows of real histories: every transition once an epoch, within the budget of positions, a function of the update."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures import tiny_split
from preceptor.ranking.histories import RealHistories

TRAINS = [tiny_split(n_users=15, seed=s).train for s in range(3)]


def epoch(source: RealHistories, first: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    source.batch(first)
    return [source.batch(first + u) for u in range(len(source._batches))]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 30), st.integers(1, 300), st.integers(0, 50))
def test_every_transition_once_an_epoch(length: int, positions: int, seed: int) -> None:
    train = TRAINS[seed % 3]
    source = RealHistories(train, length, positions, seed)
    met: Counter[tuple[int, int]] = Counter()
    for items, lengths in epoch(source):
        assert items.shape[1] <= length + 1
        assert (lengths >= 2).all()
        assert len(items) == 1 or len(items) * (items.shape[1] - 1) <= positions
        for row, n in zip(items, lengths, strict=True):
            met.update(zip(row[: n - 1].tolist(), row[1:n].tolist(), strict=True))
    same_user = train.user[:-1] == train.user[1:]
    assert met == Counter(zip(train.item[:-1][same_user].tolist(), train.item[1:][same_user].tolist(), strict=True))


def test_batches_are_a_function_of_the_update() -> None:
    train = tiny_split().train
    forward, backward = RealHistories(train, 8, 64, 5), RealHistories(train, 8, 64, 5)
    n = 3 * len(epoch(forward))
    ahead = [forward.batch(u) for u in range(n)]
    for u in reversed(range(n)):
        items, lengths = backward.batch(u)
        assert np.array_equal(items, ahead[u][0])
        assert np.array_equal(lengths, ahead[u][1])


def test_epochs_cut_anew() -> None:
    source = RealHistories(tiny_split(mean_length=30).train, 8, 64, 5)
    first = {tuple(row) for items, _ in epoch(source) for row in items.tolist()}
    second = {tuple(row) for items, _ in epoch(source, len(source._batches)) for row in items.tolist()}
    assert len(first & second) < 0.7 * len(first)
