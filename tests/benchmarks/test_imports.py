"""Benchmarks aren't run here, but what they import from the package and each other must be there: moves mustn't break them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))


def _defined(module: str) -> set[str] | None:
    """Names at the top level of a module's source, and its submodules; None for no such module."""
    folder = ROOT / ("src" if module.startswith("preceptor") else "") / Path(*module.split("."))
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    if not file.exists():
        return None
    names = {p.stem for p in folder.glob("*")} if folder.is_dir() else set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.relative_to(ROOT / "benchmarks").as_posix())
def test_what_a_benchmark_imports_is_there(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("preceptor", "benchmarks")):
            known = _defined(node.module or "")
            assert known is not None, f"{file.name}: no module {node.module}"
            missing = {alias.name for alias in node.names} - known
            assert not missing, f"{file.name}: {node.module} has no {missing}"
