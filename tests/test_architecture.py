"""The house rules that a machine can check: import directions, the light part, module length, lazy help."""

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "preceptor"
MAY_IMPORT = {
    "core": {"core"},
    "data": {"core", "data"},
    "codes": {"core", "data", "codes"},
    "graph": {"core", "data", "graph"},
    "curriculum": {"core", "data", "codes", "graph", "curriculum"},
    "audit": {"core", "data", "codes", "graph", "audit"},
    "ranking": {"core", "data", "graph", "ranking"},
    "scaling": {"core", "scaling"},
    "report": {"core", "report"},
}
LIGHT_ROOTS = {"numpy", "numba", "llvmlite", "torch", "transformers", "safetensors"}
LATE = {"preceptor.core.statistics": {"scipy"}}  # within functions that the light part doesn't call
LM_MAY_IMPORT = ("preceptor.core", "preceptor.lm", "preceptor.curriculum.stream")


def modules() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def dotted(path: Path) -> str:
    name = path.relative_to(SRC.parent).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    """Every module a file imports, at any depth of nesting; `from a import b` gives a.b where that is a module, else a."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = (SRC.parent / (full.replace(".", "/") + ".py")).exists()
                found.add(full if is_module else str(node.module))
    return found


def light_modules() -> set[Path]:
    """core/, lm/, curriculum/stream.py and whatever of ours they reach."""
    todo = [p for p in modules() if p.parent.name in {"core", "lm"}] + [SRC / "curriculum" / "stream.py"]
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in seen or not path.exists():
            continue
        seen.add(path)
        todo += [SRC.parent / (m.replace(".", "/") + ".py") for m in imports(path) if m.startswith("preceptor.")]
    return seen


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_point_left(path: Path) -> None:
    folder = path.relative_to(SRC).parts[0]
    ours = {m for m in imports(path) if m.startswith("preceptor.")}
    if folder == "lm":
        assert all(m.startswith(LM_MAY_IMPORT) for m in ours), ours
    elif folder in MAY_IMPORT:
        assert {m.split(".")[1] for m in ours} <= MAY_IMPORT[folder], ours


@pytest.mark.parametrize("path", sorted(light_modules()), ids=dotted)
def test_light_part_needs_little(path: Path) -> None:
    outside = {m.split(".")[0] for m in imports(path)} - {"preceptor"} - set(sys.stdlib_module_names)
    assert outside <= LIGHT_ROOTS | LATE.get(dotted(path), set()), f"{dotted(path)} imports {outside - LIGHT_ROOTS}"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_package_inits_are_empty() -> None:
    for path in SRC.glob("*/__init__.py"):
        assert path.read_text() == "", path


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom preceptor.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'numba', 'polars', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PYTHONPATH": "src", "PATH": ""})


def link_only(packages: set[str], folder: Path) -> None:
    """Link the installed files of these packages, and of what they require, into a folder."""
    todo, seen = list(packages), set()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another platform
        for line in found.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
        for top in {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(found.locate_file(top))))


def test_light_part_runs_where_nothing_else_is_installed(tmp_path: Path) -> None:
    """With its own packages alone on the path, the trainer's command starts and the stream can be imported."""
    link_only(LIGHT_ROOTS, tmp_path)
    assert not (tmp_path / "polars").exists()
    code = (
        f"import sys\nsys.path[:0] = [{str(SRC.parent)!r}, {str(tmp_path)!r}]\n"
        "import preceptor.curriculum.stream, preceptor.lm.stage, preceptor.lm.worker, preceptor.lm.recommend, runpy\n"
        "sys.argv = ['preceptor.lm', '--help']\nrunpy.run_module('preceptor.lm', run_name='__main__')\n"
    )
    # -S: no site-packages; -I: neither PYTHONPATH nor the working directory
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--curriculum" in done.stdout
