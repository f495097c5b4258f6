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
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from preceptor.core.errors import PreceptorError


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table FILE. Fields: str, int, float, bool, each possibly None; in JSON lines also lists and mappings.

    In CSV a text that may be None reads back as None where it was empty.
    """

    FILE: ClassVar[str] = ""


R = TypeVar("R", bound=Row)


def columns(cls: type[Row]) -> list[str]:
    """The table's columns in order."""
    return [f.name for f in dataclasses.fields(cls)]


def table(cls: type[R], rows: Iterable[R]) -> dict[str, list[Any]]:
    """The table by columns."""
    rows = list(rows)
    return {name: [getattr(row, name) for row in rows] for name in columns(cls)}


def text(cls: type[R], rows: Iterable[R]) -> str:
    """The table as it is written to its file. Raises ValueError where a column that can't be empty would be."""
    return "".join(_lines(cls, rows))


def write(folder: Path, cls: type[R], rows: Iterable[R]) -> None:
    """Write FOLDER/<FILE>; the header alone where there is no row."""
    with open(Path(folder) / cls.FILE, "w", encoding="utf-8", newline="") as f:
        f.writelines(_lines(cls, rows))


def read(folder: Path, cls: type[R]) -> list[R]:
    """Read FOLDER/<FILE>. A column with a default may be absent, as it is from tables that were written before it was added.

    PreceptorError names the file, the line and the column that is missing, unknown or unreadable.
    """
    path = Path(folder) / cls.FILE
    try:
        content = path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError) as e:
        raise PreceptorError("No such table", where=path, found=type(e).__name__, remedy="make its stage again") from None
    return parse(cls, content, path)


def parse(cls: type[R], content: str, where: object) -> list[R]:
    """The rows of a table's text; `where` names it in errors."""
    if cls.FILE.endswith(".jsonl"):
        return [_object(cls, line, f"{where}, line {n}") for n, line in enumerate(content.split("\n"), 1) if line.strip()]
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    rows: list[R] = []
    try:
        names = _header(cls, next(reader, []), f"{where}, line 1")
        for cells in reader:
            rows.append(_row(cls, names, cells, f"{where}, line {reader.line_num}"))
    except csv.Error as e:
        raise PreceptorError("A row of a table is cut", where=f"{where}, line {reader.line_num}", found=e) from None
    return rows


def _lines(cls: type[R], rows: Iterable[R]) -> Iterator[str]:
    if cls.FILE.endswith(".jsonl"):
        for row in rows:
            yield json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) + "\n"
        return
    kinds = _kinds(cls)  # type: ignore[arg-type]
    yield _line(list(kinds))
    for row in rows:
        cells = {name: _cell(getattr(row, name)) for name in kinds}
        lacks = [name for name, (kind, empty) in kinds.items() if cells[name] == "" and not (empty or kind is str)]
        if lacks:
            raise ValueError(f"{cls.FILE} must have a value of {', '.join(lacks)}: {row}")
        yield _line(list(cells.values()))


def _header(cls: type[Row], header: Sequence[str], where: str) -> list[str]:
    """The columns that a table has; PreceptorError where one is unknown, in another place, or missing without a default."""
    wanted = columns(cls)
    needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    missing, unknown = [name for name in needed if name not in header], [name for name in header if name not in wanted]
    if list(header) == [name for name in wanted if name in header] and not missing:
        return list(header)
    found = [f"no {', '.join(missing)}"] if missing else []
    found += [f"unknown {', '.join(unknown) or 'header'}"] if unknown else []
    raise PreceptorError(
        "A table has other columns", where=where, found="; ".join(found) or f"another order: {', '.join(header)}",
        expected=", ".join(wanted),
    )  # fmt: skip


def _row(cls: type[R], names: Sequence[str], cells: Sequence[str], where: str) -> R:
    kinds = _kinds(cls)  # type: ignore[arg-type]
    if len(cells) != len(names):
        raise PreceptorError("A row of a table is cut", where=where, found=f"{len(cells)} cells", expected=f"{len(names)}")
    return cls(**{name: _value(cell, *kinds[name], f"{where}, {name}") for name, cell in zip(names, cells, strict=True)})


def _object(cls: type[R], line: str, where: str) -> R:
    try:
        found = json.loads(line)
    except json.JSONDecodeError as e:
        raise PreceptorError("A table's line is not JSON", where=where, found=e) from None
    if not isinstance(found, dict) or set(found) != set(columns(cls)):
        names = ", ".join(found) if isinstance(found, dict) else type(found).__name__
        raise PreceptorError("A table has other fields", where=where, found=names, expected=", ".join(columns(cls)))
    for name, (kind, empty) in _kinds(cls).items():  # type: ignore[arg-type]
        value = found[name]
        number = kind is float and type(value) is int
        if not (type(value) is kind or number or (value is None and empty)):
            raise _bad(f"{where}, {name}", value, kind, empty)
    return cls(**found)


@functools.cache
def _kinds(cls: type[Row]) -> dict[str, tuple[type, bool]]:
    """(type, may be empty) of each column."""
    found: dict[str, tuple[type, bool]] = {}
    hints = typing.get_type_hints(cls)
    for name in columns(cls):
        options = typing.get_args(hints[name]) if isinstance(hints[name], types.UnionType) else (hints[name],)
        kind = next(t for t in options if t is not types.NoneType)
        found[name] = (typing.get_origin(kind) or kind, types.NoneType in options)
    return found


def _value(cell: str, kind: type, empty: bool, where: str) -> Any:
    if cell == "" and empty:
        return None
    try:
        if kind is bool:
            return {"True": True, "False": False}[cell]
        value = kind(cell)
        if kind is float and not math.isfinite(value):
            raise ValueError
    except (ValueError, KeyError):
        raise _bad(where, cell, kind, empty) from None
    return value


def _bad(where: str, found: object, kind: type, empty: bool) -> PreceptorError:
    expected = kind.__name__ + (" or nothing" if empty else "")
    return PreceptorError("A table has a bad value", where=where, found=repr(found), expected=expected)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    """A line as the csv module writes it, but that a carriage return is quoted too: unquoted it would not read back."""
    quoted = ['"' + c.replace('"', '""') + '"' if any(x in c for x in ',"\r\n') else c for c in cells]
    return (",".join(quoted) if quoted != [""] else '""') + "\n"


def _plain(row: Row) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in columns(type(row))}
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in found.items()}
