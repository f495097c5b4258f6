"""The house rules that a machine can check: import directions, circles, the light part, module names and length, lazy help."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import light

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "preceptor"
_GENERATOR = {"core", "data", "graph", "generator"}
MAY_IMPORT = {  # design.md §1: a room, and the rooms to its left
    "core": {"core"},
    "data": {"core", "data"},
    "market": {"core", "data", "market"},
    "codes": {"core", "data", "codes"},
    "graph": {"core", "data", "graph"},
    "generator": _GENERATOR,
    "audit": {*_GENERATOR, "market", "codes", "audit"},
    "curriculum": {*_GENERATOR, "codes", "curriculum"},
    "ranking": {*_GENERATOR, "ranking"},
    "lm": {"core", "lm"},  # and the curriculum's doors
    "recommend": {*_GENERATOR, "ranking", "lm", "recommend"},  # and the curriculum's doors
    "describe": {*_GENERATOR, "ranking", "describe"},
    "scaling": {"core", "scaling"},
    "report": {"core", "report"},
    "publish": {*_GENERATOR, "codes", "curriculum", "report", "publish"},
}
DOORS = {"preceptor.curriculum.stream", "preceptor.curriculum.next_items"}  # of the light part to the curriculum
USE_DOORS = {"lm", "recommend"}
TOP = {
    "__init__",
    "__main__",
    "api",
    "cli",
    "cli_codes",
    "cli_data",
    "cli_fit",
    "cli_generator",
    "cli_output",
    "cli_plan",
    "cli_push",
    "cli_recommend",
    "cli_task",
    "cli_verify",
    "study",
    "refresh",
    "run_folder",
    "study_file",
    "study_task",
    "study_yaml",
}  # may import all
LIGHT = [
    *sorted(SRC.glob("core/**/*.py")),
    *sorted(SRC.glob("lm/*.py")),
    SRC / "curriculum/stream.py",
    SRC / "recommend/score.py",
    SRC / "ranking/converge.py",
    SRC / "ranking/judging.py",
    SRC / "ranking/synthetic.py",
]
ONCE = ("tables", "build", "law", "laws", "plan")  # names that once stood for up to four modules each
LATE = {
    "preceptor.core.ray_engine": {"ray"},
    "preceptor.core.statistics": {"scipy"},
    "preceptor.core.threads": {"threadpoolctl"},
    "preceptor.lm.report_to": {"trackio", "wandb"},
}  # within functions that the light part doesn't call


def modules() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def dotted(path: Path) -> str:
    name = path.relative_to(SRC.parent).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


def file_of(module: str) -> Path | None:
    """The file of one of our modules."""
    path = SRC.parent / module.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def statements(tree: ast.AST, types_only: bool) -> Iterator[ast.AST]:
    """All nodes at any depth; without types_only not those that only a type checker sees."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        hidden = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        todo += node.orelse if hidden and not types_only else ast.iter_child_nodes(node)


def imports(path: Path, types_only: bool = True) -> set[str]:
    """Every module a file imports, at any depth of nesting; `from a import b` gives a.b where that is a module, else a."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")), types_only):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full.startswith("preceptor.") and file_of(full) else str(node.module))
    return found


def ours(path: Path, types_only: bool = True) -> set[str]:
    return {m for m in imports(path, types_only) if m.startswith("preceptor.")}


def light_modules() -> set[Path]:
    """The light part and whatever of ours it reaches, but for what only a type checker sees."""
    todo = list(LIGHT)
    seen: set[Path] = set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo += [p for p in map(file_of, ours(path, types_only=False)) if p is not None]
    return seen


def test_every_room_has_its_rule() -> None:
    assert {p.parent.name for p in SRC.glob("*/__init__.py")} == set(MAY_IMPORT)
    assert {p.stem for p in SRC.glob("*.py")} == TOP


@pytest.mark.parametrize("path", [p for p in modules() if p.parent != SRC], ids=dotted)
def test_imports_point_left(path: Path) -> None:
    room = path.relative_to(SRC).parts[0]
    found = {m for m in ours(path) if not (room in USE_DOORS and m in DOORS)}
    assert {m for m in found if m.split(".")[1] not in MAY_IMPORT[room]} == set()


def test_nothing_is_imported_in_a_circle() -> None:
    """Nested imports count, since they mostly hide a circle; those for a type checker alone don't."""
    edges = {dotted(p): {m for m in ours(p, types_only=False) if file_of(m)} for p in modules()}
    state: dict[str, int] = {}  # 1: on the path, 2: done
    circles: list[str] = []

    def visit(module: str, path: list[str]) -> None:
        state[module] = 1
        for other in sorted(edges[module]):
            if state.get(other) == 1:
                circles.append(" → ".join([*[*path, module][[*path, module].index(other) :], other]))
            elif other not in state:
                visit(other, [*path, module])
        state[module] = 2

    for module in sorted(edges):
        if module not in state:
            visit(module, [])
    assert circles == []


@pytest.mark.parametrize("path", sorted(light_modules()), ids=dotted)
def test_light_part_needs_little(path: Path) -> None:
    outside = {m.split(".")[0] for m in imports(path, types_only=False)} - {"preceptor"} - set(sys.stdlib_module_names)
    assert outside <= light.ROOTS | LATE.get(dotted(path), set()), f"{dotted(path)} imports {outside - light.ROOTS}"


def test_tables_need_the_standard_library_alone() -> None:
    """So that report, scaling and a person's own script can read them anywhere."""
    for path in SRC.glob("core/tables/*.py"):
        outside = {m.split(".")[0] for m in imports(path)} - set(sys.stdlib_module_names)
        assert outside <= {"preceptor"}, path
        assert {m for m in ours(path) if not m.startswith(("preceptor.core.tables", "preceptor.core.errors"))} == set(), path


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_modules_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_names_that_say_little_are_used_once() -> None:
    assert {name: n for name, n in Counter(p.stem for p in modules()).items() if name in ONCE and n > 1} == {}


def test_package_inits_are_empty() -> None:
    for path in SRC.glob("*/**/__init__.py"):
        assert path.read_text() == "", path


def test_no_code_that_comes_with_a_model_is_run() -> None:
    """Asked for by name: left to its default, transformers asks at the terminal."""
    without = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained":
                said = {k.arg: k.value for k in node.keywords}.get("trust_remote_code")
                if not (isinstance(said, ast.Constant) and said.value is False):
                    without.append(f"{dotted(path)}, line {node.lineno}")
    assert without == []


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom preceptor.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'numba', 'polars', 'matplotlib', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PYTHONPATH": "src", "PATH": ""})


def test_a_study_is_planned_without_what_trains_or_draws() -> None:
    code = (
        "import sys\n"
        "from preceptor import study\n"
        "assert len(study.stages()) > 10\n"
        "loaded = {'torch', 'transformers', 'sklearn', 'matplotlib', 'faiss'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PYTHONPATH": "src", "PATH": ""})


def test_light_part_runs_where_nothing_else_is_installed(tmp_path: Path) -> None:
    """With its own packages alone on the path, the trainer's command starts and the stream can be imported."""
    light.link_only(light.ROOTS, tmp_path)
    assert not (tmp_path / "polars").exists()
    code = (
        f"import sys\nsys.path[:0] = [{str(SRC.parent)!r}, {str(tmp_path)!r}]\n"
        "import preceptor.curriculum.stream, preceptor.lm.stage, preceptor.lm.worker, preceptor.recommend.score, runpy\n"
        "import preceptor.ranking.converge, preceptor.ranking.judging, preceptor.ranking.synthetic\n"
        "sys.argv = ['preceptor.lm', '--help']\nrunpy.run_module('preceptor.lm', run_name='__main__')\n"
    )
    # -S: no site-packages; -I: neither PYTHONPATH nor the working directory
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--curriculum" in done.stdout
