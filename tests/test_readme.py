"""Numbers in the README are those of results/."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
QUICK = ROOT / "results" / "quick"


def test_readme_shows_the_committed_table() -> None:
    table = (QUICK / "main_table.txt").read_text(encoding="utf-8").strip()
    assert table in (ROOT / "README.md").read_text(encoding="utf-8"), "make results, and put main_table.txt into README.md"


def test_committed_table_agrees_with_the_committed_points() -> None:
    table = (QUICK / "main_table.txt").read_text(encoding="utf-8")
    with open(QUICK / "tstr.csv", encoding="utf-8") as f:
        arms = [r for r in csv.DictReader(f) if r["metric"] == "ndcg" and r["k"] == "10"]
    assert arms
    for row in arms:
        assert f"{float(row['mean']):.4f}" in table, row
    with open(QUICK / "points.csv", encoding="utf-8") as f:
        points = [r for r in csv.DictReader(f) if r["set"] == "uih-in-graph"]
    largest = max(points, key=lambda r: (float(r["params"]), float(r["tokens"])))
    assert f"{float(largest['loss']):.3f}" in table
    assert f"{float(largest['excess']):.3f}" in table


def test_readme_shows_the_commands_that_ci_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("run", "test"):
        assert f"make {command}\n" in text
        assert f"\n{command}:" in makefile


PATHS = re.compile(r"`((?:docs|results|benchmarks|codes|graph|curriculum|ranking|lm|scaling|studies)/[\w./-]+\.\w+)`")


@pytest.mark.parametrize("document", ["README.md", "docs/method.md"])
def test_paths_named_in_documents_exist(document: str) -> None:
    for path in PATHS.findall((ROOT / document).read_text(encoding="utf-8")):
        assert (ROOT / path).exists() or (ROOT / "src" / "preceptor" / path).exists(), path
