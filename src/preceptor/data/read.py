"""From a folder to a `Log`: find the layout, read both tables, set unusable rows aside, apply the filters, sort."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
from numba import njit

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.data import catalogue, interactions, layouts, sources
from preceptor.data.check import CODE, REASONS, Quarantine, funnel_step, refuse_if_most_unusable
from preceptor.data.config import DataConfig
from preceptor.data.describe import Report, describe
from preceptor.data.log import Log

UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}  # in microseconds
_UNIT_FROM = np.array([1e11, 1e14, 1e17])  # a number up to 1e11 is seconds, up to 1e14 milliseconds, …: years 1973 to 5138
_YEAR_2200 = 7_258_118_400_000_000  # in microseconds


def read(path: str | Path, config: DataConfig | None = None) -> Log:
    """Read a log: a folder in one of the layouts of docs/own-data.md, or the name of a built-in source.

    Rows that can't be used are in the log's quarantine, with a reason. Raises PreceptorError for what no row can mend.
    """
    config = config or DataConfig()
    folder = sources.locate(path)
    layout = layouts.find(folder, config)
    quarantine = Quarantine(folder)
    user_pool, item_pool = pl.Categories.random(), pl.Categories.random()
    items, item_ids, n_items_read = catalogue.read(layout, config, quarantine, item_pool)
    known = item_ids.to_physical().to_numpy()
    rows, timed = interactions.read(layout, user_pool, item_pool)
    assert rows["item"].dtype == item_ids.dtype
    if rows.is_empty():
        raise PreceptorError(
            "No interactions",
            where=layout.interactions.files[0],
            found="a header and no rows",
            expected="one row an interaction",
        )
    user, item = (rows[name].to_physical().fill_null(0).to_numpy() for name in ("user", "item"))
    code = rows["code"].to_numpy().copy()
    index = np.full(max(known.max(), item.max()) + 1, -1, np.int32)  # pool code of an item -> its row in the catalogue
    index[known] = np.arange(len(known), dtype=np.int32)
    code[(code == 0) & (index[item] < 0)] = CODE["item_id is not in the catalogue"]
    instant, time_note = _instants(rows, timed, config, code)
    keep, filters = _filters(rows, config, code, layout)
    _refuse_unusable(rows, items, code, layout, config)

    usable = code == 0
    has_ids = rows.select(pl.col("user").is_not_null() & pl.col("item").is_not_null()).to_series().to_numpy()
    funnel = [funnel_step("read", user[has_ids], item[has_ids]), funnel_step("usable", user[usable], item[usable])]
    for step, mask in keep:
        usable &= mask
        funnel.append(funnel_step(step, user[usable], item[usable]))
    repeats = np.flatnonzero(usable)[_repeats(user[usable], item[usable], instant[usable])]
    if config.duplicates == "drop":
        code[repeats] = CODE["same user, item and time as an earlier row"]
        usable[repeats] = False
        funnel.append(funnel_step("without duplicates", user[usable], item[usable]))
    blank = _set_aside(rows, code, layout, quarantine)
    funnel[0]["rows"] = len(rows) - blank

    if not usable.any():
        raise PreceptorError(
            "No interactions left", where=folder, found="; ".join(f"{s['step']}: {s['rows']:,} rows" for s in funnel),
            expected="at least one row that counts", remedy="loosen data.min_rating or data.events",
        )  # fmt: skip
    chosen = np.flatnonzero(usable)
    by_time = chosen[np.argsort(instant[chosen], kind="stable")]
    first = _first_rows(user, by_time)  # users in the order in which they come
    number = np.empty(int(user.max()) + 1, np.int32)
    number[user[first]] = np.arange(len(first), dtype=np.int32)
    order = by_time[_stable_order(number[user[by_time]], len(first))]
    notes = (
        f"layout: {layout.name}",
        time_note,
        *filters,
        f"{len(repeats):,} rows repeat an earlier user, item and time: "
        + ("set aside" if config.duplicates == "drop" else "kept"),
        f"set aside in all: {quarantine.height:,} of {len(rows) - blank + n_items_read:,} rows",
    )
    for note in notes:
        say(f"  {note}")
    return Log(
        items=items,
        user_ids=rows["user"].gather(first).cast(pl.String).alias("user_id"),
        user=number[user[order]],
        item=index[item[order]],
        time=instant[order] // 1_000_000,
        session=_sessions(rows["session"], by_time, order, number[user]) if "session" in rows.columns else None,
        timed=timed,
        funnel=tuple(funnel),
        quarantine=quarantine.frame(),
        notes=notes,
    )


def check(path: str | Path, config: DataConfig | None = None) -> Report:
    """Read a log as `read` does, and report what was kept, what was set aside and why, and how the split would come out."""
    config = config or DataConfig()
    return describe(read(path, config), config.split, str(path))


def _instants(rows: pl.DataFrame, timed: bool, config: DataConfig, code: np.ndarray) -> tuple[np.ndarray, str]:
    """Return every row's time in microseconds (positions times a million), int64, and a note; mark misfits in `code`."""
    number = rows["number"].to_numpy()
    numeric = np.isfinite(number) & (code == 0)
    if not timed:
        scale, note = 1e6, "order: positions within users, no timestamps"
    else:
        unit: str = config.time_unit
        what = "as configured"
        if unit == "auto":
            size = np.searchsorted(_UNIT_FROM, np.abs(np.where(numeric, number, 0.0)), side="right")
            most = int(np.bincount(size[numeric], minlength=4).argmax())
            code[numeric & (size != most)] = CODE["time is in another unit than the rest, or beyond the year 2200"]
            unit = list(UNITS)[most]
            what = "by their size"
        scale = UNITS[unit]
        note = f"timestamps: numbers in {unit} ({what})" if numeric.any() else "timestamps: dates"
    with np.errstate(invalid="ignore", over="ignore"):
        micro = np.rint(np.where(numeric, number, 0.0) * scale)
    micro = np.clip(micro, -9e18, 9e18).astype(np.int64)
    instant = np.where(numeric, micro, rows["us"].fill_null(0).to_numpy())
    if timed:
        code[(code == 0) & (instant > _YEAR_2200)] = CODE["time is in another unit than the rest, or beyond the year 2200"]
        good = instant[code == 0]
        if len(good):
            first, last = (dt.datetime.fromtimestamp(int(t) // 1_000_000, dt.UTC) for t in (good.min(), good.max()))
            note += f", from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"
            if last.year < 1980:
                note += "; dates so early are more likely counters than seconds"
    return instant, note


def _filters(
    rows: pl.DataFrame, config: DataConfig, code: np.ndarray, layout: layouts.Layout
) -> tuple[list[tuple[str, np.ndarray]], list[str]]:
    """Return the masks of the ratings and events that count, each with its name, and notes on what counts."""
    keep: list[tuple[str, np.ndarray]] = []
    notes = []
    for name, asked in (("rating", config.min_rating is not None), ("event", bool(config.events))):
        if asked and name not in rows.columns:
            raise PreceptorError(
                f"No column {name!r} to filter by",
                where=layout.interactions.files[0],
                expected=f"a column {name}, as data.{'min_rating' if name == 'rating' else 'events'} is set",
                remedy=f"name the column in data.interaction_columns, e.g. {{{name}: score}}, or unset the filter",
            )
    if "rating" in rows.columns:
        rating = rows["rating"].to_numpy()
        given = rating[np.isfinite(rating)]
        span = f"from {given.min():g} to {given.max():g}" if len(given) else "of no number"
        if config.min_rating is None:
            notes.append(f"ratings {span}: every interaction counts, whatever its rating")
        else:
            code[(code == 0) & ~np.isfinite(rating)] = CODE["rating is not a number"]
            keep.append((f"rating ≥ {config.min_rating:g}", rating >= config.min_rating))
            notes.append(f"ratings {span}: those of at least {config.min_rating:g} count")
    if "event" in rows.columns:
        counts = rows["event"].cast(pl.String).value_counts().sort("count", "event", descending=[True, False])
        shown = ", ".join(f"{event} {n:,}" for event, n in counts.head(8).iter_rows())
        if config.events:
            for event in config.events:
                if event not in counts["event"]:
                    raise PreceptorError("Unknown event", where="data.events", found=event, expected=f"one of: {shown}")
            mask = rows["event"].cast(pl.String).is_in(list(config.events)).fill_null(False).to_numpy()
            keep.append((f"events {', '.join(config.events)}", mask))
        notes.append(f"events ({shown}): {', '.join(config.events) + ' count' if config.events else 'all count'}")
    return keep, notes


def _refuse_unusable(
    rows: pl.DataFrame, items: pl.DataFrame, code: np.ndarray, layout: layouts.Layout, config: DataConfig
) -> None:
    counts = np.bincount(code, minlength=len(REASONS))
    unusable = {REASONS[c]: int(counts[c]) for c in range(1, len(REASONS)) if counts[c]}
    if not unusable:
        return
    sample = f"interactions begin with item_id {rows['item'][0]!r}, the catalogue with {items['item_id'][0]!r}"
    refuse_if_most_unusable(unusable, len(rows), config.max_unusable, layout.interactions.files[0], sample)


def _repeats(user: np.ndarray, item: np.ndarray, instant: np.ndarray) -> np.ndarray:
    """Places of the rows that equal an earlier one in user, item and time."""
    keys = pl.DataFrame({"u": user, "i": item, "t": instant})
    return np.flatnonzero(~keys.select(pl.struct("u", "i", "t").is_first_distinct()).to_series().to_numpy())


def _set_aside(rows: pl.DataFrame, code: np.ndarray, layout: layouts.Layout, quarantine: Quarantine) -> int:
    """Put the marked rows in quarantine; returns how many of them were blank lines."""
    marked = rows.select("file", "row").filter(code > 0).with_columns(code=code[code > 0])
    blank = 0
    for number, file in enumerate(layout.interactions.files):
        here = marked.filter(pl.col("file") == number)
        blank += quarantine.add(layout.interactions, file, here["row"], here["code"])
    return blank


def _sessions(session: pl.Series, by_time: np.ndarray, order: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Sessions numbered by their first row in time, so that none depends on later ones; −1 where a row has none."""
    codes = session.to_physical().fill_null(2**32 - 1).to_numpy().astype(np.int64)
    key = user.astype(np.int64) << 32 | codes  # the same name under two users is two sessions
    named = by_time[codes[by_time] != 2**32 - 1]
    _, first, inverse = np.unique(key[named], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    number = np.full(len(codes), -1, np.int64)
    number[named] = rank[inverse]
    return number[order]


def _first_rows(codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of `rows`, those whose code no row before them has."""
    return _first_seen(codes, rows, np.zeros(int(codes.max()) + 1, np.bool_))


@njit(cache=True)
def _first_seen(codes, rows, seen):  # type: ignore[no-untyped-def]
    found = np.empty(len(rows), np.int64)
    n = 0
    for row in rows:
        if not seen[codes[row]]:
            seen[codes[row]] = True
            found[n] = row
            n += 1
    return found[:n].copy()


@njit(cache=True)
def _stable_order(keys, n_keys):  # type: ignore[no-untyped-def]
    """Counting sort: the order that sorts keys (0..n_keys-1) and leaves equal ones as they were, in linear time."""
    start = np.zeros(n_keys + 1, np.int64)
    for key in keys:
        start[key + 1] += 1
    start = np.cumsum(start)
    order = np.empty(len(keys), np.int64)
    for place in range(len(keys)):
        key = keys[place]
        order[start[key]] = place
        start[key] += 1
    return order
