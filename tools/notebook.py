"""Run a notebook's code cells in order and write their outputs into it: `python tools/notebook.py NOTEBOOK.ipynb [--out FILE]`.

What a cell prints and what its last line is worth are kept as Jupyter keeps them. A cell that raises stops the run. Cells are
plain Python, so this takes the place of a kernel and its thirty packages.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
from pathlib import Path
from typing import Any


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of its cells. Raises what a cell raises, with the cell's number as a note."""
    known: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        count += 1
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                value = _executed("".join(cell["source"]), known)
        except BaseException as error:
            error.add_note(f"in cell {number} of the notebook")
            raise
        cell["execution_count"] = count
        cell["outputs"] = _outputs(printed.getvalue(), value, count)
    return notebook


def _executed(source: str, known: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line where that is an expression, else None."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), known)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), known)


def _outputs(printed: str, value: Any, count: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if printed:
        made.append({"output_type": "stream", "name": "stdout", "text": printed.splitlines(keepends=True)})
    if value is not None:
        made.append({"output_type": "execute_result", "execution_count": count, "metadata": {}, "data": _shown(value)})
    return made


def _shown(value: Any) -> dict[str, Any]:
    """What a notebook shows of a value: a figure as a picture, else its markup and its text."""
    shown: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "savefig"):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=72)
        return {"image/png": base64.b64encode(picture.getvalue()).decode(), "text/plain": ["<Figure>"]}
    if hasattr(value, "_repr_html_"):
        shown["text/html"] = value._repr_html_().splitlines(keepends=True)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a notebook and write its outputs into it.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--out", type=Path, help="where the notebook with its outputs goes (default: the same file)")
    given = parser.parse_args()
    done = run(json.loads(given.notebook.read_text(encoding="utf-8")))
    (given.out or given.notebook).write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
