"""Combinations are at their optimum, and a scorer that knows nothing gets nothing."""

import numpy as np
import pytest

from preceptor.ranking import calibrate, combine
from ranking.test_calibrate import made


def pair() -> tuple[np.ndarray, np.ndarray, calibrate.Offer]:
    scores, offered = made(2000, calibrate.Calibration(1.0, 1.0, 0.9, 0.05, 0.05))
    noise = np.random.default_rng(1).normal(size=scores.shape).astype(np.float32)
    calibration = calibrate.Calibration(1.0, 1.0, 0.9, 0.05, 0.05)
    one = calibrate.probabilities(scores + noise, calibration, offered)
    other = calibrate.probabilities(scores - noise, calibration, offered)
    return one, other, offered


def nats(p: np.ndarray, offered: calibrate.Offer) -> float:
    return float(np.nanmean(calibrate.judge(p, offered).nats))


def test_the_fitted_weight_is_the_best() -> None:
    one, other, offered = pair()
    weight = combine.fit_added(one, other, offered)
    best = nats(combine.added(one, other, weight), offered)
    assert all(best <= nats(combine.added(one, other, w), offered) + 1e-5 for w in np.linspace(0, 1, 11))
    assert best < min(nats(one, offered), nats(other, offered))


def test_the_fitted_exponents_are_the_best() -> None:
    one, other, offered = pair()
    a, b = combine.fit_multiplied(one, other, offered)
    best = nats(combine.multiplied(one, other, (a, b)), offered)
    moved = [(a + x, b + y) for x in (-0.1, 0, 0.1) for y in (-0.1, 0, 0.1)]
    assert all(best <= nats(combine.multiplied(one, other, m), offered) + 1e-5 for m in moved)
    assert best < nats(combine.added(one, other, 0.5), offered)  # opposite errors cancel in a product


def test_products_are_distributions_over_the_candidates() -> None:
    one, other, offered = pair()
    p = combine.multiplied(one, other, (0.7, 0.4))
    assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
    assert (p[~offered.open] == 0).all()


def test_noise_gets_no_weight() -> None:
    one, _, offered = pair()
    blind = calibrate.probabilities(np.where(offered.open, 0, -np.inf).astype(np.float32), calibrate.RAW, offered)
    a, _ = combine.fit_multiplied(one, blind, offered)
    assert nats(combine.multiplied(one, blind, (a, 1.0)), offered) <= nats(one, offered) + 1e-6
    assert combine.fit_added(one, blind, offered) == pytest.approx(1.0, abs=0.1)
