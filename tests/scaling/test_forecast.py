import math

import numpy as np
import pytest

from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.forecast import corner, error_of, forecast, largest_size, nearest_smaller, two_point
from preceptor.scaling.points import Points
from scaling.planted import LAW, sweep, value

LIGHT = ScalingConfig(starts=40, bootstraps=0)


def test_the_corner_is_the_largest_cell_of_a_small_grid() -> None:
    points = sweep(4, 5, seeds=2, noise=1e-6)
    held = points.where(corner(points))
    assert set(held.params) == {points.params.max()}
    assert set(held.tokens) == {points.tokens.max()}
    assert len(held) == 2
    assert largest_size(points).sum() == 10
    wide = sweep(10, 10)
    assert corner(wide).sum() == 4


def test_without_a_grid_the_costliest_tenth_is_held_out() -> None:
    n = np.geomspace(1e5, 1e7, 40)
    points = Points.of({"params": n, "tokens": 1e12 / n, "loss": value(n, 1e12 / n)})
    assert corner(points).sum() >= 4
    assert not corner(points).all()


def test_baselines() -> None:
    line = Points.of({"params": [1e5] * 3 + [5e4], "tokens": [1e5, 2e5, 4e5, 4e5], "loss": [8.0, 4.0, 2.0, 3.0]})
    assert two_point(line, 1e5, 8e5) == pytest.approx(1.0)
    assert two_point(line, 2e5, 4e5) == pytest.approx(2.0 * (2 / 3))
    assert math.isnan(two_point(line, 3e5, 9e5))
    assert nearest_smaller(line, 1e5, 8e5) == 2.0
    assert nearest_smaller(line, 9e4, 8e5) == 3.0
    assert math.isnan(nearest_smaller(line, 1e4, 1e5))


def test_a_planted_law_is_forecast_exactly_and_beats_the_baselines() -> None:
    points = sweep(5, 6, floor=LAW["E"])
    rows = forecast("uih", points, LIGHT)
    for form in ("joint", "joint-excess", "data"):
        assert error_of(rows, form) < 1e-3
    assert error_of(rows, "joint-excess", "size") < 1e-3
    row = next(r for r in rows if r.held == "corner")
    assert row.reference == LAW["E"]
    assert row.reference_kind == "known floor"
    assert abs(row.two_point_error) > 0.005
    assert abs(row.nearest_smaller_error) > abs(row.two_point_error)
    assert row.lo is None
    assert row.note.startswith("no interval")


def test_without_a_floor_the_reference_is_the_fitted_one_and_said_so() -> None:
    row = forecast("uih", sweep(5, 6), LIGHT)[0]
    assert row.reference_kind == "fitted E"
    assert row.reference == pytest.approx(LAW["E"], rel=1e-3)


def test_what_cannot_be_fitted_says_why() -> None:
    rows = forecast("uih", sweep(4, 3), LIGHT)
    data = next(r for r in rows if r.form == "data")
    assert data.predicted is None
    assert data.note == "not fitted: 2 different value(s) of tokens"


def test_seeds_give_prediction_intervals() -> None:
    points = sweep(5, 6, seeds=2, noise=0.002)
    rows = forecast("uih", points, ScalingConfig(starts=40, bootstraps=40, bootstrap_starts=2))
    joint = [r for r in rows if r.form == "joint"]
    assert all(r.lo < r.predicted < r.hi for r in joint)
    assert sum(r.lo < r.actual < r.hi for r in joint) >= 0.7 * len(joint)
