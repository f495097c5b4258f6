from pathlib import Path

import numpy as np
import pytest

from preceptor.report.curves import curves, slope
from preceptor.report.fitted import laws, not_fitted
from preceptor.report.formats import any_value, fixed, interval, name, short
from preceptor.report.inputs import Inputs, number, values, where
from preceptor.report.sections_scaling import largest
from report.miniature import study


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", None, True, []])
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None


def test_rows_are_chosen_by_text_and_whole_numbers() -> None:
    rows = [{"k": "10", "m": "a"}, {"k": "10.0", "m": "b"}, {"k": "1", "m": "c"}]
    assert values(where(rows, k=10), "m") == ["a", "b"]


def test_curves_average_seeds_and_know_the_floor(tmp_path: Path) -> None:
    folder = study(tmp_path, without=["data"])["lm"].path
    head = "params,tokens,loss,run,seed,set,unit,floor\n"
    lines = [f"100,{t},{3 + above},r{s},{s},x,item,2.0" for t, above in ((10, 1.0), (100, 0.5), (1000, 0.0)) for s in (0, 1)]
    (folder / "points.csv").write_text(head + "\n".join(lines) + "\n100,9,,r0,0,x,item,\n")
    (curve,) = curves(Inputs.of(tmp_path))["x"]
    assert curve.runs == 2
    np.testing.assert_allclose(curve.excess, [2.0, 1.5, 1.0])
    assert slope(curve) == pytest.approx(np.polyfit(np.log([10, 100, 1000]), np.log([2.0, 1.5, 1.0]), 1)[0])


def test_laws_keep_intervals_reasons_and_whether_they_are_identified(tmp_path: Path) -> None:
    study(tmp_path)
    known, single, unknown = laws(Inputs.of(tmp_path))
    assert (known.set, known.form, known.identified, known.chosen) == ("uih-in-graph", "joint-excess", True, True)
    assert known.parameters["beta"].interval == pytest.approx((0.432, 0.528))
    assert (single.params, single.chosen) == (20_480.0, False)
    assert not unknown.identified
    assert unknown.parameters["alpha"].reason == "at 0"
    assert unknown.parameters["E"].interval is None
    assert not_fitted(Inputs.of(tmp_path)) == [("real-test", "excess", "the floor of this set isn't known")]


def test_numbers_are_printed_as_readers_want_them() -> None:
    assert fixed(-0.5, 2) == "−0.50"
    assert fixed("") == "–"
    assert short(0.00123456) == "0.00123"
    assert short(123456) == "123,456"
    assert interval(0.1, "") == "no interval"
    assert any_value(0.93) == "0.93"
    assert any_value(500) == "500"
    assert name("uih-ood") == "UIH OOD"


def test_the_forecast_shown_is_the_best_form_s_at_the_corner_else_a_fixed_one_s(tmp_path: Path) -> None:
    folder = study(tmp_path)["scaling"].path
    rows = (folder / "forecast.csv").read_text().splitlines()
    line = next(r for r in rows if r.startswith("real-test") and ",corner," in r)
    (folder / "forecast.csv").write_text("\n".join([*rows, line.replace(",joint,", ",data,")]) + "\n")
    chosen = {r["set"]: (r["form"], r["held"]) for r in largest(Inputs.of(tmp_path))}
    assert chosen == {"uih-in-graph": ("joint-excess", "corner"), "real-test": ("joint", "corner")}
    (folder / "laws.json").write_text("{}")
    assert {r["set"]: r["form"] for r in largest(Inputs.of(tmp_path))}["real-test"] == "joint"
