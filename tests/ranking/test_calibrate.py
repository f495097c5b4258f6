"""Calibration finds the temperature and the shares that made the data, and gives distributions over the candidates."""

import numpy as np
import pytest
from scipy import optimize

from preceptor.data.log import Targets
from preceptor.generator.dense import LawScorer
from preceptor.generator.score import score
from preceptor.ranking import calibrate
from preceptor.ranking.baselines import Popularity
from ranking.laws import law_and_split

ITEMS = 30


def made(n: int, calibration: calibrate.Calibration, seed: int = 0) -> tuple[np.ndarray, calibrate.Offer]:
    """Random scores, and targets drawn from their calibrated law."""
    random = np.random.default_rng(seed)
    popularity = random.integers(1, 100, ITEMS)
    sequence = np.stack([random.integers(0, ITEMS, n), np.zeros(n, int)], axis=1).astype(np.int32)
    start = np.arange(n, dtype=np.int64) * 2
    scores = random.normal(size=(n, ITEMS)).astype(np.float32) * 3
    offered = calibrate.offer(Targets(np.arange(n), sequence.ravel(), start, start + 1), popularity, repeats=False)
    scores[~offered.open] = -np.inf
    scores -= scores.max(axis=1, keepdims=True)
    p = calibrate.probabilities(scores, calibration, offered).astype(np.float64)
    sequence[:, 1] = [random.choice(ITEMS, p=row / row.sum()) for row in p]
    return scores, calibrate.offer(Targets(np.arange(n), sequence.ravel(), start, start + 1), popularity, repeats=False)


def test_rows_are_distributions_over_the_candidates() -> None:
    scores, offered = made(50, calibrate.Calibration(1.0, 1.0, 0.5, 0.3, 0.2))
    p = calibrate.probabilities(scores, calibrate.Calibration(0.7, 0.5, 0.6, 0.3, 0.1), offered)
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p[~offered.open] == 0).all()
    assert (p[offered.open] > 0).all()


def test_finds_what_made_the_targets() -> None:
    truth = calibrate.Calibration(2.0, 1.0, 0.6, 0.3, 0.1)
    scores, offered = made(20_000, truth)
    found = calibrate.fit(scores, offered)
    assert found.temperature == pytest.approx(2.0, rel=0.2)
    assert found.model == pytest.approx(0.6, abs=0.06)
    assert found.model + found.popularity + found.uniform == pytest.approx(1.0)
    own = np.nanmean(calibrate.judge(calibrate.probabilities(scores, found, offered), offered).nats)
    true = np.nanmean(calibrate.judge(calibrate.probabilities(scores, truth, offered), offered).nats)
    assert own <= true + 1e-4


def test_no_other_temperature_is_better() -> None:
    scores, offered = made(500, calibrate.Calibration(1.0, 1.0, 0.8, 0.1, 0.1), seed=1)
    found = calibrate.fit(scores, offered)

    def nats(x: np.ndarray) -> float:
        shares = np.exp(x[1:]) / np.exp(x[1:]).sum()
        changed = calibrate.Calibration(float(np.exp(x[0])), found.alpha, *shares)
        return float(np.nanmean(calibrate.judge(calibrate.probabilities(scores, changed, offered), offered).nats))

    start = np.log(np.maximum([found.temperature, found.model, found.popularity, found.uniform], 1e-6))
    assert optimize.minimize(nats, start, method="Nelder-Mead").fun > nats(start) - 2e-3


def test_the_law_needs_no_calibration_to_be_itself() -> None:
    mixture, split = law_and_split()
    offered = calibrate.offer(split.validation, split.train.popularity, mixture.repeats)
    scores = calibrate.dense(LawScorer(mixture), offered, log=True)
    judged = calibrate.judge(calibrate.probabilities(scores, calibrate.RAW, offered), offered)
    known = score(mixture, split.validation)
    assert np.array_equal(offered.inside, known.inside)
    assert np.allclose(judged.nats, known.nats, atol=1e-4, equal_nan=True)
    assert (judged.rank == known.rank).mean() > 0.95  # float32 may tie


def test_targets_outside_the_candidates_get_the_last_rank_and_no_nats() -> None:
    mixture, split = law_and_split()
    popularity = split.train.popularity.copy()
    popularity[split.validation.item[0]] = 0
    offered = calibrate.offer(split.validation, popularity, repeats=False)
    p = calibrate.probabilities(calibrate.dense(Popularity(split.train), offered), calibrate.RAW, offered)
    judged = calibrate.judge(p, offered)
    assert not offered.inside[0]
    assert np.isnan(judged.nats[0])
    assert judged.rank[0] == len(popularity)
