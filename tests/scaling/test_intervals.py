from dataclasses import replace

import numpy as np
import pytest

from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import Fit, fit_form
from preceptor.scaling.forms import FORMS, natural
from preceptor.scaling.intervals import BY_SIZE, NONE, OVER_RUNS, PARAMETRIC, Intervals, _weights, resample
from preceptor.scaling.noise import around, between_seeds, of_set
from preceptor.scaling.points import Points
from scaling.planted import CHINCHILLA, LAW, sweep

LIGHT = ScalingConfig(starts=20, bootstraps=100, bootstrap_starts=2)


def intervals(points: Points, form: str = "joint", config: ScalingConfig = LIGHT) -> tuple[Fit, Intervals]:
    fit = fit_form(FORMS[form], points, config.starts)
    noise = between_seeds(points, fit.problem.y)
    return fit, resample(fit, points, noise, around(fit, points, noise), config)


@pytest.mark.parametrize(
    ("sizes", "seeds", "form", "method"),
    [
        (5, 3, "joint", BY_SIZE),
        (4, 3, "joint", PARAMETRIC),
        (5, 2, "joint", PARAMETRIC),
        (5, 1, "joint", NONE),
        (1, 3, "data", PARAMETRIC),
        (1, 1, "data", NONE),
    ],
)
def test_the_rules(sizes: int, seeds: int, form: str, method: str) -> None:
    fit, found = intervals(sweep(sizes, 5, seeds=seeds, noise=0.002), form)
    assert found.method == method
    assert found.reason
    assert bool(found.of(fit)) == (method != NONE)


def test_one_repeated_cell_anywhere_measures_the_noise() -> None:
    points = sweep(5, 5, seeds=2, noise=0.002)
    keep = (points.seed == 0) | ((points.params == points.params[0]) & (points.seed == 1))
    _, found = intervals(points.where(keep))
    assert found.method == PARAMETRIC
    assert "1 degree(s) of freedom" in found.reason


def test_no_bootstraps_no_intervals() -> None:
    _, found = intervals(sweep(5, 5, seeds=3, noise=0.002), config=ScalingConfig(bootstraps=0))
    assert found.method == NONE


def test_seed_noise_is_measured_as_planted() -> None:
    points = sweep(10, 8, seeds=6, noise=0.003, run_noise=0.01)
    noise = between_seeds(points, np.log(points.loss))
    assert noise is not None
    assert noise.dof == 50
    assert noise.point == pytest.approx(0.003, rel=0.2)
    assert noise.run == pytest.approx(0.01, rel=0.35)
    single = sweep(4, 4)
    assert between_seeds(single, np.log(single.loss)) is None


def test_a_size_whose_seeds_disagree_widens_its_own_intervals_alone() -> None:
    points = sweep(5, 6, seeds=3, noise=0.002, run_noise=0.002)
    assert of_set(points, 0.0, points.params[0]) == of_set(points, 0.0), "sizes that are alike share their noise"
    smallest = points.params.min()
    luck = np.where(points.params == smallest, 0.1 * (points.seed.astype(float) - 1), 0.0)
    wild = replace(points, loss=points.loss * np.exp(luck))
    together, own, other = (of_set(wild, 0.0, n) for n in (None, smallest, points.params.max()))
    assert together is not None
    assert own is not None
    assert other is not None
    assert together.run == pytest.approx(0.1 / 5**0.5, rel=0.1)
    assert other.run < 0.2 * together.run
    assert own.run > together.run
    assert (other.dof, own.dof) == (6, 6)


def test_two_seeds_know_the_noise_of_points_better_than_that_of_runs() -> None:
    points = sweep(1, 12, seeds=2, noise=0.002, run_noise=0.002, floor=1.0)
    noise = between_seeds(points, np.log(points.loss))
    assert noise is not None
    assert (noise.dof, noise.within) == (1, 11)
    fit, found = intervals(points, "excess")
    # a run's luck moves all its points alike, and so no exponent: that is as sure as its points are, with Student's few or not
    apart = np.abs(found.theta[:, 2] - fit.theta[2])
    assert np.quantile(apart, 0.95) < 5 * np.median(apart)  # 2.9 of a normal, 12.7 of one degree of freedom


def test_resampled_weights_keep_every_size_and_have_the_variance_of_a_mean() -> None:
    """Rao & Wu: the resampled mean of k values has variance s²/k with s² of k − 1 degrees of freedom."""
    which, params = np.arange(6), np.array([1.0, 1, 1, 2, 2, 2])
    weights = _weights(np.random.default_rng(0), which, params, 20_000, by_size=True)
    assert np.allclose(weights[:, :3].sum(1), 3)
    values = np.array([1.0, 2.0, 4.0])
    means = weights[:, :3] @ values / 3
    assert means.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.05)


def test_the_same_seed_gives_the_same_resamples() -> None:
    points = sweep(5, 4, seeds=3, noise=0.002)
    assert intervals(points)[1].theta.tobytes() == intervals(points)[1].theta.tobytes()


@pytest.mark.parametrize(("seeds", "least"), [(2, 0.85), (3, 0.8)])
def test_intervals_cover(seeds: int, least: float) -> None:
    """100 sweeps of 5 sizes. At a true coverage of 95 %, under 85 of 100 has a probability of 1e-4; few clusters cover less."""
    hits = dict.fromkeys(LAW, 0)
    for draw in range(100):
        fit, found = intervals(sweep(5, 6, seeds=seeds, noise=0.002, run_noise=0.002, draw=draw))
        for symbol, (lo, hi) in found.of(fit).items():
            hits[symbol] += lo <= LAW[symbol] <= hi
    assert min(hits.values()) >= 100 * least, hits


@pytest.mark.skipif(not CHINCHILLA.exists(), reason=f"no {CHINCHILLA}: set PRECEPTOR_SHARED_DATA")
def test_standard_errors_of_besiroglu_2024() -> None:
    """arXiv 2404.10102, table 1: bootstrap standard errors of E, A, alpha, B, beta."""
    points = Points.read(CHINCHILLA)
    points = points.where(np.sort(np.argsort(points.tokens / points.params)[5:]))
    fit, found = intervals(points, config=ScalingConfig(starts=20, bootstraps=200, bootstrap_starts=3))
    assert found.method == OVER_RUNS
    errors = natural(found.theta, fit.centre, fit.form).std(axis=0)
    assert errors == pytest.approx([0.03, 124.58, 0.02, 1293.23, 0.02], rel=0.35)
