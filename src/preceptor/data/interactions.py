"""Reads the interactions of all files into arrays of numbers: about 20 bytes per row, text only while a file is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import Progress
from preceptor.data import dates
from preceptor.data import files as tables
from preceptor.data.catalogue import identifier
from preceptor.data.config import DataConfig
from preceptor.data.layouts import Layout
from preceptor.data.quarantine import CODE, STRANGE

_NO_CATEGORY = np.uint32(2**32 - 1)


@dataclass
class Rows:
    """Every record of the interaction files, in order.

    starts: the first row of each file. user: categories; item: int32, row in the catalogue, −1 where it isn't there.
    moment: float64, microseconds since 1970 where `dated`, else the number given; 0 where not `clocked`, which is whether the
    row has a time that can be read, whatever else it lacks. code: uint8, place in quarantine.REASONS, 0 usable. rating:
    float32, NaN where it is no number. event, session: categories, null where empty. Each of the three is None where the
    files have no such column. n_users, n_items: distinct ids met, known or not. stranger: an item id that isn't in the
    catalogue.
    """

    timed: bool
    starts: np.ndarray
    user: pl.Series
    item: np.ndarray
    moment: np.ndarray
    dated: np.ndarray
    clocked: np.ndarray
    code: np.ndarray
    rating: np.ndarray | None
    event: pl.Series | None
    session: pl.Series | None
    n_users: int
    n_items: int
    stranger: str | None

    def __len__(self) -> int:
        return len(self.item)


def physical(categories: pl.Series) -> np.ndarray:
    """The pool codes of categories, uint32; 2^32 − 1 for null."""
    return categories.to_physical().fill_null(_NO_CATEGORY).to_numpy()


def read(layout: Layout, item_ids: pl.Series, config: DataConfig) -> Rows:
    """Read all files. item_ids: the catalogue's ids as categories, in its order.

    Raises PreceptorError for a missing column, files that disagree on their columns, or a file that can't be read.
    """
    files = layout.interactions.files
    named = [_columns(layout, file, config) for file in files]
    for file, found in zip(files, named, strict=True):
        if found.keys() != named[0].keys():
            raise PreceptorError(
                "Files of one table have different columns",
                where=file,
                found=", ".join(sorted(found)),
                expected=f"{', '.join(sorted(named[0]))}, as in {files[0].name}",
                remedy="export all files of the table alike",
            )
    timed = "timestamp" in named[0] and config.order == "time"
    pools = {name: pl.Categorical(pl.Categories.random()) for name in ("user", "event", "session")}
    known = physical(item_ids)
    index = np.full(int(known.max()) + 1, -1, np.int32)
    index[known] = np.arange(len(known), dtype=np.int32)
    parts, items, strangers = [], [], []
    met = np.zeros(len(index), np.bool_)  # by pool code
    with Progress("reading interactions", len(files), "files") as progress:
        for file, found in zip(files, named, strict=True):
            part = _file(layout, file, found, timed, {**pools, "item": item_ids.dtype}, config)
            item = physical(part["item"])
            there = item != _NO_CATEGORY
            met = np.append(met, np.zeros(max(0, int(item[there].max(initial=0)) + 1 - len(met)), np.bool_))
            met[item[there]] = True
            inside = item < len(index)
            items.append(np.where(inside, index[np.where(inside, item, 0)], -1))
            unknown = there & (items[-1] < 0)
            if unknown.any():
                strangers.append(part["item"][int(unknown.argmax())])
            code = part["code"].to_numpy().copy()
            code[(code == 0) & unknown] = CODE[STRANGE]
            parts.append(part.drop("item").with_columns(code=pl.Series(code)))
            progress.advance()
    heights = [part.height for part in parts]
    moment, dated, clocked, code = (_numbers(parts, name) for name in ("moment", "dated", "clocked", "code"))
    user = _series(parts, "user")
    return Rows(
        timed=timed,
        starts=np.concatenate([[0], np.cumsum(heights)[:-1]]),
        user=user,
        item=_joined(items),
        moment=np.arange(sum(heights), dtype=np.float64) if config.order == "file" else moment,
        dated=dated,
        clocked=clocked,
        code=code,
        rating=_numbers(parts, "rating") if "rating" in parts[0].columns else None,
        event=_series(parts, "event") if "event" in parts[0].columns else None,
        session=_series(parts, "session") if "session" in parts[0].columns else None,
        n_users=user.n_unique() - (user.null_count() > 0),
        n_items=int(met.sum()),
        stranger=strangers[0] if strangers else None,
    )


def _series(parts: list[pl.DataFrame], name: str) -> pl.Series:
    """One column of all files, taken out of the parts."""
    return pl.concat([part.drop_in_place(name) for part in parts], rechunk=False)


def _numbers(parts: list[pl.DataFrame], name: str) -> np.ndarray:
    """The same as an array of our own: each file's column is let go as it is copied."""
    return _joined([part.drop_in_place(name).to_numpy() for part in parts])


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    out = np.empty(sum(map(len, arrays)), arrays[0].dtype)
    end = len(out)
    while arrays:
        last = arrays.pop()
        out[end - len(last) : end] = last
        end -= len(last)
    return out


def _columns(layout: Layout, file: Path, config: DataConfig) -> dict[str, str]:
    table = layout.interactions
    found = tables.resolve(table, file, ("user_id", "item_id"), ("timestamp", "position", "rating", "event", "session_id"))
    if config.order == "file":
        return {ours: theirs for ours, theirs in found.items() if ours not in {"timestamp", "position"}}
    if "timestamp" not in found and "position" not in found:
        try:
            tables.resolve(table, file, ("timestamp",))  # raises, and says how to name the column
        except PreceptorError as error:
            raise PreceptorError(
                error.problem,
                where=error.where,
                found=error.found,
                expected=f"{error.expected}, or 'position'",
                remedy=f"{error.remedy}; if the rows are in the order in which people met the items, set data.order=file;"
                " where no order is known, set it too and use baskets (graph.window=0)",
            ) from None
    return found


def _file(
    layout: Layout, file: Path, found: dict[str, str], timed: bool, pools: dict[str, pl.DataType], config: DataConfig
) -> pl.DataFrame:
    """Columns user, item, moment, dated, clocked, code, and of rating, event, session those that the file has."""
    whole = tables.scan(layout.interactions, file, found)
    types = tables.types(layout.interactions, file, whole)
    with tables.explained(layout.interactions, file):
        pieces = list(tables.pieces(layout.interactions, whole))
    return pl.concat([_piece(layout, file, frame, found, types, timed, pools, config) for frame in pieces], rechunk=False)


def _piece(
    layout: Layout,
    file: Path,
    frame: pl.LazyFrame,
    found: dict[str, str],
    types: Mapping[str, pl.DataType],
    timed: bool,
    pools: dict[str, pl.DataType],
    config: DataConfig,
) -> pl.DataFrame:
    """The same of some rows of a file."""
    clock = "row" if config.order == "file" else "timestamp" if timed else "position"
    user, item = (identifier(pl.col(name), types[name]) for name in ("user_id", "item_id"))
    number, date, given = _time(clock, types[clock])
    chosen = {
        "user": user.cast(pools["user"]),
        "item": item.cast(pools["item"]),
        "moment": pl.coalesce(number, date.cast(pl.Float64)),
        "dated": date.is_not_null(),
        "left": pl.when(number.is_null()).then(given),
    }
    if "rating" in found:
        chosen["rating"] = _number(pl.col("rating"), types["rating"], pl.Float32).fill_null(float("nan"))
    for name, ours in (("event", "event"), ("session_id", "session")):
        if name in found:
            chosen[ours] = identifier(pl.col(name), types[name]).cast(pools[ours])
    with tables.explained(layout.interactions, file):
        part = frame.select(**chosen).collect(engine="streaming")
    if part["left"].null_count() < part.height:  # parsed afterwards, so that logs of plain numbers don't pay for it
        parsed = dates.microseconds(part["left"], config.time_format, file)
        part = part.with_columns(
            moment=part["moment"].fill_null(parsed.cast(pl.Float64)), dated=part["dated"] | parsed.is_not_null()
        )
    missing = pl.when(pl.col("left").is_null()).then(CODE["time is empty"])
    code = (
        pl.when(pl.col("user").is_null())
        .then(CODE["user_id is empty"])
        .when(pl.col("item").is_null())
        .then(CODE["item_id is empty"])
        .when(pl.col("moment").is_null())
        .then(missing.otherwise(CODE["time is neither a number nor a date"]))
        .when(~pl.col("moment").is_finite())
        .then(CODE["time is not finite"])
        .otherwise(0)
    )
    clocked = pl.col("moment").is_finite().fill_null(False)
    moment = pl.when(clocked).then("moment").otherwise(0.0)
    return part.with_columns(code=code.cast(pl.UInt8), clocked=clocked, moment=moment).drop("left")


def _time(name: str, dtype: pl.DataType) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """The number, the microseconds and, of a text column, the stripped text of a time (null where it is not that)."""
    column = pl.col(name)
    no_number, no_date, no_text = pl.lit(None, pl.Float64), pl.lit(None, pl.Int64), pl.lit(None, pl.String)
    if dtype.is_numeric():
        return column.cast(pl.Float64), no_date, no_text
    if isinstance(dtype, pl.Datetime | pl.Date):
        return no_number, column.cast(pl.Datetime("us")).dt.epoch("us"), no_text
    written = identifier(column, dtype)
    return _number(written, pl.String(), pl.Float64), no_date, written


def _number(column: pl.Expr, dtype: pl.DataType, wanted: type[pl.DataType]) -> pl.Expr:
    """A number, in text also with a decimal comma; null where it is none."""
    plain = column.cast(wanted, strict=False)
    if dtype != pl.String:
        return plain
    comma = column.str.contains(r"^\s*[+-]?\d+,\d+\s*$")
    return pl.coalesce(plain, pl.when(comma).then(column.str.replace(",", ".", literal=True)).cast(wanted, strict=False))
