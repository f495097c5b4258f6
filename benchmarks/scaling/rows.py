"""The tables of these studies: rows of CSV files."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read(table: Path) -> list[dict[str, str]]:
    """The rows of a table, none where there is no table or nothing in it."""
    if not table.exists():
        return []
    with open(table, encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f))


def write(table: Path, rows: Sequence[Mapping[str, Any]], head: Sequence[str] = ()) -> None:
    """Write a table, all of it or nothing. None is an empty field, and so is what a row hasn't. head: the columns; by default
    those of the first row."""
    table.parent.mkdir(parents=True, exist_ok=True)
    names = head or (list(rows[0]) if rows else [])
    temporary = table.with_suffix(".tmp")
    with open(temporary, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        if names:
            out.writerow(names)
        out.writerows([["" if (value := row.get(name)) is None else value for name in names] for row in rows])
    os.replace(temporary, table)
