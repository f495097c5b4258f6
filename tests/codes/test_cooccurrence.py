"""Real pairs against matched ones, and intervals over users."""

import numpy as np
import pytest

from preceptor.codes.cooccurrence import UserResamples, auc, held_out_pairs, shared_codes, training_pairs
from preceptor.data.log import Targets, TrainSplit


def test_partners_are_as_popular(train: TrainSplit) -> None:
    pairs = training_pairs(train, seed=0)
    assert pairs is not None
    assert (pairs.a != pairs.b).all()
    assert (pairs.a != pairs.other).all()
    assert (pairs.other != pairs.b).all()
    rank = np.argsort(np.argsort(-train.popularity, kind="stable"))
    assert np.quantile(np.abs(rank[pairs.b] - rank[pairs.other]), 0.9) <= 10


def test_no_pairs(train: TrainSplit) -> None:
    alone = TrainSplit(train.items, 3, np.arange(3, dtype=np.int32), np.arange(3, dtype=np.int32), np.arange(3))
    assert training_pairs(alone, 0) is None


def test_held_out_pairs_end_in_the_targets(train: TrainSplit) -> None:
    sequence = np.array([5, 6, 7, 7, 299], np.int32)  # item 299 has no training interactions
    targets = Targets(np.array([0, 0, 1], np.int32), sequence, np.array([0, 0, 2]), np.array([1, 2, 3]))
    pairs = held_out_pairs(train, targets, 0)
    assert pairs is not None
    assert list(zip(pairs.a, pairs.b, pairs.user, strict=True)) == [(5, 6, 0), (6, 7, 0)]
    untouched = Targets(np.array([2], np.int32), sequence, np.array([3]), np.array([4]))
    other = held_out_pairs(train, untouched, 0)
    assert other is not None
    assert train.popularity[other.other[0]] == 0


def test_shared_codes_count_wherever_they_stand() -> None:
    codes = np.array([[1, 2, 3], [3, 2, 9], [7, 8, 9]])
    assert shared_codes(codes, np.array([0, 0, 1]), np.array([1, 2, 2])).tolist() == [2, 0, 1]


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx((0.5 + 1 + 1 + 1) / 4)


def test_resamples_centre_on_the_auc_and_are_paired() -> None:
    draws = np.random.default_rng(0)
    user = draws.integers(0, 300, 3000)
    good, bad = draws.integers(1, 6, 3000).astype(float), draws.integers(0, 5, 3000).astype(float)
    resamples = UserResamples(user)
    found = resamples.aucs(good, bad)
    assert abs(found.mean() - auc(good, bad)) < 0.005
    assert 0.003 < found.std() < 0.02
    assert np.array_equal(found, resamples.aucs(good, bad))
    assert np.abs(found - resamples.aucs(good * 2, bad * 2)).max() < 1e-12


def test_resamples_bin_continuous_scores_finely() -> None:
    draws = np.random.default_rng(0)
    a, b = draws.standard_normal(2000) + 0.5, draws.standard_normal(2000)
    assert abs(UserResamples(np.arange(2000)).aucs(a, b).mean() - auc(a, b)) < 0.005
