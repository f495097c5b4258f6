"""Numbers in the README are those of results/."""

import csv
import re
from pathlib import Path

import pytest

from preceptor.study import MOVED

ROOT = Path(__file__).parent.parent
QUICK = ROOT / "results" / "quick"


def test_the_results_show_the_committed_tables() -> None:
    shown = (QUICK / "README.md").read_text(encoding="utf-8")
    for name in ("main_table.txt", "ranking.txt"):
        assert (QUICK / name).read_text(encoding="utf-8").strip() in shown, (
            f"make results, and put {name} into results/quick/README.md"
        )


def test_the_readme_says_no_number_that_the_results_do_not_hold() -> None:
    """Numbers with three decimals and more, as the pages of results/ that it draws on print them."""
    said = re.sub(r"arXiv [\d.]+", "", (ROOT / "README.md").read_text(encoding="utf-8"))
    printed = "".join(
        (ROOT / "results" / study / "README.md").read_text(encoding="utf-8") for study in ("quick", "tstr", "real-layer")
    )
    numbers = {n.lstrip("0") for n in re.findall(r"(?<![\d-])\d*\.\d{3,}", said)}
    held = {n.lstrip("0") for n in re.findall(r"\d*\.\d{3,}", printed)}
    rounded = {f"{float(n):.3f}".lstrip("0") for n in held}
    assert len(numbers) >= 8
    assert sorted(numbers - held - rounded) == []


def test_the_committed_tables_agree_with_the_committed_points() -> None:
    ranking = (QUICK / "ranking.txt").read_text(encoding="utf-8")
    with open(QUICK / "tstr.csv", encoding="utf-8") as f:
        arms = [r for r in csv.DictReader(f) if (r["metric"], r["k"], r["balance"]) == ("ndcg", "10", "target")]
    assert arms
    for row in arms:
        assert f"{float(row['mean']):.4f}" in ranking, row
    table = (QUICK / "main_table.txt").read_text(encoding="utf-8")
    with open(QUICK / "points.csv", encoding="utf-8") as f:
        points = [r for r in csv.DictReader(f) if r["set"] == "uih-in-graph"]
    most = max((float(r["params"]), float(r["tokens"])) for r in points)
    largest = [r for r in points if (float(r["params"]), float(r["tokens"])) == most]
    for column in ("loss", "excess"):
        assert f"{sum(float(r[column]) for r in largest) / len(largest):.3f}" in table


def test_readme_shows_the_commands_that_ci_runs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("run", "test"):
        assert f"make {command}\n" in text
        assert f"\n{command}:" in makefile


PATHS = re.compile(r"`((?:docs|results|benchmarks|tests|studies)/[\w./*-]+\.\w+|[\w/*-]+(?:/[\w*-]+)*\.py)`")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").glob("*.md"))]
MAP = re.compile(r"^```\nsrc/preceptor/\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d != "docs/decisions.md"])  # which is never changed
def test_paths_named_in_documents_exist(document: str) -> None:
    """Below the repository or, as docs/method.md writes them, below src/preceptor."""
    named = PATHS.findall((ROOT / document).read_text(encoding="utf-8"))
    assert [p for p in named if not any(next(root.glob(p), None) for root in (ROOT, ROOT / "src" / "preceptor"))] == []
    assert document != "docs/method.md" or len(named) > 50


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if d != "docs/decisions.md"])
def test_links_in_documents_lead_somewhere(document: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8"))
    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


def test_module_map_has_every_room_and_is_the_same_in_both_places() -> None:
    (shown,), (again,) = (MAP.findall((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "CONTRIBUTING.md"))
    assert shown == again
    named = {line.split()[0] for line in shown.splitlines()}
    source = ROOT / "src" / "preceptor"
    assert {p.name + "/" for p in source.iterdir() if p.is_dir() and p.name != "__pycache__"} == {
        n for n in named if n.endswith("/")
    }
    modules = {p.name for p in source.glob("*.py")} - {"__init__.py", "__main__.py", "study_file.py", "study_yaml.py"}
    assert modules == {p.name for n in named if not n.endswith("/") for p in source.glob(n)}


def test_changelog_lists_the_keys_that_moved() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^  \| `([\w.]+)` \| `([\w.]+)` \|$", text, re.MULTILINE)) == MOVED


def test_documents_name_no_key_that_moved() -> None:
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        assert [key for key in MOVED if f"`{key}`" in text or f"{key}=" in text] == [], document
