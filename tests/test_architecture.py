"""The house rules that a machine can check: import directions, the light part, module length, lazy help."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "preceptor"
MAY_IMPORT = {
    "core": {"core"},
    "data": {"core", "data"},
    "codes": {"core", "data", "codes"},
    "graph": {"core", "data", "graph"},
    "curriculum": {"core", "data", "codes", "graph", "curriculum"},
    "ranking": {"core", "data", "graph", "ranking"},
    "scaling": {"core", "scaling"},
    "report": {"core", "report"},
}
LIGHT_ROOTS = {"numpy", "numba", "llvmlite", "torch", "transformers", "safetensors"}
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
    assert outside <= LIGHT_ROOTS, f"{dotted(path)} imports {outside - LIGHT_ROOTS}"


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


def test_light_part_runs_where_nothing_else_is_installed() -> None:
    """The heavy packages can't be imported; the trainer's command must still start."""
    code = (
        "import importlib.abc, runpy, sys\n"
        "class Absent(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'polars', 'pyarrow', 'scipy', 'sklearn', 'matplotlib', 'pydantic', 'cyclopts'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import preceptor.curriculum.stream, preceptor.lm.stage, preceptor.lm.worker, preceptor.lm.recommend\n"
        "sys.argv = ['preceptor.lm', '--help']\n"
        "runpy.run_module('preceptor.lm', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=SRC.parent)
    assert done.returncode == 0, done.stderr
    assert "--curriculum" in done.stdout
