import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from miniature import copied
from preceptor.core.artifact import canonical
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.scaling import Forecast
from preceptor.report.curves import curves, slope
from preceptor.report.doubts import doubts
from preceptor.report.fitted import footings, laws, not_fitted
from preceptor.report.formats import any_value, excess_share, fixed, interval, missed, name, short
from preceptor.report.inputs import Artifacts, number
from preceptor.report.sections_scaling import fitted, forecast, largest


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", None, True, []])
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None


def test_curves_average_seeds_and_know_the_floor(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    like = row.read(out / "lm", Point)[0]
    losses = ((10, 4.0), (100, 3.5), (1000, 3.0))
    points = [
        dataclasses.replace(
            like, params=100, tokens=t, loss=loss + 0.1 * s, run=f"r{s}", seed=s, set="x", unit="item", floor=2.0
        )
        for t, loss in losses
        for s in (-1, 1)
    ]
    row.write(out / "lm", Point, points)
    (curve,) = curves(Artifacts.of(out))["x"]
    assert (curve.runs, curve.unit, curve.params) == (2, "item", 100)
    np.testing.assert_allclose(curve.excess, [2.0, 1.5, 1.0])
    np.testing.assert_allclose(curve.high - curve.low, 0.2)
    assert slope(curve) == pytest.approx(np.polyfit(np.log([10, 100, 1000]), np.log([2.0, 1.5, 1.0]), 1)[0])


def test_laws_keep_intervals_reasons_and_whether_they_are_identified(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    path = out / "scaling" / "laws.json"
    found = json.loads(path.read_text())
    joint = next(law for law in found["sets"]["item-text"]["laws"] if law["form"] == "joint")
    for symbol, p in joint["parameters"].items():
        p |= {"identified": symbol != "alpha", "reason": "at 0" if symbol == "alpha" else "", "interval": [0.4, 0.6]}
    joint["parameters"]["A"]["interval"] = None
    joint["identified"] = False
    found["sets"]["item-text"]["chosen"] = "joint"
    path.write_text(canonical(found))
    every = laws(Artifacts.of(out))
    (law,) = (law for law in every if (law.set, law.form) == ("item-text", "joint"))
    assert law.chosen
    assert not law.identified
    assert law.params is None
    assert law.parameters["beta"].interval == (0.4, 0.6)
    assert law.parameters["A"].interval is None
    assert law.parameters["alpha"].reason == "at 0"
    assert "starts at the optimum" in law.starts
    assert len([law for law in every if (law.set, law.form) == ("item-text", "data")]) == 4  # one for each size
    assert ("real-test-seen", "excess", "the floor of this set isn't known") in not_fitted(Artifacts.of(out))
    why = {(set_, form): why for set_, form, why in not_fitted(Artifacts.of(out))}
    assert "every size is below the unigram" in why["uih-in-graph", "joint-excess"]  # so young are a miniature's models


def test_numbers_are_printed_as_readers_want_them() -> None:
    assert fixed(-0.5, 2) == "−0.50"
    assert fixed("") == "–"
    assert short(0.00123456) == "0.00123"
    assert short(123456) == "123,456"
    assert interval(0.1, "") == "no interval"
    assert any_value(0.93) == "0.93"
    assert any_value(500) == "500"
    assert name("uih-ood") == "UIH OOD"


def test_the_forecast_shown_is_a_plan_s_of_the_largest_run(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    rows = row.read(out / "scaling", Forecast)
    shown = largest(Artifacts.of(out))
    planned = {r.set for r in rows if r.form == "plan" and r.held == "corner" and r.predicted is not None}
    assert planned
    assert {r.set: (r.form, r.held) for r in shown} == dict.fromkeys(planned, ("plan", "corner"))
    assert {r.params for r in shown} == {max(r.params for r in rows)}
    row.write(out / "scaling", Forecast, [r for r in rows if r.form != "plan"])
    assert largest(Artifacts.of(out)) == []


@pytest.mark.parametrize("error", [-0.21, -3.0])
def test_the_errors_of_forecasts_have_an_axis_with_plain_numbers(error: float, miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    rows = [dataclasses.replace(r, excess_error=error) for r in row.read(out / "scaling", Forecast)]
    row.write(out / "scaling", Forecast, rows)
    (drawing,) = forecast(Artifacts.of(out)).figures
    for power in ("× 10", "×", "\\times"):
        assert power not in drawing.file


def test_laws_say_what_the_second_method_found_and_what_they_rest_on(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    path = out / "scaling" / "laws.json"
    found = json.loads(path.read_text())
    entry = found["sets"]["item-text"]
    joint = next(law for law in entry["laws"] if law["form"] == "joint")
    for p in joint["parameters"].values():
        p |= {"identified": True, "reason": "", "interval": [0.4, 0.6]}
    joint |= {"identified": True, "note": "it bends"}
    joint["second"] = {"values": {"A": 1.0, "alpha": 0.9, "B": 2.0, "beta": 0.11}, "rms": 0.1, "apart": 0.25, "agrees": False}
    joint["outliers"] = [
        {"run": "d1-s0", "params": 1.0, "tokens": 1024.0, "loss": 5.0, "moves": 0.1, "residual": 7.0},
    ]
    entry["burn_in"] = {
        "reference": "unigram", "value": 5.0, "first": 2048.0, "dropped": [[1.0, 1024.0, 6.0]], "late": [1.0],
        "under_bigram": {}, "why_not": "",
    }  # fmt: skip
    entry["notes"] = ["two losses lie below the floor"]
    path.write_text(canonical(found))
    inputs = Artifacts.of(out)
    law = next(law for law in laws(inputs) if (law.set, law.form) == ("item-text", "joint"))
    assert law.second == {"alpha": 0.9, "beta": 0.11}
    assert (law.agrees, law.far, law.note) == (False, 0.25, "it bends")
    assert law.outliers == ('run == "d1-s0" and tokens == 1024',)
    footing = next(f for f in footings(inputs) if f.set == "item-text")
    assert (footing.enters, footing.reference, footing.left_out) == (2048.0, "unigram", 1)
    assert footing.tau is not None
    shown = fitted(inputs).html
    for said in ("disagree", "25.0 %", "tokens == 1024", "it bends", "two losses lie below the floor", "below the unigram"):
        assert said in shown, said
    apart = dict(doubts(inputs))["Two methods of fitting disagree"]
    assert name("item-text") in apart


def test_a_forecast_of_what_lies_below_the_floor_has_words_and_no_share(miniature: Path) -> None:
    like = row.read(miniature / "scaling", Forecast)[0]
    below = dataclasses.replace(like, actual=1.9, reference=2.0, reference_kind="known floor", excess_error=None)
    assert excess_share(below, None) == "measured below the known floor"
    assert excess_share(below, 0.5) == "50.0 %"  # the mean of its cell lies above
    assert excess_share(dataclasses.replace(below, actual=2.5), None) == "–"
    assert excess_share(below, 7.0) == "over ±200 %"
    assert missed(dataclasses.replace(below, predicted=1.95)) == "+0.050 nats (measured below the known floor)"
    fitted_end = dataclasses.replace(below, actual=2.5, predicted=2.4, reference_kind="fitted E", excess_error=-0.2)
    assert missed(fitted_end) == "−0.100 nats (−20.0 % of the excess over the fitted E)"
