import json
from pathlib import Path
from typing import Any

import pytest

from miniature import copied
from preceptor.core.artifact import canonical
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_privacy import doubts, findings, privacy


@pytest.fixture
def found(miniature: Path) -> Any:
    return json.loads((miniature / "audit" / "privacy.json").read_text())


def inputs_of(found: Any, miniature: Path, folder: Path) -> Artifacts:
    (copied(miniature, folder) / "audit" / "privacy.json").write_text(canonical(found))
    return Artifacts.of(folder)


def strongest(found: Any, minimum: int) -> Any:
    return max((r for r in found["membership"] if r["min_users"] == minimum), key=lambda r: r["auc"])


def test_the_section_names_the_minimum_what_was_left_out_and_the_warning(miniature: Path) -> None:
    made = privacy(Artifacts.of(miniature))
    assert "Two users are not a privacy floor" in made.html
    assert "Not measured for at least 60 users" in made.html
    assert [d.name for d in made.figures] == ["privacy-runs", "privacy-members"]


def test_findings_quote_the_highest_area_of_each_minimum(found: Any) -> None:
    said = findings(found["memorisation"], found["membership"])
    assert len(said) == 2
    most, shortest = strongest(found, 1), found["memorisation"][0]
    assert "edges of 1 user" in said[0]
    assert f"AUC {most['auc']:.2f} [" in said[0]
    assert most["attack"] in said[0]
    assert f"in {100 * shortest['members']:.2f} % of the synthetic ones" in said[0]


def test_five_users_are_not_warned_of_and_empty_figures_still_make_a_section(
    found: Any, miniature: Path, tmp_path: Path
) -> None:
    found |= {"asked": {"min_users": 5, "pair_min_users": 5}, "memorisation": [], "membership": []}
    made = privacy(inputs_of(found, miniature, tmp_path))
    assert "For research only" not in made.html
    assert made.figures == ()


def test_runs_that_no_walk_holds_leave_the_picture_empty(found: Any, miniature: Path, tmp_path: Path) -> None:
    for one in found["memorisation"]:
        one |= {"members": 0.0, "others": 0.0}
    assert "0.00 % of the synthetic ones" in privacy(inputs_of(found, miniature, tmp_path)).html


def test_a_study_whose_members_can_be_told_is_doubted(found: Any, miniature: Path, tmp_path: Path) -> None:
    strongest(found, 2)["auc"] = 0.97
    [(name, text)] = doubts(inputs_of(found, miniature, tmp_path / "two"))
    assert name == "Privacy"
    assert "edges of at least 2 users, as here" in text
    assert "AUC 0.97" in text
    found["asked"]["min_users"] = 5
    assert not doubts(inputs_of(found, miniature, tmp_path / "five"))


def test_the_section_says_which_law_was_attacked(found: Any, miniature: Path, tmp_path: Path) -> None:
    made = privacy(Artifacts.of(miniature)).html
    assert "the fitted mixture" in made
    assert "Edges of the mixture" in made
    found |= {"law": "paper", "behind": found["behind"] | {"law": None}}
    walks = privacy(inputs_of(found, miniature, tmp_path)).html
    assert "(walks on the item graph)" in walks
    assert "Edges of the mixture" not in walks
