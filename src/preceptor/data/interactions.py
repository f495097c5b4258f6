"""Reads the interactions of all files into one frame of numbers: about 30 bytes a row, text only while a file is read."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import track
from preceptor.data import tables
from preceptor.data.catalogue import identifier
from preceptor.data.check import CODE
from preceptor.data.layouts import Layout

ISO = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d")


def read(layout: Layout, users: pl.Categories, items: pl.Categories) -> tuple[pl.DataFrame, bool]:
    """Return (rows, timed): every record of the interaction files in order, and whether they carry timestamps.

    Columns: file (uint32, place in layout.interactions.files), row (uint32, record in the file), user and item (ids of the
    two category pools), number (float64, the time where it is numeric), us (int64, microseconds since 1970 where it is a
    date), code (uint8, place in check.REASONS; 0 usable), and where the files have them rating (float32, NaN where it is no
    number), event (categories), session (categories).
    """
    files = layout.interactions.files
    named = [_columns(layout, file) for file in files]
    timed = "timestamp" in named[0]
    shared = set(named[0]).intersection(*named)
    parts = []
    for number, file in track(list(enumerate(files)), "reading interactions", unit="files"):
        for required in ("timestamp" if timed else "position", *(c for c in named[0] if c not in shared)):
            if required not in named[number]:
                raise PreceptorError(
                    f"Missing column {required!r}",
                    where=file,
                    expected=f"the columns of {files[0].name}",
                    remedy="all files of a table need the same columns",
                )
        part = _file(layout, file, named[number], timed, users, items)
        parts.append(part.select(pl.lit(number, pl.UInt32).alias("file"), pl.all()))
    return pl.concat(parts, rechunk=False), timed


def _columns(layout: Layout, file: Path) -> dict[str, str]:
    table = layout.interactions
    found = tables.resolve(table, file, ("user_id", "item_id"), ("timestamp", "position", "rating", "event", "session_id"))
    if "timestamp" not in found and "position" not in found:
        tables.resolve(table, file, ("timestamp",))  # raises, and says how to name the column
    return found


def _file(
    layout: Layout, file: Path, found: dict[str, str], timed: bool, users: pl.Categories, items: pl.Categories
) -> pl.DataFrame:
    frame = tables.scan(layout.interactions, file, found)
    types = frame.collect_schema()
    clock = "timestamp" if timed else "position"
    user, item = (identifier(pl.col(name), types[name]) for name in ("user_id", "item_id"))
    number, date, given = _time(clock, types[clock])
    chosen = {
        "row": pl.col("row"),
        "user": user.cast(pl.Categorical(users)),
        "item": item.cast(pl.Categorical(items)),
        "number": number,
        "us": date,
        "left": pl.when(number.is_null()).then(given) if given is not None else pl.lit(None, pl.String),
    }
    if "rating" in found:
        chosen["rating"] = pl.col("rating").cast(pl.Float32, strict=False).fill_null(float("nan"))
    for name in ("event", "session_id"):
        if name in found:
            chosen[name] = identifier(pl.col(name), types[name]).cast(pl.Categorical)
    with tables.explained(layout.interactions, file):
        part = frame.select(**chosen).collect(engine="streaming")
    part = part.rename({"session_id": "session"}, strict=False)
    dates = part["left"].drop_nulls()
    if len(dates):  # parsed afterwards, so that logs of plain numbers don't pay for it
        parsed = pl.coalesce(*(_date(pl.col("left"), form) for form in ISO))
        part = part.with_columns(us=pl.coalesce("us", parsed))
    code = (
        pl.when(pl.col("user").is_null())
        .then(CODE["user_id is empty"])
        .when(pl.col("item").is_null())
        .then(CODE["item_id is empty"])
        .when(pl.col("number").is_null() & pl.col("us").is_null())
        .then(
            pl.when(pl.col("left").is_null())
            .then(CODE["time is empty"])
            .otherwise(CODE["time is neither a number nor an ISO date"])
        )
        .when(pl.col("number").is_not_null() & ~pl.col("number").is_finite())
        .then(CODE["time is not finite"])
        .otherwise(0)
    )
    return part.with_columns(code=code.cast(pl.UInt8)).drop("left")


def _time(name: str, dtype: pl.DataType) -> tuple[pl.Expr, pl.Expr, pl.Expr | None]:
    """The number, the microseconds and, of a text column, the stripped text of a time (null where it is not that)."""
    column = pl.col(name)
    nothing = pl.lit(None, pl.Int64)
    if dtype.is_numeric():
        return column.cast(pl.Float64), nothing, None
    if isinstance(dtype, pl.Datetime | pl.Date):
        return pl.lit(None, pl.Float64), column.cast(pl.Datetime("us")).dt.epoch("us"), None
    written = identifier(column, dtype)
    return written.cast(pl.Float64, strict=False), nothing, written


def _date(column: pl.Expr, form: str) -> pl.Expr:
    zone = {} if form.endswith("z") else {"time_zone": "UTC"}  # no zone given: UTC
    return column.str.to_datetime(form, strict=False, time_unit="us", **zone).dt.epoch("us")  # type: ignore[arg-type]
