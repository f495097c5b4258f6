"""The section says each measure of synthetic histories beside the same of real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from miniature import copied
from preceptor.core.artifact import canonical
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_likeness import findings, likeness


@pytest.fixture
def found(miniature: Path) -> Any:
    return json.loads((miniature / "audit" / "told.json").read_text())["likeness"]


def test_every_measure_is_shown_and_no_total(miniature: Path) -> None:
    made = likeness(Artifacts.of(miniature)).html
    for name in (
        "TVComplement, bigrams",
        "SequenceLengthSimilarity",
        "distinct-2",
        "near-duplicates",
        "Real halves",
        "Template",
    ):
        assert name in made, name
    assert "no total score" in made


def test_a_measure_below_the_range_of_real_halves_is_said_to_be(found: Any) -> None:
    own = next(r for r in found["compared"] if (r["measure"], r["name"]) == ("TVComplement, items", "samples"))
    lo, hi = found["range"]["TVComplement, items"]
    for value, word in ((lo - 0.01, "below"), ((lo + hi) / 2, "within"), (hi + 0.01, "above")):
        own["value"] = value
        assert f"That is {word} the range" in findings(found)[0]


def test_a_leaning_towards_the_users_of_the_law_is_by_its_interval(found: Any) -> None:
    row = next(r for r in found["nearest"] if r["name"] == "samples")
    row["interval"] = [0.55, 0.7]
    assert "lean towards" in findings(found)[2]
    row["interval"] = [0.45, 0.7]
    assert "no clear leaning" in findings(found)[2]


def test_why_nothing_was_measured_is_said(miniature: Path, tmp_path: Path) -> None:
    path = copied(miniature, tmp_path / "few") / "audit" / "told.json"
    told = json.loads(path.read_text())
    path.write_text(canonical(told | {"likeness": None, "left_out": "Too few users to tell histories apart"}))
    assert "Too few users" in likeness(Artifacts.of(tmp_path / "few")).html
