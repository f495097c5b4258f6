import numpy as np
import pytest

from preceptor.scaling import rolling
from preceptor.scaling.fit import fit_form
from preceptor.scaling.forms import FORMS
from preceptor.scaling.points import Points
from scaling.planted import LAW, sweep


def test_a_cut_never_sees_what_lies_above_it() -> None:
    points = sweep(5, 6, seeds=2, noise=0.002, floor=LAW["E"])
    found = rolling.origins(points, ["joint-excess", "joint"])
    assert 2 <= len(found) <= 5
    changed = points.loss.copy()
    for o in found:
        c = rolling.compute(points)
        assert (rolling.compute(o.later) > o.cut).all()
        assert (rolling.compute(o.later) <= rolling.WINDOW * o.cut * (1 + 1e-5)).all()
        assert (o.x > 0).all()
        above = c > o.cut * (1 + 1e-5)
        changed = np.where(above, points.loss * 1.5, points.loss)
        again = rolling.origins(Points.of(points.columns() | {"loss": changed}), ["joint-excess", "joint"])
        same = next(a for a in again if a.cut == o.cut)
        for form in o.guesses:
            assert np.array_equal(same.guesses[form].loss, o.guesses[form].loss)


def taus(points: Points) -> list[float]:
    found = rolling.misses(rolling.origins(points, ["joint-excess"]), {"joint-excess": 1.0}, "joint-excess", LAW["E"])
    assert found
    return [float(np.sqrt(max(m.square - m.known, 0.0))) for m in found]


def test_a_right_form_misses_nothing_and_a_wrong_one_is_measured() -> None:
    right = sweep(5, 6, floor=LAW["E"])
    assert max(taus(right)) < 1e-3
    bent = Points.of(right.columns() | {"loss": right.loss + 0.015 * np.log(right.tokens / 3e4) ** 2})
    assert max(taus(bent)) > 0.02


def test_the_form_that_forecasts_better_has_the_weight() -> None:
    points = sweep(5, 6, noise=0.001, floor=LAW["E"] - 0.5)  # a floor that no model would reach
    found = rolling.origins(points, ["joint-excess", "joint"])
    weights = rolling.weigh(found, ["joint-excess", "joint"], LAW["E"] - 0.5)
    assert weights.get("joint", 0) > 0.7
    assert sum(weights.values()) == pytest.approx(1)
    assert rolling.weigh([], ["joint-excess", "joint"], None) == {"joint-excess": 0.5, "joint": 0.5}


def test_one_cut_tells_forms_less_apart_than_several() -> None:
    points = sweep(5, 6, noise=0.001, floor=LAW["E"] - 0.5)
    found = rolling.origins(points, ["joint-excess", "joint"])
    few, many = (rolling.weigh(of, ["joint-excess", "joint"], LAW["E"] - 0.5)["joint"] for of in (found[-1:], found[-1:] * 20))
    assert 0.5 < few < 0.9 < many


def test_the_average_is_of_logs_above_the_floor() -> None:
    losses = {"a": np.array([3.0]), "b": np.array([6.0])}
    assert rolling.average(losses, {"a": 0.5, "b": 0.5}, 2.0)[0] == pytest.approx(2 + np.sqrt(1 * 4))
    assert rolling.average(losses, {"a": 0.5, "b": 0.5}, None)[0] == pytest.approx(np.sqrt(18))
    assert rolling.average(losses, {"b": 1.0}, 2.0)[0] == 6.0
    assert rolling.average({"a": np.array([2.0]), "b": np.array([6.0])}, {"a": 0.5, "b": 0.5}, 2.0)[0] == 2.0  # at the floor


def test_too_few_points_have_no_cut() -> None:
    assert rolling.cuts(sweep(2, 3), ["joint"]) == []
    assert rolling.origins(sweep(1, 4), ["data"]) == []


@pytest.mark.parametrize(("form", "sizes", "budgets"), [("joint", 6, 6), ("data", 1, 24), ("late", 1, 24)])
def test_standard_errors_by_linearising_are_those_of_simulation(form: str, sizes: int, budgets: int) -> None:
    """The end of the loss, of 60 sweeps."""
    ends, claimed = [], []
    for draw in range(60):
        fit = fit_form(FORMS[form], sweep(sizes, budgets, noise=0.003, draw=draw), starts=20, delta=1.0)
        covariance, least = rolling.parameters(fit, 0.003**2)
        ends.append(fit.theta[0])
        claimed.append(np.sqrt(covariance[0, 0]))
        assert least <= fit.parameters[FORMS[form].symbols[0]]
    assert np.median(claimed) == pytest.approx(np.std(ends), rel=0.35)


def test_an_end_at_a_bound_is_not_known() -> None:
    grid = sweep(1, 8).tokens
    fit = fit_form(FORMS["data"], Points.of({"params": [1e5] * 8, "tokens": grid, "loss": 40 * grid**-0.2}))
    assert rolling.parameters(fit, 1e-6)[1] == 0.0


def test_no_more_is_taken_to_be_left_than_the_points_fell_by() -> None:
    """A curve without an end of its own, seen over so little of its fall that 0 fits as well as any other end."""
    grid = np.geomspace(1e6, 2e6, 8)
    loss = 40 * grid**-0.2
    fit = fit_form(FORMS["data"], Points.of({"params": [1e5] * 8, "tokens": grid, "loss": loss}))
    _, end = rolling.parameters(fit, 1e-4)
    assert end == pytest.approx(2 * loss.min() - loss.max())
    assert end > 0.8 * loss.min()
