"""What the studies in results/scaling say, on a slice of them, and on curves of others."""

import csv

import numpy as np
import pytest

from benchmarks.scaling import form_error, planted_laws
from preceptor.scaling.fit import fit_form
from preceptor.scaling.forms import FORMS
from preceptor.scaling.points import Points
from scaling.planted import ROOT

PRINTED = {"0.6B": (0.64, 0.453), "1.7B": (0.65, 0.514), "4B": (0.66, 0.564), "8B": (0.66, 0.588)}  # arXiv 2602.07298
RESULTS = ROOT / "results" / "scaling"


@pytest.mark.slow
def test_intervals_hold_planted_laws() -> None:
    """40 laws. At a true coverage of 95 %, fewer than 33 have a probability of 1e-3."""
    for (form, what), holds in planted_laws.study(40).items():
        assert np.sum(holds) >= 33, (form, what)


def test_the_table_of_planted_laws_says_what_was_asked() -> None:
    rows = list(csv.DictReader((RESULTS / "planted.csv").open(encoding="utf-8")))
    assert {r["what"] for r in rows} >= {"E", "alpha", "beta", "forecast, noise", "forecast, band"}
    for r in rows:
        assert int(r["laws"]) == 300
        if r["what"] in ("alpha", "beta", "forecast, noise"):
            assert 0.92 <= float(r["covered"]) <= 0.98, r


def test_bands_hold_more_than_noise_alone_and_score_better() -> None:
    rows = {(r["sweep"], r["laws"]): r for r in csv.DictReader((RESULTS / "bands.csv").open(encoding="utf-8"))}
    pooled = rows["all", "both"]
    assert 0.9 <= float(pooled["covered_band"]) <= 0.985  # 90 to 98 % was asked
    for family in ("joint", "size", "both"):
        assert float(rows["all", family]["score_band"]) < float(rows["all", family]["score_noise"])


def test_scores_pay_for_width_and_for_misses() -> None:
    assert form_error.score([(-0.1, 0.1)]) == pytest.approx(0.2)
    assert form_error.score([(0.05, 0.25)]) == pytest.approx(0.2 + 40 * 0.05)
    assert form_error.score([(-0.25, -0.05)]) == pytest.approx(0.2 + 40 * 0.05)


@pytest.mark.parametrize("size", PRINTED)
def test_the_papers_curves_give_the_laws_that_it_prints(size: str) -> None:
    """UIH Full, read off its figures: L∞ within .03, α within .06."""
    points = Points.read(ROOT / "results" / "scaling-digitised" / "points.csv")
    curve = points.where((points.set == "uih-full") & (points.run == size))
    assert len(curve) == 14
    found = fit_form(FORMS["data"], curve).parameters
    end, alpha = PRINTED[size]
    assert found["L_inf"] == pytest.approx(end, abs=0.03)
    assert found["alpha"] == pytest.approx(alpha, abs=0.06)


def test_bands_of_a_sweep_know_nothing_of_its_later_points() -> None:
    """The same outcomes below a cut, whatever was run above it: only what is compared may move."""
    from benchmarks.scaling.sweeps import sweeps

    sweep = next(s for s in sweeps() if s.name == "scaling-digitised item-text")
    first = form_error.outcomes(sweep, "size", form_error.bands.POOLED)
    later = sweep.points.tokens == sweep.points.tokens.max()
    changed = Points.of(sweep.points.columns() | {"loss": np.where(later, sweep.points.loss * 1.1, sweep.points.loss)})
    again = form_error.outcomes(form_error.Sweep(sweep.study, sweep.name, changed), "size", form_error.bands.POOLED)
    moved = np.log(1.1)
    for a, b in zip(first, again, strict=True):
        assert (b.error - a.error) in (pytest.approx(0.0, abs=1e-12), pytest.approx(-moved))
        assert b.band[1] - b.band[0] == pytest.approx(a.band[1] - a.band[0], rel=1e-9)
