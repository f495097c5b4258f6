"""JSON documents of artifacts, read so that a key that isn't there is an error which names the file, and never a default."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from preceptor.core.errors import PreceptorError

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

D = TypeVar("D")
K = TypeVar("K")


class Document(dict[str, Any]):
    """A JSON object of the file `where`, at any depth; indexing with a key that it lacks raises PreceptorError."""

    def __init__(self, content: Mapping[str, Any], where: object) -> None:
        super().__init__(content)
        self.where = where

    def __missing__(self, key: str) -> Any:
        raise PreceptorError(
            "A key is missing", where=self.where, found=", ".join(self), expected=key, remedy="make its stage again"
        )


def read(path: Path) -> Any:
    """A JSON file's value, its objects as Documents. PreceptorError names a file that is absent or no JSON."""
    try:
        return value(path.read_text(encoding="utf-8"), lambda found: Document(found, path))
    except (OSError, ValueError, RecursionError) as e:
        absent = isinstance(e, FileNotFoundError)
        problem, found = ("No such document", None) if absent else ("Damaged document", f"{type(e).__name__}: {e}")
        raise PreceptorError(problem, where=path, found=found, expected="JSON", remedy="make its stage again") from None


def value(text: str, hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """The value of a JSON text. ValueError for what would fail only where it is written again: NaN, half a surrogate pair."""
    found = json.loads(text, object_hook=hook, parse_constant=_refuse)
    if _SURROGATE.search(text):
        json.dumps(found, ensure_ascii=False).encode()
    return found


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def mapping(path: Path) -> Document:
    """A JSON file that holds an object. PreceptorError names a file that is absent, no JSON, or of another kind."""
    return _of_kind(path, Document, "an object")


def listing(path: Path) -> list[Any]:
    """A JSON file that holds a list. PreceptorError names a file that is absent, no JSON, or of another kind."""
    return _of_kind(path, list, "a list")


def _of_kind(path: Path, kind: type[K], expected: str) -> K:
    found = read(path)
    if not isinstance(found, kind):
        raise PreceptorError(
            "Damaged document", where=path, found=type(found).__name__, expected=expected, remedy="make its stage again"
        )
    return found


def facts(cls: type[D], found: Mapping[str, Any], where: object) -> D:
    """A flat document as its dataclass. PreceptorError names the keys that are missing or unknown."""
    names = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if set(found) != names:
        differ = ", ".join(sorted(set(found) ^ names))
        raise PreceptorError("A document has other keys", where=where, found=differ, remedy="make its stage again")
    return cls(**found)
