import json
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points
from preceptor.scaling.surface import optimum
from scaling.planted import LAW, sweep, value

LIGHT = ScalingConfig(starts=40, bootstraps=40, bootstrap_starts=3)


@pytest.fixture(scope="module")
def good() -> Law:
    return fit(sweep(6, 6, seeds=3, noise=0.0005, run_noise=0.001), LIGHT)


def test_one_dense_sweep_is_identified_with_intervals(good: Law) -> None:
    law = good.sets["uih"].law("joint")
    assert law is not None
    assert law.identified, law.why_not
    assert law.interval_method == "bootstrap over runs, by size"
    for symbol, p in law.parameters.items():
        assert p.value == pytest.approx(LAW[symbol], rel=0.4)
        assert p.interval is not None
        assert p.interval[0] < p.value < p.interval[1]
    assert "not fitted: the floor of this set isn't known" in str(good)
    assert "E 2" in str(good) or "E 1.9" in str(good)


def test_four_sizes_and_four_budgets_without_seeds_say_what_is_not_known() -> None:
    law = fit(sweep(4, 4, noise=0.01), LIGHT)
    entry = law.sets["uih"]
    for one in entry.laws:
        assert not one.identified
        assert one.interval_method == "no interval"
        assert all(p.interval is None for p in one.parameters.values())
    assert all("1 degree" in one.why_not for one in entry.laws if one.form == "data")
    assert "alpha not identified" in str(law)
    with pytest.raises(PreceptorError, match="No plan"):
        law.plan(flops=1e12)


def test_sets_that_tell_of_no_learning_are_kept_but_not_fitted(tmp_path: Path) -> None:
    points = sweep(4, 4)
    names = ("uih-full", "real-test-unseen", "real-validation-new")
    columns = {k: points.columns()[k] for k in ("params", "tokens", "loss", "run", "seed")}
    law = fit(Points.of({k: v * 3 for k, v in columns.items()} | {"set": [n for n in names for _ in range(16)]}), LIGHT)
    assert list(law.sets) == list(names)
    assert all(not entry.laws and entry.chosen is None for entry in law.sets.values())
    assert "rising" in law.sets["uih-full"].not_fitted["joint"]
    law.save(tmp_path / "law.json")
    assert Law.load(tmp_path / "law.json").sets["uih-full"].not_fitted == law.sets["uih-full"].not_fitted
    assert "falling curve" in str(law)


def test_saved_and_loaded_is_the_same(good: Law, tmp_path: Path) -> None:
    good.save(tmp_path / "law.json")
    again = Law.load(tmp_path / "law.json")
    assert str(again) == str(good)
    assert str(again.plan(1e12)) == str(good.plan(1e12))
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "law.json").read_bytes()


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text in ("{", "[]", '{"kind": "laws", "format": 99}', '{"kind": "laws", "format": 1}'):
        path.write_text(text)
        with pytest.raises(PreceptorError, match=r"x\.json"):
            Law.load(path)
    with pytest.raises(PreceptorError, match="No such file"):
        Law.load(tmp_path / "none.json")


def test_the_optimum_is_that_of_a_search(good: Law) -> None:
    law = good.sets["uih"].law("joint")
    assert law is not None
    flops = 6 * 5e5 * 1e6
    n, d = optimum(law, flops)
    assert 6 * n * d == pytest.approx(flops)
    grid = np.geomspace(1e3, 1e9, 200_001)
    losses = value(grid, flops / 6 / grid, {s: p.value for s, p in law.parameters.items()})
    assert n == pytest.approx(grid[np.argmin(losses)], rel=1e-3)
    a, b = LAW["alpha"] * LAW["A"], LAW["beta"] * LAW["B"]
    true = (a / b) ** (1 / 0.7) * (flops / 6) ** (LAW["beta"] / 0.7)
    plan = good.plan(flops)
    assert plan.params_interval is not None
    assert plan.params_interval[0] < true < plan.params_interval[1]


def test_a_plan_has_intervals_inside_one_another_and_epochs(good: Law) -> None:
    plan = good.plan(4e12, sources={"cf": (0.25, 1e5)})
    e = plan.losses["uih"]
    assert e.interval_80 is not None
    assert e.interval_95 is not None
    assert e.interval_95[0] < e.interval_80[0] < e.loss < e.interval_80[1] < e.interval_95[1]
    assert plan.epochs["cf"] == pytest.approx(0.25 * plan.tokens / 1e5)
    assert "epochs" in str(plan)
    assert not plan.warnings


def test_beyond_ten_times_the_largest_run_it_refuses_or_warns(good: Law) -> None:
    largest = 6 * good.largest[0] * good.largest[1]
    good.plan(9.9 * largest)
    with pytest.raises(PreceptorError, match="extrapolate=True"):
        good.plan(10.1 * largest)
    plan = good.plan(1e18, extrapolate=True)
    assert "Extrapolated" in plan.warnings[0]
    assert "Extrapolated" in str(plan)


def test_bad_budgets_and_sets_are_refused(good: Law) -> None:
    for flops in (0.0, -1.0, float("nan")):
        with pytest.raises(PreceptorError, match="Bad budget"):
            good.plan(flops)
    with pytest.raises(PreceptorError, match="No such set"):
        good.plan(1e12, target="nothing")


def test_a_known_floor_identifies_what_a_free_one_does_not() -> None:
    law = fit(sweep(5, 5, noise=0.002, floor=LAW["E"]), LIGHT)
    entry = law.sets["uih"]
    assert entry.chosen == "joint-excess"
    joint = entry.law("joint-excess")
    assert joint is not None
    assert joint.parameters["beta"].identified, joint.why_not
    assert joint.parameters["beta"].value == pytest.approx(LAW["beta"], rel=0.25)


def test_a_loss_that_does_not_fall_has_no_law() -> None:
    points = sweep(5, 6, noise=0.003, law=LAW | {"B": 1e-9, "A": 1e-9})
    for one in fit(points, LIGHT).sets["uih"].laws:
        assert not one.identified, one


def test_json_holds_resamples_of_what_can_be_planned_with_and_the_starts_status(good: Law, tmp_path: Path) -> None:
    good.save(tmp_path / "law.json")
    data = json.loads((tmp_path / "law.json").read_text())
    for one in data["sets"]["uih"]["laws"]:
        assert len(one["starts"]["status_of_each"]) == LIGHT.starts
        assert len(one["draws"]) == (LIGHT.bootstraps if one["params"] is None or one["identified"] else 0)


def test_no_points() -> None:
    with pytest.raises(PreceptorError, match="No points"):
        fit(Points.of({"params": [], "tokens": [], "loss": []}))
