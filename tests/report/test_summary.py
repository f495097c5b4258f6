from pathlib import Path

from preceptor.report.summary import columns, main_table
from report.miniature import SIZES, TOKENS, loss_at, study


def test_the_main_table_has_ranking_losses_and_forecast(tmp_path: Path) -> None:
    study(tmp_path)
    text = main_table(tmp_path)
    assert "temporal split (98 users, 882 targets)" in text
    assert "leave-last-out (931 users" in text
    loss = loss_at("uih-in-graph", SIZES[-1], TOKENS[-1])
    assert f"{loss:.3f}" in text
    assert f"{loss - 3.217:.3f}" in text
    assert "1.8 %" in text
    assert "laws not identified" in text


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    assert main_table(tmp_path).startswith("Nothing to show")


def test_columns_line_up() -> None:
    lines = columns(["a", "b"], [["xx", "1"], ["y", "10"]]).splitlines()
    assert lines == ["a    b", "──  ──", "xx   1", "y   10"]
