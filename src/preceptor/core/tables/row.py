"""Tables on disk: one dataclass per table, through which its stage writes and everyone else reads.

A row class names its file and, by its fields, its columns. CSV for plain columns; JSON lines (a file ending in .jsonl) where a
field holds a list or a mapping. Numbers read back exactly; None, and a float that isn't finite, is an empty cell.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import math
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from preceptor.core.errors import PreceptorError


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table FILE. Fields: str, int, float, bool, each possibly None; in JSON lines also lists and mappings."""

    FILE: ClassVar[str] = ""


R = TypeVar("R", bound=Row)


def columns(cls: type[Row]) -> list[str]:
    """The table's columns in order."""
    return [f.name for f in dataclasses.fields(cls)]


def text(cls: type[R], rows: Iterable[R]) -> str:
    """The table as it is written to its file."""
    if cls.FILE.endswith(".jsonl"):
        return "".join(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns(cls))
    writer.writerows([_cell(getattr(row, name)) for name in columns(cls)] for row in rows)
    return out.getvalue()


def write(folder: Path, cls: type[R], rows: Iterable[R]) -> None:
    """Write FOLDER/<FILE>; the header alone where there is no row."""
    (Path(folder) / cls.FILE).write_text(text(cls, rows), encoding="utf-8")


def read(folder: Path, cls: type[R]) -> list[R]:
    """Read FOLDER/<FILE>. PreceptorError names the file, the line and the column that is missing, unknown or unreadable."""
    path = Path(folder) / cls.FILE
    try:
        content = path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as e:
        raise PreceptorError("No such table", where=path, found=type(e).__name__, remedy="make its stage again") from None
    return parse(cls, content, path)


def parse(cls: type[R], content: str, where: object) -> list[R]:
    """The rows of a table's text; `where` names it in errors."""
    if cls.FILE.endswith(".jsonl"):
        return [cls(**_object(cls, line, where, n)) for n, line in enumerate(content.splitlines(), 1) if line.strip()]
    reader = csv.reader(io.StringIO(content))
    header = next(reader, [])
    if header != columns(cls):
        raise PreceptorError(
            "A table has other columns", where=where, found=", ".join(header), expected=", ".join(columns(cls))
        )
    kinds = _kinds(cls)  # type: ignore[arg-type]
    rows = []
    for n, cells in enumerate(reader, 2):
        if len(cells) != len(header):
            raise PreceptorError("A row of a table is cut", where=f"{where}, line {n}", found=f"{len(cells)} cells")
        rows.append(
            cls(*(_value(cell, *kinds[name], f"{where}, line {n}, {name}") for name, cell in zip(header, cells, strict=True)))
        )
    return rows


def _object(cls: type[Row], line: str, where: object, n: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as e:
        raise PreceptorError("A table's line is not JSON", where=f"{where}, line {n}", found=e) from None
    if not isinstance(found, dict) or set(found) != set(columns(cls)):
        names = ", ".join(found) if isinstance(found, dict) else type(found).__name__
        raise PreceptorError(
            "A table has other fields", where=f"{where}, line {n}", found=names, expected=", ".join(columns(cls))
        )
    return found


@functools.cache
def _kinds(cls: type[Row]) -> dict[str, tuple[type, bool]]:
    """(type, may be empty) of each column."""
    found: dict[str, tuple[type, bool]] = {}
    hints = typing.get_type_hints(cls)
    for name in columns(cls):
        options = typing.get_args(hints[name]) if isinstance(hints[name], types.UnionType) else (hints[name],)
        found[name] = (next(t for t in options if t is not types.NoneType), types.NoneType in options)
    return found


def _value(cell: str, kind: type, empty: bool, where: str) -> Any:
    if cell == "" and empty:
        return None
    try:
        if kind is bool:
            return {"True": True, "False": False}[cell]
        return kind(cell)
    except (ValueError, KeyError):
        raise PreceptorError("A table has a bad value", where=where, found=repr(cell), expected=kind.__name__) from None


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else value


def _plain(row: Row) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in columns(type(row))}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}
