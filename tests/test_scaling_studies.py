"""The studies of scaling laws: valid cells, what is held out named before, no finished cell asked for again."""

import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from preceptor import study
from preceptor.core.tables.lm import Point

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def studies() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import scaling_studies

        return scaling_studies
    finally:
        sys.path.remove(str(BENCHMARKS))


def point(**more: object) -> Point:
    fields: dict[str, object] = {
        **{"params": 10, "tokens": 4096, "loss": 1.5, "run": "r", "seed": 0, "set": "uih-in-graph", "params_total": 30},
        **{"depth": 1, "unit": "item", "floor": None, "excess": None, "bits_per_byte": None},
    }
    return Point(**fields | more)  # type: ignore[arg-type]


def test_every_cell_has_a_name_of_its_own_and_settings_that_hold(studies: ModuleType) -> None:
    for cells in studies.STUDIES.values():
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names)
        for cell in cells[::7]:  # a config takes a tenth of a second
            config = cell.config()
            study.check(config, "lm")
            assert config.lm.aspect * config.lm.depths[0] == cell.size.width


def test_every_study_of_a_law_holds_something_out(studies: ModuleType) -> None:
    for name in ("known-floor", "collapse"):
        roles = {cell.size.role for cell in studies.STUDIES[name]}
        assert roles == {"fitted", "held out"}
    (largest,) = {cell.held_out() for cell in studies.STUDIES["known-end"]}
    assert largest == (4_194_304,)
    assert all(cell.first(6).held_out() == (2_097_152,) for cell in studies.STUDIES["known-end"])
    whole = next(cell for cell in studies.STUDIES["known-floor"] if cell.size.role == "held out")
    assert whole.held_out() == whole.tokens


def test_what_is_held_out_is_named_once_and_then_stays(studies: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "held-out.csv"
    cells = studies.STUDIES["known-end"][:2]
    studies.name_held_out(table, [cells[0].first(6)])
    studies.name_held_out(table, cells)  # the first is named: a longer run doesn't move what is held out of it
    with open(table, encoding="utf-8", newline="") as f:
        found = [(line["cell"], int(line["tokens"])) for line in csv.DictReader(f)]
    assert found == [(cells[0].name, 2_097_152), (cells[1].name, 4_194_304)]


def test_a_committed_cell_is_finished_and_takes_the_place_of_a_shorter_one(studies: ModuleType, tmp_path: Path) -> None:
    (cell,) = studies.STUDIES["tiny"]
    table = tmp_path / "points.csv"
    assert studies.finished(table) == {}
    studies.commit(table, cell, [point(tokens=2048)])
    assert studies.finished(table) == {cell.name: 2048}
    studies.commit(table, cell, [point(tokens=2048), point()])
    assert studies.finished(table) == {cell.name: 4096}
    lines = table.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("log,law,")


def test_a_tokens_cost_is_between_those_of_its_neighbours(studies: ModuleType) -> None:
    from scaling_rate import cost_of

    flops = np.array([1e5, 1e6, 1e7])
    a, b = cost_of(flops, 2e-6 + 3e-12 * flops)
    assert (a, b) == pytest.approx((2e-6, 3e-12))
