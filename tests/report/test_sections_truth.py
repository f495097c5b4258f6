"""The distance to the market's truth: its three parts are told apart, and other logs don't claim one."""

import json
from pathlib import Path

import pytest

from preceptor.report.drawing import Drawing
from preceptor.report.inputs import Inputs
from preceptor.report.sections_truth import truth
from report.miniature import study


@pytest.fixture
def made(tmp_path: Path) -> Inputs:
    return Inputs(study(tmp_path))


def test_bias_size_and_aim_are_told_apart(made: Inputs) -> None:
    drawings: list[Drawing] = []
    said = truth(made, drawings)
    assert "is 0.720; that of the same settings on an equally large log" in said
    assert "+0.220 is due to biased exposure, +0.200 to the size of the log, and 0.300 is left" in said
    assert "not of flatness" in said
    assert [d.name for d in drawings] == ["truth-ladder", "truth-drifts"]
    assert all(d.inline in said for d in drawings)


def test_without_a_limit_the_largest_log_stands_in(made: Inputs) -> None:
    path = made.artifacts["audit"].file("truth.json")
    found = json.loads(path.read_text())
    found["infinite"]["tv"] = None
    path.write_text(json.dumps(found))
    assert "and on one 16 times as large 0.350" in truth(made, [])


def test_a_real_log_has_no_truth(made: Inputs) -> None:
    made.artifacts["audit"].file("truth.json").unlink()
    drawings: list[Drawing] = []
    assert truth(made, drawings) == ""
    assert drawings == []
