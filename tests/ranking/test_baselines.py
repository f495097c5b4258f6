"""Popularity and item-kNN against brute force."""

import math

import numpy as np
import pytest
import similaripy
from scipy import sparse

from fixtures import tiny_split
from preceptor.ranking.baselines import ItemKNN, Popularity, RP3Beta, cosine_neighbours, rp3beta_neighbours


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


@pytest.mark.parametrize("beta", [0.0, 0.6, 1.0])
def test_rp3beta_is_that_of_similaripy(beta: float) -> None:
    train = tiny_split(n_users=25).train
    met = np.zeros((train.n_users, train.n_items))
    met[train.user, train.item] = 1
    theirs = similaripy.rp3beta(
        sparse.csr_matrix(met.T), alpha=1.0, beta=beta, k=train.n_items, verbose=False, format_output="csr", num_threads=1
    ).toarray()
    np.fill_diagonal(theirs, 0)
    assert theirs.any()
    assert np.allclose(rp3beta_neighbours(train, train.n_items, beta).toarray(), theirs, rtol=1e-4)
    near = rp3beta_neighbours(train, 4, beta, rows=7).toarray()
    assert ((near > 0).sum(axis=1) <= 4).all()
    for a, row in enumerate(near):  # what is left out is no nearer than what is kept
        assert row.sum() == pytest.approx(np.sort(theirs[a])[-4:].sum(), rel=1e-4)


def test_rp3beta_scores_fade_with_age() -> None:
    split = tiny_split(n_users=25)
    near = rp3beta_neighbours(split.train, 5, 0.5).toarray()
    scores = RP3Beta(split.train, 5, 0.5, decay=1.0).with_decay(0.5).scores(split.test, np.array([3]))
    history = split.test.history(3).tolist()
    assert np.allclose(scores[0], sum(0.5**age * near[j] for age, j in enumerate(reversed(history))), atol=1e-6)
