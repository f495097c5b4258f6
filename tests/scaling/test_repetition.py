from pathlib import Path

import numpy as np
import pytest

from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import Fit, fit_form
from preceptor.scaling.forms import FORMS
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points
from preceptor.scaling.repeats import when_to_stop
from preceptor.scaling.repetition import effective, fit_repetition, objective
from preceptor.scaling.surface import surface_of
from preceptor.scaling.training_cost import TrainingCost
from scaling.planted import LAW

R_D, R_N = 15.39, 5.31  # the published values


def sweep(noise: float = 0.0, unique_shares: tuple[float, ...] = (1.0, 0.3, 0.1, 0.02), r_d: float = R_D) -> Points:
    """6 sizes × 5 budgets × shares of distinct tokens, under a planted law with repetition."""
    n, d, share = (
        v.ravel() for v in np.meshgrid(np.geomspace(2e4, 7e5, 6), np.geomspace(3e4, 1e6, 5), unique_shares, indexing="ij")
    )
    unique = d * share
    best = ((LAW["alpha"] * LAW["A"]) / (LAW["beta"] * LAW["B"]) * unique ** LAW["beta"]) ** (1 / LAW["alpha"])
    worth_d = effective(unique, d, r_d)[0]
    worth_n = effective(np.minimum(best, n), n, R_N)[0]
    loss = LAW["E"] + LAW["A"] * worth_n ** -LAW["alpha"] + LAW["B"] * worth_d ** -LAW["beta"]
    # the base law of the source counts N whole where nothing repeats
    plain = LAW["E"] + LAW["A"] * n ** -LAW["alpha"] + LAW["B"] * d ** -LAW["beta"]
    loss = np.where(share == 1.0, plain, loss) * np.exp(noise * np.random.default_rng(0).standard_normal(len(n)))
    return Points.of({"params": n, "tokens": d, "loss": loss, "unique_tokens": unique})


def base(points: Points) -> Fit:
    return fit_form(FORMS["joint"], points.where(~points.repeated), starts=40)


def test_effective_data_have_their_limits() -> None:
    unique = np.array([100.0])
    assert effective(unique, unique, 15.0)[0][0] == 100
    assert effective(unique, unique * 2, 1e4)[0][0] == pytest.approx(200, rel=1e-3)
    assert effective(unique, unique * 1e6, 15.0)[0][0] == pytest.approx(1600)


def test_gradient_is_that_of_finite_differences() -> None:
    points = sweep(0.01)
    fitted, repeated = base(points), points.where(points.repeated)
    for delta in (1e-3, 1.0):
        at = np.array([1.3, 0.7])
        _, grad = objective(at, fitted, repeated, delta)
        for j in range(2):
            h = np.eye(2)[j] * 1e-6
            numeric = (objective(at + h, fitted, repeated, delta)[0] - objective(at - h, fitted, repeated, delta)[0]) / 2e-6
            assert grad[j] == pytest.approx(numeric, rel=1e-4, abs=1e-6)


def test_planted_repetition_is_found() -> None:
    points = sweep()
    found = fit_repetition(base(points), points.where(points.repeated))
    assert found.values == pytest.approx({"R_D": R_D, "R_N": R_N}, rel=1e-2)
    assert found.reasons == {"R_D": "", "R_N": ""}
    assert found.rms < 1e-3 * found.rms_as_fresh


def test_few_repetitions_leave_it_open() -> None:
    points = sweep(0.01, unique_shares=(1.0, 0.8))
    found = fit_repetition(base(points), points.where(points.repeated))
    assert "fit" in found.reasons["R_D"]


def test_fit_keeps_repeated_runs_out_of_the_laws_of_fresh_data(tmp_path: Path) -> None:
    law = fit(sweep(), ScalingConfig(starts=40, bootstraps=0))
    entry = law.sets["loss"]
    joint = entry.law("joint")
    assert joint is not None
    assert joint.n == 30
    assert {s: p.value for s, p in joint.parameters.items()} == pytest.approx(LAW, rel=1e-3)
    assert entry.repetition is not None
    assert entry.repetition.values["R_D"] == pytest.approx(R_D, rel=0.02)
    assert "R_D 15" in str(law)
    law.save(tmp_path / "law.json")
    assert str(Law.load(tmp_path / "law.json")) == str(law)


def test_only_repeated_runs_give_no_law() -> None:
    points = sweep()
    law = fit(points.where(points.repeated), ScalingConfig(starts=10, bootstraps=0))
    assert not law.sets["loss"].laws
    assert law.sets["loss"].repetition is None


def test_repeated_points_without_a_joint_law_are_counted_and_said() -> None:
    rows = sweep(noise=0.001)
    one = rows.where(rows.params == rows.params.max())
    law = fit(one, ScalingConfig(starts=20, bootstraps=0, forecast=False))
    (entry,) = law.sets.values()
    assert entry.repetition is None
    assert entry.repeated == 15
    said = "15 of 20 points read their data more than once (up to 50 times)"
    assert said in entry.notes[0]
    assert "1 different value(s) of params" in entry.notes[0]
    surface = surface_of(law.sets, law.tried, TrainingCost.of({}), None)
    stopping = when_to_stop(surface, 1e5, None)
    assert "15 points repeat, and without a joint law" in stopping.source
    assert "no run of this study repeats" not in str(stopping)
    only = fit(one.where(one.repeated), ScalingConfig(starts=20, bootstraps=0, forecast=False)).sets[entry.name]
    assert not only.laws
    assert "no point is fresh" in only.notes[0]
