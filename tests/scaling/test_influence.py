import numpy as np
import pytest

from preceptor.scaling.fit import Fit, fit_form
from preceptor.scaling.forms import FORMS
from preceptor.scaling.influence import influence, outliers
from preceptor.scaling.noise import around
from preceptor.scaling.points import Points
from preceptor.scaling.select import rows_where
from scaling.planted import sweep

FAR = (7e5, 1e7)


def fitted(points: Points) -> Fit:
    return fit_form(FORMS["joint"], points, starts=40)


def test_what_a_point_moves_is_what_a_fit_without_it_says() -> None:
    points = sweep(4, 5, noise=0.003)
    fit = fitted(points)
    found = influence(fit, points, around(fit, points, None), FAR, 1e-3)
    assert [abs(one.moves) for one in found] == sorted((abs(one.moves) for one in found), reverse=True)
    for one in found[:3]:
        rest = points.where(~rows_where(points, one.drop, "--drop"))
        assert len(rest) == len(points) - 1
        moved = np.log(fitted(rest).predict(*FAR)[0] / fit.predict(*FAR)[0])
        assert one.moves == pytest.approx(moved, rel=0.05, abs=2e-4)


def test_a_wild_point_is_named_and_its_option_takes_it_out() -> None:
    points = sweep(5, 6, noise=0.002)
    loss = points.loss.copy()
    loss[11] *= 1.2
    wild = Points.of(points.columns() | {"loss": loss})
    fit = fitted(wild)
    far_off = outliers(influence(fit, wild, around(fit, wild, None), FAR, 1e-3))
    assert len(far_off) == 1
    assert far_off[0].residual > 5
    assert np.flatnonzero(rows_where(wild, far_off[0].drop, "--drop")).tolist() == [11]


def test_clean_points_have_no_outlier() -> None:
    for draw in range(10):
        points = sweep(5, 6, noise=0.002, draw=draw)
        fit = fitted(points)
        assert not outliers(influence(fit, points, around(fit, points, None), FAR, 1e-3))
