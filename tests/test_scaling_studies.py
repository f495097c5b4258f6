"""The studies of scaling laws: their cells are valid, and a table that has a cell is not asked for it again."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from preceptor import study


@pytest.fixture(scope="module")
def studies() -> ModuleType:
    file = Path(__file__).parent.parent / "benchmarks" / "scaling_studies.py"
    spec = importlib.util.spec_from_file_location("scaling_studies", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling_studies"] = module
    spec.loader.exec_module(module)
    return module


def test_every_cell_has_a_name_of_its_own_and_settings_that_hold(studies: ModuleType) -> None:
    for cells in studies.STUDIES.values():
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names)
        for cell in cells[::5]:  # a config takes a tenth of a second
            config = cell.config()
            study.check(config, "lm")
            assert config.lm.aspect * config.lm.depths[0] == cell.size.width
            assert config.curriculum.mixture.uih == 1


def test_every_study_of_a_law_holds_something_out(studies: ModuleType) -> None:
    for name in ("known-floor", "collapse"):
        roles = {cell.size.role for cell in studies.STUDIES[name]}
        assert roles == {"fitted", "held out"}


def test_a_committed_cell_is_finished(studies: ModuleType, tmp_path: Path) -> None:
    (cell,) = studies.STUDIES["tiny"]
    table = tmp_path / "tiny.csv"
    assert studies.finished(table) == set()
    point = studies.Point(
        params=10, tokens=20, loss=1.5, run="r", seed=0, set="uih-in-graph", params_total=30, depth=1, unit="item", floor=None,
        excess=None, bits_per_byte=None,
    )  # fmt: skip
    studies.commit(table, cell, [point])
    assert studies.finished(table) == {cell.name}
    studies.commit(table, cell, [point])
    lines = table.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("log,law,")
