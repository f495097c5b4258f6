import json
from pathlib import Path
from typing import Any

import pytest

from miniature import copied
from preceptor.core.artifact import canonical
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_told import doubts, findings, told, verdict


@pytest.fixture
def found(miniature: Path) -> Any:
    return json.loads((miniature / "audit" / "told.json").read_text())


def inputs_of(found: Any, miniature: Path, folder: Path) -> Artifacts:
    (copied(miniature, folder) / "audit" / "told.json").write_text(canonical(found))
    return Artifacts.of(folder)


def test_the_section_names_every_class_and_what_tells_it(miniature: Path, found: Any) -> None:
    made = told(Artifacts.of(miniature)).html
    for name in ("other absent users", "graph users", "as this study draws them", "whole mixture", "paper&#x27;s walks"):
        assert name in made, name
    said = findings(found)
    assert len(said) == 3
    for text, row in zip(said, found["classes"][2:], strict=True):
        assert row["by"]["says"] in text
        assert f"AUC {row['auc']:.2f} [" in text


def test_a_verdict_is_by_the_interval_of_the_excess() -> None:
    said = [verdict({"over_interval": ends}, 0.05) for ends in ([0.06, 0.2], [-0.1, 0.04], [0.0, 0.1], None)]
    assert said == ["told from real ones", "not told from real ones", "no verdict, too few users", "no verdict"]


def test_a_study_whose_histories_are_told_is_doubted(found: Any, miniature: Path, tmp_path: Path) -> None:
    own = next(row for row in found["classes"] if row["name"] == "samples")
    own["over_interval"] = [0.2, 0.3]
    [(name, text)] = doubts(inputs_of(found, miniature, tmp_path / "told"))
    assert name == "Synthetic histories told from real ones"
    assert own["by"]["says"] in text
    own["over_interval"] = [-0.1, 0.04]
    assert not doubts(inputs_of(found, miniature, tmp_path / "not"))


def test_why_nothing_was_measured_is_said(found: Any, miniature: Path, tmp_path: Path) -> None:
    found |= {"left_out": "Too few users to tell histories apart", "classes": [], "features": []}
    assert "Too few users to tell histories apart" in told(inputs_of(found, miniature, tmp_path)).html
