"""Study files: YAML that may extend another study, found by name among the packaged ones or by path. Standard library, yaml.

A file that says `extends: quick` has all of that study's settings but for those it states itself, key by key; lists are
replaced whole. Its name is its own. Files may extend in a chain, not in a circle.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from preceptor import study_yaml
from preceptor.core.errors import PreceptorError

PACKAGED = Path(__file__).parent / "studies"
EXTENDS = "extends"


def packaged() -> dict[str, str]:
    """Names of the packaged studies with the first line of each file."""
    return {p.stem: p.read_text(encoding="utf-8").splitlines()[0].lstrip("# ") for p in sorted(PACKAGED.glob("*.yaml"))}


def read(study: str, check: Callable[[dict[str, Any], str], None] = lambda tree, where: None) -> dict[str, Any]:
    """The tree of a packaged study by name, or of a YAML file by path, what it extends put under it.

    check(tree, where) is called for each file's own tree, so that errors name the file that has them. Raises PreceptorError
    for a study that isn't there, isn't readable, isn't a mapping, or extends itself.
    """
    path = _locate(study, None)
    return {"name": path.stem, **_read(path, check, ())}


def override(tree: dict[str, Any], assignments: Iterable[str] | None) -> dict[str, Any]:
    """Apply each `section.key=value` to a study tree, the values read as YAML. Returns the tree."""
    for assignment in assignments or ():
        _override(tree, assignment)
    return tree


def _override(tree: dict[str, Any], assignment: str) -> None:
    key, equals, value = assignment.partition("=")
    if not equals:
        raise PreceptorError("Bad --set", found=assignment, expected="section.key=value, such as lm.seeds=[0,1,2]")
    *path, last = key.strip().split(".")
    for name in path:
        if tree.get(name) is None:
            tree[name] = {}
        tree = tree[name]
        if not isinstance(tree, dict):
            raise PreceptorError("Bad --set", found=assignment, expected=f"{name} to be a section")
    tree[last] = study_yaml.load(value, f"--set {key}")


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` upon `under`, key by key down to what isn't a mapping in both."""
    found = dict(under)
    for key, value in over.items():
        known = found.get(key)
        found[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return found


def _read(path: Path, check: Callable[[dict[str, Any], str], None], below: tuple[Path, ...]) -> dict[str, Any]:
    """below: the files that led here by extending, the study itself first."""
    if path in below:
        circle = " → ".join(p.stem for p in (*below[below.index(path) :], path))
        raise PreceptorError("A study extends itself", where=below[-1], found=circle, expected="a chain that ends")
    tree = _tree(path)
    parent = tree.pop(EXTENDS, None)
    check(tree, str(path))
    if parent is None:
        return tree
    if not isinstance(parent, str):
        raise PreceptorError(
            "Bad extends", where=path, found=parent, expected="one name of a packaged study, or a YAML file's path"
        )
    under = _read(_locate(parent, path), check, (*below, path))
    under.pop("name", None)
    return merged(under, tree)


def _locate(study: str, beside: Path | None) -> Path:
    """The file of a study; a relative path in `extends` counts from the folder of the file that says it."""
    if study.endswith((".yaml", ".yml", ".json")):  # JSON is YAML: a run folder's study.json
        path = (beside.parent / study) if beside else Path(study)
    else:
        path = PACKAGED / f"{study}.yaml"
    if not os.path.exists(path):
        near = difflib.get_close_matches(study, packaged(), n=1)
        raise PreceptorError(
            "No such study",
            where=f"{beside}, {EXTENDS}: {study}" if beside else study,
            expected="one of " + ", ".join(packaged()) + ", or the path of a YAML file",
            remedy=f"did you mean {near[0]!r}?" if near else None,
        )
    return path.resolve()


def _tree(path: Path) -> dict[str, Any]:
    tree = study_yaml.read(path)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise PreceptorError("Study file is not a mapping", where=path, found=type(tree).__name__, expected="section: …")
    return tree
