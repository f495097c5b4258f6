"""Train on these rows, predict those: rows that a person names, or brings in a second table; rows that are dropped."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import preceptor as pc
from preceptor import cli
from preceptor.core.errors import PreceptorError
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.forecast import PLANNED, cells_of, forecast
from preceptor.scaling.law import MOST, Law, fit
from preceptor.scaling.points import Points
from scaling.planted import LAW, sweep

LIGHT = ScalingConfig(starts=30, bootstraps=40, bootstrap_starts=2)


@pytest.fixture(scope="module")
def points() -> Points:
    return sweep(6, 6, seeds=3, noise=0.001, floor=LAW["E"])


@pytest.fixture(scope="module")
def law(points: Points) -> Law:
    return fit(points, LIGHT, hold_out="params > 4e5")


def test_named_rows_are_predicted_and_not_fitted(points: Points, law: Law) -> None:
    joint = law.sets["uih"].law("joint")
    assert joint is not None
    assert joint.n == len(points) - 18
    assert law.params_range[1] < 4e5
    found = law.judged()["uih"]
    assert found.points == 18
    assert found.error is not None
    assert found.error < 0.05
    assert found.covered is not None
    assert found.covered > 0.8
    assert found.nearest_smaller is not None
    assert found.nearest_smaller > found.error
    assert "held out      18 points" in str(law)


def test_held_out_rows_that_repeat_data_are_said_and_not_forecast(points: Points) -> None:
    twice = Points.of(points.columns() | {"unique_tokens": np.where(points.seed == 2, points.tokens / 2, points.tokens)})
    law = fit(twice, ScalingConfig(starts=20, bootstraps=0, forecast=False), hold_out="params > 4e5")
    assert law.judged()["uih"].points == 12
    assert "6 of 18 rows that were held out repeat data" in str(law)


def test_a_second_table_is_predicted_alike(points: Points, law: Law) -> None:
    large = points.params > 4e5
    other = fit(points.where(~large), LIGHT, test=points.where(large))
    assert other.judged() == law.judged()
    with pytest.raises(PreceptorError, match=r"nothing is fitted to[\s\S]*other"):
        fit(points.where(~large), LIGHT, test=Points.of(points.columns() | {"set": ["other"] * len(points)}))


def test_the_held_out_cells_are_the_largest_size_the_largest_budgets_and_both(points: Points) -> None:
    rows = forecast("uih", points, LIGHT)
    assert {r.held for r in rows} == {"corner", "size", "tokens"}
    cells = cells_of(rows)
    assert set(cells["joint-excess"]) == {"corner", "size", "tokens"}
    assert set(cells["excess"]) == {"corner", "tokens"}  # a law of one size knows no other
    assert max(cells["joint-excess"].values()) < 0.05
    for held, n in (("corner", 3), ("size", 18), ("tokens", 18)):
        assert len([r for r in rows if r.held == held and r.form == "joint"]) == n


def test_a_fit_prints_the_held_out_error_of_what_a_plan_says(law: Law) -> None:
    cells = law.sets["uih"].forecast_cells[PLANNED]
    assert set(cells) == {"corner", "size", "tokens"}
    mean = float(np.mean(list(cells.values())))
    assert f"as a plan forecasts: off by {mean:.1%} of the excess (corner {cells['corner']:.1%}" in str(law)


def test_the_average_of_the_forms_is_what_predict_says(points: Points, law: Law) -> None:
    row = next(r for r in law.forecasts if r.held == "named" and r.form == PLANNED)
    said = law.predict(row.params, row.tokens)
    assert row.predicted == pytest.approx(float(said.loss[0]), rel=1e-9)
    assert said.interval_95 is not None
    assert row.lo == pytest.approx(float(said.interval_95[0][0]), rel=1e-6)
    plan = law.plan(tokens=row.tokens, params=row.params, extrapolate=True)
    assert plan.losses["uih"].loss == pytest.approx(row.predicted, rel=1e-9)


def test_predict_takes_one_size_and_many_budgets(law: Law) -> None:
    found = law.predict(1e5, np.array([1e5, 1e6, 1e7]))
    assert found.loss.shape == (3,)
    assert (np.diff(found.loss) < 0).all()
    assert str(found).count("95%") == 3
    assert law.predict(20_010, 1e5).loss == law.predict(20_000, 1e5).loss  # a trained size, rounded
    for args in ((np.array([1.0, 2.0]), 1e5), (0.0, 1e5), (1e5, -1.0), (float("nan"), 1e5)):
        with pytest.raises(PreceptorError):
            law.predict(*args)  # type: ignore[arg-type]
    with pytest.raises(PreceptorError, match="No such set"):
        law.predict(1e5, 1e5, "none")


def test_dropped_rows_are_on_the_record(points: Points, tmp_path: Path) -> None:
    law = fit(points, ScalingConfig(starts=20, bootstraps=0, forecast=False), drop=['run == "d0-s0"', "tokens < 5e4"])
    assert [len(d.rows) for d in law.dropped] == [6, 17]
    assert law.dropped[0].rows[0][:2] == ("uih", "d0-s0")
    assert "left out by --drop 'run == \"d0-s0\"': 6 rows" in str(law)
    law.save(tmp_path / "law.json")
    again = Law.load(tmp_path / "law.json")
    assert again.dropped == law.dropped
    assert str(again) == str(law)


def test_the_saved_file_has_the_forecasts(law: Law, tmp_path: Path) -> None:
    law.save(tmp_path / "law.json")
    again = Law.load(tmp_path / "law.json")
    assert again.forecasts == law.forecasts
    assert again.judged() == law.judged()
    assert str(again) == str(law)


def test_the_command_says_the_same_in_words_and_for_programs(
    points: Points, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points.write(tmp_path / "points.csv")
    points.where(points.seed == 2).write(tmp_path / "new.csv")
    kept = tmp_path / "train.csv"
    points.where(points.seed < 2).write(kept)
    with pytest.raises(SystemExit) as ended:
        cli.main(["fit", str(kept), "--test", str(tmp_path / "new.csv"), "--out", str(tmp_path / "law.json"), "--json"])
    assert not ended.value.code
    said = json.loads(capsys.readouterr().out)
    assert said["judged"]["uih"]["points"] == 36
    assert said["forecasts"]
    assert isinstance(said["sets"]["uih"]["laws"][0]["theta"], list)
    second = next(x for x in said["sets"]["uih"]["laws"] if x["form"] == "joint-excess")["second"]
    assert second["agrees"] is True
    assert second["values"]["beta"] == pytest.approx(LAW["beta"], rel=0.1)
    assert Law.load(tmp_path / "law.json").judged()["uih"].points == 36
    with pytest.raises(SystemExit):
        cli.main(["fit", str(kept), "--hold-out", "params > 1e99"])
    assert "No row is meant" in capsys.readouterr().err


def test_a_form_that_misses_its_points_is_warned_of() -> None:
    points = sweep(5, 6, seeds=3, noise=0.0005)
    kink = np.where(points.tokens > 2e5, points.loss * 0.9, points.loss)
    law = fit(Points.of(points.columns() | {"loss": kink}), ScalingConfig(starts=30, bootstraps=0, forecast=False))
    joint = law.sets["uih"].law("joint")
    assert joint is not None
    assert "misses its points" in joint.note
    assert "seeds differ by" in str(law)
    clean = fit(points, ScalingConfig(starts=30, bootstraps=0, forecast=False)).sets["uih"].law("joint")
    assert clean is not None
    assert "misses" not in clean.note


def test_from_python_a_path_is_enough(points: Points, tmp_path: Path) -> None:
    points.where(points.seed == 0).write(tmp_path / "points.csv")
    law = pc.fit(tmp_path / "points.csv", hold_out="tokens > 9e5", drop="params < 2.1e4")
    assert len(law.dropped) == 1
    assert law.judged()["uih"].points == 5


BELOW = "lie below the known floor"


@pytest.mark.parametrize(("share", "aside"), [(0.02, False), (0.5, True), (1.1, True)])
def test_losses_below_the_floor_are_said_and_a_floor_of_others_is_left_aside(share: float, aside: bool) -> None:
    points = sweep(5, 6, noise=0.001)
    floor = float(np.quantile(points.loss, min(share, 1.0))) + (0.0 if share < 1 else 5.0) + 1e-9
    law = fit(Points.of(points.columns() | {"floor": [floor] * 30}), ScalingConfig(starts=30, bootstraps=0, forecast=False))
    entry = law.sets["uih"]
    assert BELOW in entry.notes[0]
    assert (entry.floor is None) is aside
    joint = entry.law("joint")
    assert joint is not None
    if aside:
        assert joint.parameters["E"].value == pytest.approx(LAW["E"], rel=0.2)
        assert "same unit" in str(law)


def test_one_size_has_laws_of_tokens_and_says_why_no_joint_one() -> None:
    law = fit(sweep(1, 8, seeds=2, noise=0.001, law=LAW | {"A": 1e-9}, floor=LAW["E"]), LIGHT)
    assert "1 different value(s) of params" in law.sets["uih"].not_fitted["joint"]
    assert law.sets["uih"].law("excess", 2e4) is not None
    assert law.predict(2e4, 1e6).interval_95 is not None
    with pytest.raises(PreceptorError, match="No law for this size"):
        law.predict(9e5, 1e6)


def test_a_million_rows_are_refused_quickly_and_in_words() -> None:
    n = MOST + 1
    points = Points.of({"params": np.full(n, 1e5), "tokens": np.arange(1.0, n + 1), "loss": np.linspace(5, 4, n)})
    with pytest.raises(PreceptorError, match=r"The table has too many points[\s\S]*points.csv[\s\S]*training curves"):
        fit(replace(points, source="points.csv"))
    named = Points.of(points.columns() | {"set": ["uih"] * n})
    with pytest.raises(PreceptorError, match="Set 'uih' has too many points"):
        fit(named)


def test_points_know_the_file_that_they_are_of(points: Points, tmp_path: Path) -> None:
    points.write(tmp_path / "points.csv")
    read = Points.read(tmp_path / "points.csv")
    assert read.source == str(tmp_path / "points.csv")
    assert read.of_set("uih").source == read.source


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"hold_out": "params > 1"}, "--hold-out 'params > 1'"),
        ({"drop": ["seed > 0"], "hold_out": "seed == 0"}, "--drop 'seed > 0' and --hold-out 'seed == 0'"),
    ],
)
def test_an_expression_that_means_every_row_is_named(points: Points, options: dict[str, Any], where: str) -> None:
    with pytest.raises(PreceptorError) as raised:
        fit(points, LIGHT, **options)
    assert raised.value.problem == "No row is left to fit"
    assert raised.value.where == where


@pytest.mark.parametrize("n_sizes", [1, 2, 4])
def test_held_out_rows_are_forecast_as_a_plan_would(n_sizes: int) -> None:
    # what N does isn't identified: each size has its own end, which no joint law has
    points = sweep(n_sizes, 7, seeds=3, noise=0.001, floor=LAW["E"], law=LAW | {"A": 1e-9})
    bent = (points.loss - LAW["E"]) * 1.3 ** (np.searchsorted(np.unique(points.params), points.params) % 2)
    law = fit(
        Points.of(points.columns() | {"loss": LAW["E"] + bent}),
        ScalingConfig(starts=30, bootstraps=40, bootstrap_starts=2, forecast=False), hold_out="tokens > 9e5",
    )  # fmt: skip
    entry = law.sets["uih"]
    rows = [r for r in law.forecasts if r.held == "named"]
    joint = [r for r in rows if r.form.startswith("joint")]
    assert all((r.predicted is None) == (n_sizes < 3) for r in joint)
    assert all(r.note == f"not fitted: {n_sizes} different value(s) of params" for r in joint if n_sizes < 3)
    planned = [r for r in rows if r.form == PLANNED]
    assert len(planned) == 3 * n_sizes
    for row in planned:
        own = entry.at(row.params)
        assert own is not None
        assert own.params == row.params
        plan = law.plan(tokens=row.tokens, params=row.params).losses["uih"]
        assert row.predicted == pytest.approx(plan.loss, rel=1e-12)
        assert (row.lo, row.hi) == pytest.approx(plan.interval_95, rel=1e-12)
        assert row.note == f"laws of this size: {entry.mixture(own, row.tokens) or own.form}"
    assert law.judged()["uih"].error == pytest.approx(0, abs=0.01)
    assert len(entry.weights["size"]) == 3  # and the average was asked for


def test_without_an_identified_joint_law_sizes_speak_for_themselves_and_for_those_beside_them() -> None:
    law = fit(sweep(4, 3, seeds=2, noise=0.01, floor=LAW["E"]), replace(LIGHT, forecast=False))
    entry = law.sets["uih"]
    assert not any(one.identified for one in entry.laws)
    sizes = sorted({float(one.params) for one in entry.unshown if one.params is not None})
    for n in sizes:
        own = entry.at(n)
        assert own is not None
        assert own.params == n

    def excess(n: float) -> float:
        return float(law.predict(n, 2e6).loss[0]) - LAW["E"]

    for asked, (a, b) in ((2 * sizes[-1], sizes[-2:]), (0.5 * (sizes[0] + sizes[1]), sizes[:2]), (sizes[0] / 3, sizes[:2])):
        slope = math.log(excess(b) / excess(a)) / math.log(b / a)
        assert excess(asked) == pytest.approx(excess(b) * (asked / b) ** slope)
        found = law.predict(asked, 2e6)
        assert found.reason.startswith("not identified")
        assert found.interval_95 is not None


def test_well_below_the_largest_budget_the_law_of_all_points_speaks() -> None:
    law = fit(sweep(1, 8, seeds=2, noise=0.01, floor=LAW["E"]), replace(LIGHT, forecast=False))
    entry = law.sets["uih"]
    size, top = float(law.tried.largest[0]), law.tried.tokens_range[1]
    own, whole = entry.of_size(size), entry.law("data", size)
    assert own is not None
    assert whole is not None
    tokens = top * np.array([1 / 64, 1 / 8, 0.18, 1 / 4, 1.0, 8.0])
    told, of_all = entry.centre(own, size, tokens), whole.predict(size, tokens)
    alone = replace(entry, laws=tuple(x for x in entry.laws if x.form != "data"))
    averaged = alone.centre(own, size, tokens)
    assert told[:2] == pytest.approx(of_all[:2], rel=1e-12)
    assert told[3:].tolist() == averaged[3:].tolist()
    assert ["late" in entry.mixture(own, d) for d in tokens.tolist()] == [False, False, True, True, True, True]
    assert "data 4" in entry.mixture(own, float(tokens[2]))
    assert entry.mixture(own, top / 64) == "data 100%"
    assert sorted((of_all[2], averaged[2]))[0] < told[2] < sorted((of_all[2], averaged[2]))[1]


def test_a_forecasts_interval_is_that_of_the_form_of_most_weight(points: Points) -> None:
    law = fit(points.where(points.params == points.params[0]), replace(LIGHT, forecast=False))
    entry = law.sets["uih"]
    size = float(points.params[0])
    for weights in ({"late": 0.4, "line": 0.6}, {"late": 0.6, "line": 0.4}):
        own = replace(entry, weights={"size": weights}).of_size(size)
        assert own is not None
        assert own.form == max(weights, key=lambda form: weights[form])
    without = replace(entry, unshown=tuple(replace(x, draws=x.draws[:0]) for x in entry.unshown))
    assert (own := without.of_size(size)) is not None
    assert own.form == "excess", "a form whose resamples are missing has no interval to give"


def test_a_point_that_no_law_reaches_is_counted_and_not_forecast() -> None:
    points = sweep(2, 7, seeds=3, noise=0.001, floor=LAW["E"])
    law = fit(points, ScalingConfig(starts=20, bootstraps=0, forecast=False), hold_out="params > 1e5")
    row = next(r for r in law.forecasts if r.form == PLANNED)
    assert row.predicted is None
    assert row.note == "neither a joint law nor one of this size"
    assert (law.judged()["uih"].points, law.judged()["uih"].without) == (0, 21)
    assert "21 points of sizes without a law" in str(law)


def test_parts_are_held_out_from_laws_that_a_fit_would_make() -> None:
    rows = forecast("uih", sweep(3, 7, seeds=2, noise=0.001), LIGHT)
    assert {r.note for r in rows if r.held == "size" and r.form == "joint"} == {"not fitted: 2 different value(s) of params"}
    kinds = {r.reference_kind for r in rows if r.held == "size"}
    assert kinds == {"none"}  # no law has an end there, so that no share of an excess is made up


def test_a_size_whose_law_is_open_is_forecast_by_it_and_said_to_be() -> None:
    law = fit(sweep(2, 4, seeds=2, noise=0.02), replace(LIGHT, forecast=False), hold_out="tokens > 9e5")
    rows = [r for r in law.forecasts if r.form == PLANNED]
    assert len(rows) == 4
    assert all(r.predicted is not None and "not identified" in r.note for r in rows)
    said = law.predict(rows[0].params, rows[0].tokens)
    assert said.loss[0] == pytest.approx(rows[0].predicted)
    assert "not identified" in said.reason
    assert said.interval_95 is not None
    assert (rows[0].lo, rows[0].hi) == pytest.approx((said.interval_95[0][0], said.interval_95[1][0]))
    assert rows[0].lo is not None
    assert rows[0].predicted is not None
    assert rows[0].lo < rows[0].predicted


def test_a_loss_below_the_floor_makes_no_error_of_hundreds_of_percent() -> None:
    points = sweep(6, 6, seeds=3, noise=0.001, floor=LAW["E"])
    at = int(np.flatnonzero((points.params > 6e5) & (points.tokens > 9e5))[0])
    loss = points.loss.copy()
    loss[at] = LAW["E"] - 0.0005  # of one run; the other two of its cell lie .5 above the floor
    law = fit(Points.of(points.columns() | {"loss": loss}), LIGHT)
    entry = law.sets["uih"]
    assert entry.forecast_error["joint-excess"] < 0.3
    corner = [r for r in law.forecasts if r.held == "corner" and r.form == "joint-excess"]
    assert max(abs(r.excess_error or 0.0) for r in corner) < 2
    clean = fit(points, LIGHT).sets["uih"]
    for form, weight in entry.weights["joint"].items():  # nor does it decide which form is trusted
        assert weight == pytest.approx(clean.weights["joint"].get(form, 0.0), abs=0.3)
    below = Points.of(points.columns() | {"loss": np.where((points.tokens > 9e5) & (points.params > 6e5), 1.9995, points.loss)})
    only = fit(below, ScalingConfig(starts=20, bootstraps=0, forecast=False), hold_out="params > 6e5 and tokens > 9e5")
    found = only.judged()["uih"]
    assert (found.points, found.below, found.error) == (3, 3, None)
    assert "3 of them at or below the floor" in str(only)
    cells = fit(below, replace(LIGHT, bootstraps=0)).sets["uih"].forecast_cells["joint-excess"]
    assert set(cells) == {"size", "tokens"}  # by their other points; the corner is that cell alone
    assert max(cells.values()) < 0.05


def test_losses_in_two_units_are_noticed_where_no_column_says_so(points: Points) -> None:
    mixed = Points.of(points.columns() | {"loss": np.where(points.seed == 2, points.loss / np.log(2), points.loss)})
    quick = ScalingConfig(starts=10, bootstraps=0, forecast=False)
    (note,) = fit(mixed, quick).sets["uih"].notes
    assert "differ by up to 4" in note
    assert "parameters and" in note
    assert "same unit" in note
    assert fit(points, quick).sets["uih"].notes == ()
