"""The distance to the market's truth: its three parts are told apart, and other logs don't claim one."""

import json
from pathlib import Path

from miniature import copied
from preceptor.core.artifact import canonical
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_truth import truth


def test_bias_size_and_aim_are_told_apart(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    found = json.loads((out / "audit" / "truth.json").read_text())
    found["infinite"]["tv"] = far = 0.25
    (out / "audit" / "truth.json").write_text(canonical(found))
    graph, equal = found["graph"]["tv"], found["uniform"][0]["tv"]
    made = truth(Artifacts.of(out))
    assert f"is {graph:.3f}; that of the same settings on an equally large log" in made.html
    parts = f"{graph - equal:+.3f} is due to biased exposure and {equal - far:+.3f} to the size of the log. "
    assert parts.replace("-", "−") in made.html
    assert "not of flatness" in made.html
    assert [d.name for d in made.figures] == ["truth-ladder", "truth-drifts"]
    assert all(d.inline in made.html for d in made.figures)


def test_without_a_limit_the_largest_log_stands_in(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    found = json.loads((out / "audit" / "truth.json").read_text())
    found["infinite"]["tv"] = None
    (out / "audit" / "truth.json").write_text(canonical(found))
    assert f"and on one 4 times as large {found['uniform'][-1]['tv']:.3f}" in truth(Artifacts.of(out)).html


def test_a_real_log_has_no_truth(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    (out / "audit" / "truth.json").unlink()
    made = truth(Artifacts.of(out))
    assert made.html == ""
    assert made.figures == ()
