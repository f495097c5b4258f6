"""Bootstraps over users, intervals that cover, AUC, ranks and Gini on numbers whose answers are known."""

import math

import numpy as np
import pytest
from scipy import stats

from preceptor.core.statistics import (
    Resamples,
    auc,
    deviation_over_users,
    difference,
    gini,
    holm,
    mean_interval,
    percentile_interval,
    ranks,
    ratio,
    resampled_users,
    spearman,
    two_sided,
)


def test_means_weigh_targets_and_resamples_vary_by_user() -> None:
    user = np.array([4, 4, 9, 2])
    values = np.array([[1.0, 0], [0, 0], [1, 0], [1, 0]])
    mean, drawn = Resamples(user, 500, seed=0).means(values)
    assert mean.tolist() == [0.75, 0]
    outcomes = set()
    for i in range(4):
        for j in range(4 - i):
            k = 3 - i - j  # draws of users 4, 9, 2
            outcomes.add(round((i * 1 + j + k) / (2 * i + j + k), 9))
    assert set(np.round(drawn[:, 0], 9)) <= outcomes
    assert len(set(drawn[:, 0])) > 3
    assert not drawn[:, 1].any()


def test_pairing_takes_out_what_arms_share() -> None:
    rng = np.random.default_rng(0)
    user = np.arange(300)
    base = rng.random(300)
    better = base + 0.05
    resamples = Resamples(user, 400, seed=1)
    mean, drawn = resamples.means(np.column_stack([better, base]))
    a, b = (mean[0], drawn[:, 0]), (mean[1], drawn[:, 1])
    d = difference(a, b, resamples)
    assert math.isclose(d.lo, 0.05, rel_tol=1e-9)
    assert math.isclose(d.hi, 0.05, rel_tol=1e-9)
    own = resamples.interval(*a)
    assert own.hi - own.lo > 0.03
    r = ratio(a, b, resamples)
    assert r.lo < r.value == mean[0] / mean[1] < r.hi


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """60 users of 1–9 targets with user effects; 90 % intervals over 300 data sets miss the truth 10 % of the time."""
    truth, hits = 0.3, 0
    for trial in range(300):
        rng = np.random.default_rng(trial)
        sizes = rng.integers(1, 10, 60)
        user = np.repeat(np.arange(60), sizes)
        p = rng.beta(3, 7, 60)
        values = (rng.random(len(user)) < p[user]).astype(float)
        resamples = Resamples(user, 300, seed=trial, confidence=0.9)
        mean, drawn = resamples.means(values[:, None])
        interval = resamples.interval(mean[0], drawn[:, 0])
        hits += interval.lo <= truth <= interval.hi
    # 270 expected, sd 5.2; percentile intervals of 60 users run a little short: from 250 (4 sigma below) to 285 is accepted
    assert 250 <= hits <= 285


def test_ratio_to_nothing_has_no_interval() -> None:
    resamples = Resamples(np.arange(5), 100, seed=0)
    mean, drawn = resamples.means(np.column_stack([np.ones(5), np.zeros(5)]))
    one, nothing = (mean[0], drawn[:, 0]), (mean[1], drawn[:, 1])
    assert ratio(one, nothing, resamples).value == math.inf
    assert math.isnan(ratio(nothing, nothing, resamples).value)
    assert math.isnan(ratio(nothing, nothing, resamples).lo)


def test_resamples_do_not_depend_on_the_block_size(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    user, values = np.arange(50), np.random.default_rng(0).random((50, 2))
    whole = Resamples(user, 64, seed=3).means(values)[1]
    monkeypatch.setattr("preceptor.core.statistics._CELLS", 500)
    assert np.allclose(whole, Resamples(user, 64, seed=3).means(values)[1], rtol=1e-12)


def test_deviation_of_one_target_a_user_is_the_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert deviation_over_users(values, np.arange(50)) == pytest.approx(values.std(ddof=1))


def test_deviation_gives_the_standard_error_of_resampled_users() -> None:
    """Users with unequal numbers of targets: σ/√n against the spread of 4,000 bootstrap means (± 5 %, seed fixed)."""
    rng = np.random.default_rng(1)
    user = np.repeat(np.arange(200), rng.integers(1, 30, 200))
    values = rng.normal(size=200)[user] + rng.normal(size=len(user)) + 0.3
    sums, counts = np.bincount(user, weights=values), np.bincount(user)
    picks = rng.integers(0, 200, (4000, 200))
    spread = (sums[picks].sum(1) / counts[picks].sum(1)).std()
    assert deviation_over_users(values, user) / np.sqrt(200) == pytest.approx(spread, rel=0.05)


def test_auc_counts_pairs_ties_half_and_weights() -> None:
    rng = np.random.default_rng(0)
    score, member = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.5
    weights = rng.integers(0, 4, (3, 40)).astype(float)
    for row, found in zip(weights, auc(score, member, weights), strict=True):
        won = (score[member][:, None] > score[~member]) + 0.5 * (score[member][:, None] == score[~member])
        worth = row[member][:, None] * row[~member]
        assert found == pytest.approx((won * worth).sum() / worth.sum())
    assert np.isnan(auc(score, np.ones(40, bool))[0])


def test_auc_weighs_scores_by_their_owner() -> None:
    """The same as writing each owner's scores down as often as its weight says."""
    rng = np.random.default_rng(1)
    owner, score, positive = rng.integers(0, 9, 60), rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    weights = resampled_users(rng, 9, 4)
    assert (weights.sum(1) == 9).all()
    for row, found in zip(weights, auc(score, positive, weights, owner), strict=True):
        again = np.repeat(np.arange(60), row[owner].astype(int))
        assert found == auc(score[again], positive[again])[0]


def test_gini_of_known_counts() -> None:
    assert gini(np.full(10, 3.0)) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8.0])) == pytest.approx(0.75)
    assert gini(np.zeros(4)) is None


def test_spearman_with_ties() -> None:
    assert spearman(np.array([1, 2, 3]), np.array([10, 20, 30])) == pytest.approx(1)
    assert spearman(np.array([1, 2, 2, 3]), np.array([1, 3, 2, 4])) == pytest.approx(0.9487, abs=1e-4)  # scipy.stats.spearmanr
    assert spearman(np.ones(3), np.arange(3)) is None


def test_spearman_agrees_with_scipy() -> None:
    a, b = np.random.default_rng(0).integers(0, 6, (2, 50))
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert ranks(a).mean() == 25


def test_mean_intervals() -> None:
    values = np.random.default_rng(0).normal(size=12)
    found = mean_interval(values)
    assert (found.lo, found.hi) == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(0.95))
    assert mean_interval(values, 1.96).hi < found.hi
    assert math.isnan(percentile_interval(1.0, np.array([])).lo)
    assert math.isnan(percentile_interval(1.0, np.array([1.0, np.nan])).hi)
    assert percentile_interval(1.0, np.arange(101.0), 0.9).hi == pytest.approx(95)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
    with pytest.raises(ValueError, match="p values"):
        holm([0.2, float("nan")])


def test_holm_keeps_false_alarms_among_all_tests_at_5_percent() -> None:
    p = np.random.default_rng(0).uniform(size=(4000, 5))
    wrong = np.mean([min(holm(row)) <= 0.05 for row in p.tolist()])
    assert 0.035 < wrong < 0.062  # .049 expected; more than four standard errors off in 1 of 10,000 seeds


def test_two_sided_p_is_uniform_where_nothing_is_there_and_small_where_much_is() -> None:
    random = np.random.default_rng(0)
    p = [two_sided(random.normal(mean, 1, 500)) for mean in random.normal(0, 1, 2000)]
    assert np.mean(np.array(p) < 0.1) == pytest.approx(0.1, abs=0.03)
    assert two_sided(np.linspace(1, 2, 99)) == pytest.approx(0.02)
    assert math.isnan(two_sided(np.array([1.0, np.nan])))
