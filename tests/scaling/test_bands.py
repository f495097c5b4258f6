import csv
from dataclasses import replace

import numpy as np
import pytest

from preceptor.scaling import bands
from preceptor.scaling.bands import FormError, Miss, Pooled, alone, farther, pool, reach, updated
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.expect import expected, form_spread, run_noise
from preceptor.scaling.law import fit
from scaling.laws import joint_law
from scaling.planted import ROOT, sweep

ERROR = FormError(tau=0.1, dof=6.0, origins=2, own=0.1, params=7e5, tokens=1e6, product=7e11, end=2.0)


def law(error: FormError | None):  # type: ignore[no-untyped-def]
    found = joint_law().sets["uih"].law("joint-excess")
    assert found is not None
    return replace(found, form_error=error)


def test_inside_the_points_a_form_is_not_wrong_and_beyond_it_is_by_the_log_of_compute() -> None:
    assert ERROR.spread([1e5, 7e5], [1e5, 1e6]).tolist() == [0.0, 0.0]
    assert ERROR.spread(7e5, 1e7)[0] == pytest.approx(0.1 * np.log(10))
    assert ERROR.spread(1.4e6, 5e6)[0] == pytest.approx(0.1 * np.log(10))
    assert farther(np.array([7e6]), np.array([1e4]), 7e5, 1e6, 7e11)[0] == pytest.approx(np.log(10))  # N alone is beyond


def test_the_band_widens_with_the_distance_and_is_that_of_noise_inside() -> None:
    inside, noise = expected(law(ERROR), 1e5, 1e5), expected(law(None), 1e5, 1e5)
    assert inside.interval_95 == noise.interval_95
    widths = []
    for times in (1, 3, 10, 100):
        wide, narrow = (expected(law(e), 7e5, times * 1e6).interval_95 for e in (ERROR, None))
        assert wide is not None
        assert narrow is not None
        widths.append(
            np.log(wide[1][0] - 2.0) - np.log(wide[0][0] - 2.0) - np.log(narrow[1][0] - 2.0) + np.log(narrow[0][0] - 2.0)
        )
    assert widths[0] == pytest.approx(0, abs=1e-12)
    assert widths == sorted(widths)
    assert widths[2] > 0.3


def test_the_variance_is_the_sum_of_the_parts() -> None:
    """Far out the form's error is all there is: Student's t at its degrees of freedom."""
    far = replace(ERROR, tau=3.0)
    made = expected(law(far), 7e5, 1e8).interval_95
    assert made is not None
    half = np.log((made[1][0] - 2.0) / (expected(law(far), 7e5, 1e8).loss[0] - 2.0))
    assert half == pytest.approx(2.4469 * 3.0 * np.log(100), rel=0.01)  # t of 6 degrees of freedom


def test_a_free_end_takes_only_what_lies_above_it() -> None:
    one = law(ERROR)
    free = replace(one, form="joint", floor=0.0, form_error=replace(ERROR, end=2.5))
    assert form_spread(free, 7e5, 1e7, np.array([3.0]))[0] == pytest.approx(0.1 * np.log(10) * 0.5 / 3.0)
    assert form_spread(one, 7e5, 1e7, np.array([3.0]))[0] == pytest.approx(0.1 * np.log(10))


def test_satterthwaite_meets_students_t_at_both_ends() -> None:
    one = np.array([1.0])
    assert reach([(one, 5.0), (0 * one, 2.0)], 0.95)[0] == pytest.approx(2.5706, rel=1e-4)
    assert reach([(one, np.inf)], 0.95)[0] == pytest.approx(1.96, rel=1e-3)
    assert reach([(one, 10.0), (one, 10.0)], 0.95)[0] == pytest.approx(2.086 * np.sqrt(2), rel=1e-3)
    assert reach([(0 * one, 4.0)], 0.95)[0] == 0.0


def test_a_studys_own_misses_move_tau_by_their_number() -> None:
    pooled = Pooled(0.1, 4.0)
    assert updated([], pooled) == pooled
    few, many = (updated([Miss(0.09, 1e-9)] * n, pooled) for n in (2, 40))
    assert 0.1 < few.tau < many.tau < 0.3
    assert many.tau == pytest.approx(0.3, rel=0.1)
    conjugate = (4 * 0.1**2 + bands.OF_CUT * 2 * 0.09) / (4 + bands.OF_CUT * 2)  # what the formula of the prior gives
    assert few.tau == pytest.approx(np.sqrt(conjugate), rel=0.02)
    assert few.dof == pytest.approx(4 + bands.OF_CUT * 2, rel=0.05)
    assert updated([Miss(0.0, 1e-9)] * 20, pooled).tau < 0.06


def test_misses_that_noise_accounts_for_say_little_of_the_form() -> None:
    pooled = Pooled(0.1, 4.0)
    found = updated([Miss(4.0, 4.0)] * 4, pooled)
    assert found.tau == pytest.approx(0.1, rel=0.1)
    assert found.dof == pytest.approx(4, rel=0.15)
    assert alone([Miss(4.0, 4.5)]) == 0.0
    assert alone([]) is None


def test_pooled_tau_is_that_of_the_sweeps_it_was_drawn_for() -> None:
    """400 sweeps whose τ² are scaled inverse χ² of 4 degrees of freedom around .1², each with six cuts."""
    gen = np.random.default_rng(0)
    sweeps = []
    for _ in range(400):
        tau2 = 0.01 * 4 / gen.chisquare(4)
        dof = bands.OF_CUT * 6
        sweeps.append([Miss((tau2 + 1e-4) * gen.chisquare(dof) / dof, 1e-4)] * 6)
    found = pool(sweeps)
    assert found.tau == pytest.approx(0.1, rel=0.15)
    assert 3 <= found.dof <= 6


def test_intervals_of_a_fit_reach_farther_than_noise() -> None:
    law = fit(sweep(5, 6, seeds=3, noise=0.002), ScalingConfig(starts=40, bootstraps=60, bootstrap_starts=2))
    one = law.sets["uih"].law("joint")
    assert one is not None
    assert one.form_error is not None
    assert one.form_error.origins > 0
    assert one.form_error.own is not None
    far, near = (law.predict(7e5, d) for d in (1e7, 1e6))
    bare = expected(replace(one, form_error=None), 7e5, 1e7).interval_95
    assert far.interval_95 is not None
    assert bare is not None
    assert far.interval_95[1][0] - far.interval_95[0][0] > bare[1][0] - bare[0][0]
    assert run_noise(one) > 0
    assert near.interval_95 is not None


def test_the_pooled_values_are_those_of_the_table() -> None:
    with open(ROOT / "results" / "scaling" / "tau.csv", encoding="utf-8") as f:
        rows = {r["laws"]: r for r in csv.DictReader(f) if r["sweep"] == "pooled"}
    for family, found in bands.POOLED.items():
        assert (found.tau, found.dof) == (float(rows[family]["tau"]), float(rows[family]["dof"]))
