"""Reads a file that a person gives beside the log: rows by user and item, ids as the log has them, strict about each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.data import files as tables
from preceptor.data import parquet
from preceptor.data.catalogue import identifier
from preceptor.data.files import Table

IDS = ("user_id", "item_id")


def table_of(file: Path, names: Mapping[str, tuple[str, ...]]) -> Table:
    """The file as a table by its ending. names: what columns may be called beside the usual names of ids."""
    form = tables.format_of(file)
    if form is None:
        raise PreceptorError("Unknown format", where=file, found=file.suffix, expected=".csv, .tsv, .jsonl or .parquet")
    return Table((file,), form, dict(names), separator="\t" if ".tsv" in file.suffixes else ",")


def columns(table: Table, file: Path, values: tuple[str, ...], expected: str) -> dict[str, str]:
    """Our name -> name in the file of the ids and of one of `values`, the first that is there."""
    try:
        found = tables.resolve(table, file, IDS, values)
        return found if set(values) & found.keys() else tables.resolve(table, file, values[:1])
    except PreceptorError as error:
        if not error.problem.startswith("Missing column"):
            raise
        raise PreceptorError(
            error.problem, where=error.where, found=error.found, expected=expected, remedy="rename the columns of the file"
        ) from None


def rows(
    table: Table, file: Path, found: Mapping[str, str], value: pl.Expr, name: str, expected: str, what: str
) -> pl.DataFrame:
    """Columns row, user_id, item_id and `name`, the value, of every record. expected: of the file; what: the file is to us.

    Raises PreceptorError for a file without rows and for an empty id.
    """
    lazy = tables.scan(table, file, found)
    types = tables.types(table, file, lazy)
    with tables.explained(table, file):
        ids = (identifier(pl.col(column), types[column]).alias(column) for column in IDS)
        frame = lazy.select("row", *ids, value.alias(name)).collect()
    if frame.is_empty():
        raise PreceptorError("Empty file", where=file, found="a header and no row", expected=expected)
    for column in IDS:
        refuse(table, file, frame.filter(pl.col(column).is_null()), column, "an id", what)
    return frame


def known(frame: pl.DataFrame, file: Path, folder: Path, what: str, setting: str) -> tuple[pl.DataFrame, dict[str, int], int]:
    """The rows whose user and item the split in `folder` (of the stage data) knows, with columns user and item, their numbers;
    how many ids of each kind it doesn't know; and how many users it knows. Raises PreceptorError where no row is known."""
    ids = {"user_id": _user_ids(folder, what, setting), "item_id": parquet.read(folder / "train/items.parquet")["item_id"]}
    unknown = {}
    for name, there in ids.items():
        place = pl.DataFrame({name: there, name[:4]: np.arange(len(there))})
        frame = frame.join(place, on=name, how="left", maintain_order="left")
        lost = frame.filter(pl.col(name[:4]).is_null())[name]
        unknown[name] = lost.n_unique()
        if len(lost) == frame.height:
            raise PreceptorError(
                f"No {name} of the {what} is in the log",
                where=f"{file}, field {name}",
                found=", ".join(repr(x) for x in lost.unique(maintain_order=True)[:3]),
                expected="ids as the log has them, such as " + ", ".join(repr(x) for x in there[:3]),
                remedy="write the ids as they are in the log",
            )
    return frame.drop_nulls(["user", "item"]), unknown, len(ids["user_id"])


def refuse(table: Table, file: Path, bad: pl.DataFrame, name: str, expected: str, what: str) -> None:
    """Raise PreceptorError for the first of the rows, if there is any."""
    if bad.is_empty():
        return
    with tables.explained(table, file):
        first = tables.raw(table, file, bad["row"].head(1)).row(0, named=True)
    more = f" and {bad.height - 1:,} more rows" if bad.height > 1 else ""
    raise PreceptorError(
        f"A row of the {what} can't be used",
        where=f"{file}, line {first['line']}, field {name}",
        found=f"{first['text'][:200]!r}{more}",
        expected=expected,
        remedy="mend the row, or take it out",
    )


def _user_ids(folder: Path, what: str, setting: str) -> pl.Series:
    file = folder / "users.parquet"
    if not file.exists():
        raise PreceptorError(
            f"The users of the {what} can't be told here",
            where=setting,
            found="a split without the ids of its users",
            remedy="run the study with `preceptor tstr`, whose data stage keeps them",
        )
    return parquet.read(file)["user_id"]
