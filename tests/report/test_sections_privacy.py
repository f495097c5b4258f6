from pathlib import Path

from preceptor.core import artifact
from preceptor.report.drawing import Drawing
from preceptor.report.inputs import Inputs
from preceptor.report.sections_privacy import doubts, findings, privacy
from report.miniature import privacy_figures


def inputs_of(found: dict, folder: Path) -> Inputs:
    def build(path: Path) -> dict:
        (path / "privacy.json").write_text(artifact.canonical(found))
        return {}

    return Inputs({"audit": artifact.make("audit", 1, {}, {}, folder, build)})


def test_the_section_names_the_minimum_the_strongest_attack_and_the_warning(tmp_path: Path) -> None:
    drawings: list[Drawing] = []
    page = privacy(inputs_of(privacy_figures(), tmp_path), drawings)
    assert "Two users are not a privacy floor" in page
    assert "Not measured for at least 50 users" in page
    assert [d.name for d in drawings] == ["privacy-runs", "privacy-members"]


def test_findings_quote_the_highest_area_of_each_minimum() -> None:
    found = privacy_figures()
    said = findings(found["memorisation"], found["membership"])
    assert len(said) == 3
    assert "edges of 1 user" in said[0]
    assert "AUC 0.94 [0.92, 0.96] (0.5: not at all; rare pairs, all that the graph can show)" in said[0]
    assert "in 2.00 % of the walks; of a history the graph never saw in 1.00 %" in said[1]


def test_five_users_are_not_warned_of_and_empty_figures_still_make_a_section(tmp_path: Path) -> None:
    found = privacy_figures() | {"asked": {"min_users": 5, "pair_min_users": 5}, "memorisation": [], "membership": []}
    drawings: list[Drawing] = []
    page = privacy(inputs_of(found, tmp_path), drawings)
    assert "For research only" not in page
    assert not drawings


def test_runs_that_no_walk_holds_leave_the_picture_empty(tmp_path: Path) -> None:
    found = privacy_figures()
    for row in found["memorisation"]:
        row |= {"members": 0.0, "others": 0.0}
    assert "0.00 % of the walks" in privacy(inputs_of(found, tmp_path), [])


def test_a_study_whose_members_can_be_told_is_doubted(tmp_path: Path) -> None:
    found = privacy_figures()
    [(name, text)] = doubts(inputs_of(found, tmp_path))
    assert name == "Privacy"
    assert "edges of at least 2 users, as here" in text
    assert "AUC 0.75" in text
    assert not doubts(inputs_of(found | {"asked": {"min_users": 5}}, tmp_path / "five"))
