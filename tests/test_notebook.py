"""The notebook of docs/ is run, as its cells are printed, and what it holds is what running it gave."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "ml-100k.ipynb"
SPEC = importlib.util.spec_from_file_location("notebook", ROOT / "tools" / "notebook.py")
assert SPEC is not None
assert SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def cells(*sources: str) -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "source": [s], "outputs": [], "execution_count": None} for s in sources]}


def outputs(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_cells_share_names_and_keep_what_they_print_and_are_worth() -> None:
    first, second = outputs(tool.run(cells("x = 2\nprint('a')", "x + 1")))
    assert first == [{"output_type": "stream", "name": "stdout", "text": ["a\n"]}]
    assert second[0]["data"] == {"text/plain": ["3"]}


def test_a_cell_that_raises_stops_the_run_and_is_named() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        tool.run(cells("1", "1 / 0", "print('never')"))
    assert raised.value.__notes__ == ["in cell 2 of the notebook"]


def test_the_notebook_was_run_from_top_to_bottom() -> None:
    held = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    counts = [cell["execution_count"] for cell in held["cells"] if cell["cell_type"] == "code"]
    assert counts == [*range(1, len(counts) + 1)]
    assert NOTEBOOK.stat().st_size < 100_000
    assert all(found["output_type"] != "error" for each in outputs(held) for found in each)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell gives outputs of the same kinds as those that the file holds."""
    monkeypatch.chdir(tmp_path)
    held = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    done = tool.run(json.loads(NOTEBOOK.read_text(encoding="utf-8")))
    for before, after in zip(outputs(held), outputs(done), strict=True):
        assert [set(o.get("data", ())) for o in before] == [set(o.get("data", ())) for o in after]
