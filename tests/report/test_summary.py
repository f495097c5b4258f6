from pathlib import Path

from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import Answer, ArmMean
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_scaling import largest
from preceptor.report.summary import columns, main_table, ranking_tables


def test_the_main_table_has_ranking_losses_and_forecast(miniature: Path) -> None:
    text = main_table(miniature)
    for said in row.read(miniature / "ranking", Answer):
        assert said.sentences[0] in text
    for arm in row.read(miniature / "ranking", ArmMean):
        if (arm.metric, arm.k, arm.balance) == ("recall", 100, "target"):
            assert f"({arm.users} users, {arm.targets} targets)" in text
            assert f"{arm.mean:.4f}" in text
    last = max((p for p in row.read(miniature / "lm", Point) if p.set == "uih-in-graph"), key=lambda p: (p.params, p.tokens))
    assert f"{last.loss:.3f}" in text
    assert f"{last.excess:.3f}" in text
    (shown,) = (r for r in largest(Artifacts.of(miniature)) if r.set == "uih-in-graph")
    (line,) = (line for line in text.splitlines() if f" {shown.predicted:.3f} " in line)
    assert line.startswith("UIH in-graph")
    assert f" {shown.actual:.3f} " in line
    assert "To doubt: few users" in text


def test_the_whole_answer_comes_before_the_table(miniature: Path) -> None:
    text = ranking_tables(miniature)
    for said in row.read(miniature / "ranking", Answer):
        assert all(f"• {s}" in text for s in said.sentences)
    assert text.index("• ") < text.index("95 %")


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    assert main_table(tmp_path).startswith("Nothing to show")


def test_columns_line_up() -> None:
    lines = columns(["a", "b"], [["xx", "1"], ["y", "10"]]).splitlines()
    assert lines == ["a    b", "──  ──", "xx   1", "y   10"]
