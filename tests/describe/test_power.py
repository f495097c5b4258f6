import numpy as np
import pytest

from fixtures import tiny_log
from preceptor.describe.power import minimum_effect, power, users_needed


def test_formulas_agree_with_each_other_and_with_the_textbook() -> None:
    assert users_needed(1.0, 0.5) == 32  # (2.8016 / 0.5)² = 31.4
    assert minimum_effect(1.0, 32) < 0.5 < minimum_effect(1.0, 31)


def test_an_effect_of_the_stated_size_is_found_four_times_in_five() -> None:
    """800 simulated tests at the minimum detectable effect: 80 % ± 5 points (3.5 standard errors, seed fixed)."""
    rng = np.random.default_rng(2)
    effect = minimum_effect(0.4, 150)
    samples = rng.normal(effect, 0.4, (800, 150))
    found = np.abs(samples.mean(1) / (samples.std(1, ddof=1) / np.sqrt(150))) > 1.96
    assert abs(found.mean() - 0.8) < 0.05


def test_a_log_with_planted_successors_favours_item_knn() -> None:
    log = tiny_log(150, 40, mean_length=12)
    cut = log.split()
    found = power(cut.kind, cut.train, cut.validation, cut.test.n_users)
    assert [(f.metric, f.k) for f in found] == [("ndcg", 10), ("recall", 10), ("recall", 100)]
    ndcg = found[0]
    assert ndcg.knn > ndcg.popularity > 0
    assert ndcg.mde == pytest.approx(minimum_effect(ndcg.sigma, cut.test.n_users))
    assert ndcg.relative == pytest.approx(ndcg.mde / ndcg.knn)
    assert ndcg.needed["5%"] > ndcg.needed["10%"] > ndcg.needed["20%"]
    assert ndcg.validation_users == cut.validation.n_users


def test_ranks_agree_with_those_of_dense_scores() -> None:
    """Popularity and item-kNN by the slow way: every score of the catalogue, the history not offered."""
    from preceptor.core.metrics import ranks
    from preceptor.describe.power import _cosine, _ranks

    log = tiny_log(80, 30, mean_length=10)
    cut = log.split()
    train, targets = cut.train, cut.validation
    rows = np.arange(len(targets))
    by_popularity, by_knn = _ranks(train, targets, rows, 0)
    similar = _cosine(train, np.arange(30), 0).toarray()
    repeated = len(np.unique(train.user.astype(np.int64) * 30 + train.item)) < len(train.item)
    dense_p, dense_k = np.empty((len(rows), 30)), np.empty((len(rows), 30))
    for t in rows:
        past = targets.history(t)
        weight = 0.9 ** np.arange(min(10, len(past)))
        dense_k[t] = weight @ similar[past[::-1][:10]]
        dense_p[t] = train.popularity
        if not repeated:
            for scores in (dense_k, dense_p):
                scores[t, [i for i in past if i != targets.item[t]]] = -np.inf
    np.testing.assert_array_equal(by_popularity, ranks(dense_p, targets.item))
    pointed = dense_k[rows, targets.item] > 0
    np.testing.assert_array_equal(by_knn[pointed], ranks(dense_k, targets.item)[pointed])
    assert (by_knn[~pointed] == 30).all()


def test_no_test_users_no_claim() -> None:
    cut = tiny_log(30, 20).split()
    assert power("temporal", cut.train, cut.validation, 0) == []
