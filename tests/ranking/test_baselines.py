"""Popularity and item-kNN against brute force."""

import math

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.ranking.baselines import ItemKNN, Popularity, cosine_neighbours


def test_popularity_counts_the_newest_share() -> None:
    split = tiny_split()
    train = split.train
    assert Popularity(train).scores(split.test, np.arange(2)).tolist() == [train.popularity.tolist()] * 2
    newest = sorted(range(len(train.item)), key=lambda r: (train.time[r], r))[-round(len(train.item) * 0.25) :]
    counts = np.bincount(train.item[newest], minlength=train.n_items)
    assert Popularity(train, recent=0.25).scores(split.test, np.arange(1))[0].tolist() == counts.tolist()


@pytest.mark.parametrize("neighbours", [3, 100])
def test_item_knn_by_brute_force(neighbours: int) -> None:
    split = tiny_split(n_users=25)
    train = split.train
    users = [set(train.user[train.item == i].tolist()) for i in range(train.n_items)]

    def cosine(a: int, b: int) -> float:
        return len(users[a] & users[b]) / math.sqrt(len(users[a]) * len(users[b])) if users[a] and users[b] and a != b else 0.0

    near = []
    for a in range(train.n_items):
        order = sorted(range(train.n_items), key=lambda b: (-cosine(a, b), b))[:neighbours]
        near.append({b: cosine(a, b) for b in order})
    got = cosine_neighbours(train, neighbours, rows=7).toarray()
    assert np.allclose(got, [[row.get(b, 0.0) for b in range(train.n_items)] for row in near])

    rows = np.array([4, 1])
    scores = ItemKNN(train, neighbours, decay=0.5).scores(split.test, rows)
    for b, t in enumerate(rows):
        history = split.test.history(int(t)).tolist()
        expected = [
            sum(0.5**age * near[j].get(x, 0.0) for age, j in enumerate(reversed(history))) for x in range(train.n_items)
        ]
        assert np.allclose(scores[b], expected, atol=1e-6)
