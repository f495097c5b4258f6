"""The stages keep to what they declare, as seen while the miniature study was made."""

import json
from pathlib import Path

import pytest

from miniature import READ
from preceptor.core import artifact
from preceptor.core.tables import row
from preceptor.study import stages

NAMES = [stage.name for stage in stages()]
BY_NAME = {stage.name: stage for stage in stages()}
WALKS_ALONE = {"ranking": {"graph"}}  # inputs read where histories are walks; the miniature's are drawn from a fitted law


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_reads_every_input_it_declares(name: str, miniature: Path) -> None:
    found = json.loads((miniature / READ).read_text())[name]
    needs = {part or stage for stage, _, part in (need.partition(".") for need in BY_NAME[name].needs)}
    needs |= {f"{stage}@plain" for stage in BY_NAME[name].arms}
    assert set(found) == needs - WALKS_ALONE.get(name, set())
    if name == "report":  # it lists the manifest of each: that alone is no reading
        assert [of for of, taken in found.items() if "path" not in taken] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_s_tables_are_those_it_declares(name: str, miniature: Path) -> None:
    files = artifact.load(miniature / name).manifest["files"]
    written = {file for file in files if file.endswith((".csv", ".jsonl"))}
    places = {"": BY_NAME[name].tables, **BY_NAME[name].below}
    there = {folder for folder in places if not folder or (miniature / name / folder).is_dir()}
    tables = {str(Path(folder) / cls.FILE): cls for folder, found in places.items() if folder in there for cls in found}
    assert written == set(tables)
    for file, cls in tables.items():
        path = miniature / name / file
        rows = row.read(path.parent, cls)
        # the market has no unusable rows, and only the law of the whole log is fitted at other cuts in time
        assert rows or file in ("quarantine.csv", "seen/law/cuts.csv")
        assert row.text(cls, rows) == path.read_bytes().decode()
