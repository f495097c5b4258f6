import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.scaling.fit import fit_form, pose, predict, starting_points
from preceptor.scaling.forecast import two_point
from preceptor.scaling.forms import FORMS, objective
from preceptor.scaling.points import Points
from scaling.planted import CHINCHILLA, LAW, sweep, value


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_line_goes_through_the_last_two_budgets_alone(seeds: int) -> None:
    points = sweep(1, 6, seeds=seeds, noise=0.01, floor=1.0)
    fit = fit_form(FORMS["line"], points, starts=20)
    assert fit.n == 2 * seeds
    n, d = float(points.params[0]), 4e6
    assert fit.predict(n, d)[0] == pytest.approx(two_point(points, n, d, 1.0), rel=1e-4 if seeds == 1 else 2e-3)


@pytest.mark.parametrize("g", [-3e4, 6e4])
def test_a_law_that_bends_is_found_by_its_last_three_budgets(g: float) -> None:
    tokens, floor = 2.0 ** np.arange(15, 22), np.full(7, 2.0)
    excess = np.where(tokens < 2.0**19, 1.0, 90.0 * tokens**-0.3 * np.exp(g / tokens))
    fit = fit_form(
        FORMS["bend"], Points.of({"params": np.full(7, 1e5), "tokens": tokens, "loss": floor + excess, "floor": floor}), 20
    )
    assert fit.n == 3
    assert fit.parameters == pytest.approx({"A": 90.0, "alpha": 0.3, "G": g}, rel=1e-3)
    assert fit.predict(1e5, 8e6)[0] == pytest.approx(2.0 + 90.0 * 8e6**-0.3 * np.exp(g / 8e6))
    assert not fit.at_bound


def test_a_law_that_bends_may_level_off_and_goes_no_farther() -> None:
    tokens, floor = 2.0 ** np.arange(19, 22), np.full(3, 2.0)
    points = Points.of(
        {"params": np.full(3, 1e5), "tokens": tokens, "loss": floor + np.array([0.5, 0.3, 0.29]), "floor": floor}
    )
    fit = fit_form(FORMS["bend"], points, 20)
    assert fit.at_bound == {"alpha": "at 0"}
    assert fit.predict(1e5, 1e9)[0] <= 2.29


def test_late_points_tell_what_comes_where_the_start_is_flat() -> None:
    points = sweep(1, 12)
    n, early = float(points.params[0]), points.tokens < 1.2e5
    flat = Points.of(points.columns() | {"loss": np.where(early, points.loss * (points.tokens / 1.2e5) ** 0.1, points.loss)})
    fits = {name: fit_form(FORMS[name], flat, starts=40, delta=1.0) for name in ("data", "late")}
    assert np.allclose(fits["late"].problem.weight, np.sqrt(flat.tokens) / np.sqrt(flat.tokens).mean())
    missed = {name: abs(float(fit.predict(n, 4e6)[0]) - value(n, 4e6)) for name, fit in fits.items()}
    assert missed["late"] < 0.5 * missed["data"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("delta", [1e-3, 0.5])
def test_gradient_is_that_of_finite_differences(name: str, delta: float) -> None:
    form = FORMS[name]
    points = sweep(noise=0.02, floor=1.9)
    problem = pose(form, points if "params" in form.over else points.where(points.params == points.params[0]))
    gen = np.random.default_rng(3)
    weight = gen.uniform(0, 2, len(problem.y))
    space = np.zeros_like(problem.grid.levels)

    def at(theta: np.ndarray) -> tuple[float, np.ndarray]:
        grad = np.empty(len(theta))
        args = (problem.grid, problem.y, weight, delta, space, space.copy(), grad)
        return objective(theta, *args), grad

    for theta in starting_points(problem, 5, 0):
        _, grad = at(theta)
        for j in range(0 if not form.fixed_floor else 1, len(theta)):
            h = 1e-6
            up, down = theta.copy(), theta.copy()
            up[j] += h
            down[j] -= h
            numeric = (at(up)[0] - at(down)[0]) / (2 * h)
            assert grad[j] == pytest.approx(numeric, rel=1e-4, abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.5, 4), st.floats(0.2, 0.7), st.floats(0.2, 0.7), st.floats(0.1, 3), st.floats(0.1, 3), st.integers(4, 8)
)  # fmt: skip
def test_planted_joint_law_is_found(e: float, alpha: float, beta: float, at_n: float, at_d: float, budgets: int) -> None:
    law = {"E": e, "A": at_n * 1e5**alpha, "alpha": alpha, "B": at_d * 2e5**beta, "beta": beta}
    points = sweep(5, budgets, law=law)
    assert fit_form(FORMS["joint"], points).parameters == pytest.approx(law, rel=1e-3)
    known = Points.of(points.columns() | {"floor": [e] * len(points)})
    del law["E"]
    assert fit_form(FORMS["joint-excess"], known).parameters == pytest.approx(law, rel=1e-3)


def test_planted_data_law_is_found() -> None:
    points = sweep(1, 6, floor=1.0)
    fit = fit_form(FORMS["data"], points)
    l_inf = LAW["E"] + LAW["A"] * points.params[0] ** -LAW["alpha"]
    assert fit.parameters == pytest.approx({"L_inf": l_inf, "A": LAW["B"], "alpha": LAW["beta"]}, rel=1e-3)
    assert not fit.at_bound


def test_one_wild_point_hardly_moves_the_fit() -> None:
    points = sweep(5, 6, noise=1e-4)
    loss = points.loss.copy()
    loss[7] *= 1.5
    fit = fit_form(FORMS["joint"], Points.of(points.columns() | {"loss": loss}))
    assert fit.parameters == pytest.approx(LAW, rel=0.05)


def test_every_start_has_a_status() -> None:
    fit = fit_form(FORMS["joint"], sweep(noise=0.01), starts=37)
    said = fit.starts.summary()
    assert len(said["status_of_each"]) == 37
    assert sum(said[k] for k in ("gradient", "decrease", "line search failed", "iterations ran out")) == 37
    assert 1 <= said["at_best_optimum"] <= 37
    assert np.all(np.diff(fit.starts.objective) >= 0)


def test_the_same_seed_gives_the_same_bits() -> None:
    one, two = (fit_form(FORMS["joint"], sweep(noise=0.01), seed=4) for _ in range(2))
    assert one.theta.tobytes() == two.theta.tobytes()


def test_bounds_are_named() -> None:
    grid = sweep(1, 6).tokens
    pure = Points.of({"params": [1e5] * 6, "tokens": grid, "loss": 40 * grid**-0.2})
    assert fit_form(FORMS["data"], pure).at_bound == {"L_inf": "at 0"}
    above = Points.of(pure.columns() | {"floor": [2.0] * 6})
    assert fit_form(FORMS["data"], above).at_bound == {"L_inf": "at the known floor"}
    rising = Points.of({"params": [1e5] * 6, "tokens": grid, "loss": 2 * grid**0.1})
    assert fit_form(FORMS["excess"], Points.of(rising.columns() | {"floor": [1.0] * 6})).at_bound == {"alpha": "at 0"}


def test_what_a_form_needs_is_said() -> None:
    with pytest.raises(PreceptorError, match="known floor"):
        fit_form(FORMS["excess"], sweep())
    with pytest.raises(PreceptorError, match="Too few points"):
        fit_form(FORMS["joint"], sweep(2, 2))


def test_prediction_is_the_equation() -> None:
    fit = fit_form(FORMS["joint"], sweep(noise=0.01))
    n, d = np.array([1e4, 1e6, 3e7]), np.array([1e5, 1e7, 1e9])
    assert fit.predict(n, d) == pytest.approx(value(n, d, fit.parameters))
    many = predict(fit.form, np.stack([fit.theta] * 3), fit.centre, 0.0, n, d)
    assert many.shape == (3, 3)


@pytest.mark.skipif(not CHINCHILLA.exists(), reason=f"no {CHINCHILLA}: set PRECEPTOR_SHARED_DATA")
def test_besiroglu_2024_is_reproduced() -> None:
    """arXiv 2404.10102, table 1: estimates (standard errors) without the five points with fewest tokens a parameter."""
    points = Points.read(CHINCHILLA)
    points = points.where(np.sort(np.argsort(points.tokens / points.params)[5:]))
    fit = fit_form(FORMS["joint"], points)
    published = {
        "E": (1.8172, 0.03),
        "A": (482.01, 124.58),
        "alpha": (0.3478, 0.02),
        "B": (2085.43, 1293.23),
        "beta": (0.3658, 0.02),
    }
    for name, (estimate, error) in published.items():
        assert abs(fit.parameters[name] - estimate) < error / 2, name
    assert fit.starts.at_best > 100
