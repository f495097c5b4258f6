"""From a folder to a `Log`: find the layout, read both tables, set unusable rows aside, apply the filters, sort."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables.data import FunnelStep
from preceptor.data import aliases, catalogue, interactions, layouts, order, sources
from preceptor.data import files as tables
from preceptor.data.check import Report, describe
from preceptor.data.config import DataConfig
from preceptor.data.config import check as check_config
from preceptor.data.interactions import Rows, physical
from preceptor.data.layouts import INTERACTION_COLUMNS, ITEM_COLUMNS
from preceptor.data.log import Log
from preceptor.data.quarantine import CODE, REASONS, STRANGE, Quarantine, funnel_step, refuse_if_most_unusable

UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}  # in microseconds
_UNIT_FROM = np.array([1e11, 1e14, 1e17])  # a number up to 1e11 is seconds, up to 1e14 milliseconds, …: years 1973 to 5138
_YEAR_1, _YEAR_2200 = -62_135_596_800_000_000, 7_258_118_400_000_000  # in microseconds
_FAR_AWAY = 2**63 - 1
_BLOCK = 1 << 22  # rows
_FARTHEST = 9e12  # a position's size: as microseconds it is an int64
_MISFIT = CODE["time is in another unit than the rest, or outside of the years 1 to 2200"]
_FAR = CODE["position is beyond 9·10¹² in size"]


def read(path: str | Path, config: DataConfig | None = None) -> Log:
    """Read a log: a folder in one of the layouts of docs/own-data.md, the name of a built-in source, or a market
    (`market:family=misleading,n_items=5000`, docs/market.md).

    Rows that can't be used are in the log's quarantine, with a reason. Raises PreceptorError for what no row can mend.
    """
    log = _read(path, config or DataConfig())
    for note in log.notes:
        say(f"  {note}")
    return log


def check(path: str | Path, config: DataConfig | None = None) -> Report:
    """Read a log as `read` does, and report what was kept, what was set aside and why, and how the split would come out."""
    config = config or DataConfig()
    return describe(_read(path, config), config.split, str(path))


def _read(path: str | Path, config: DataConfig) -> Log:
    check_config(config)
    if made := sources.simulated(path):
        name, simulation = made
        if config.min_rating is not None or config.events:
            raise PreceptorError(
                f"The simulated {name} has neither ratings nor events",
                where="data.min_rating, data.events",
                found=f"{config.min_rating}, {list(config.events)}",
                remedy="unset the filter",
            )
        return simulation.log(simulation.settings(str(path), config.seed))
    folder = sources.locate(path)
    layout = layouts.find(folder, config)
    quarantine = Quarantine(folder)
    items, item_ids, n_items_read = catalogue.read(layout, config, quarantine, pl.Categories.random())
    of_items = quarantine.height
    rows = interactions.read(layout, item_ids, config)
    first_file = layout.interactions.files[0]
    if not len(rows):
        raise PreceptorError(
            "No interactions", where=first_file, found="a header and no rows", expected="one row per interaction"
        )
    code = rows.code
    instant, time_note = _instants(rows, config)
    rows.moment = rows.moment[:0].copy()  # eight bytes per row that nobody reads from here on
    filters, filter_notes = _filters(rows, config, first_file)
    counts = np.bincount(code, minlength=len(REASONS))
    sample = f"item_id {rows.stranger!r}, where the catalogue begins with {items['item_id'][0]!r}" if rows.stranger else ""
    mangled = aliases.mangled(rows.stranger, items["item_id"]) if rows.stranger else ""
    unusable = {REASONS[c]: int(counts[c]) for c in range(1, len(REASONS)) if counts[c]}
    refuse_if_most_unusable(unusable, len(rows), config.max_unusable, first_file, sample, mangled)

    usable = code == 0
    user = physical(rows.user)
    funnel = [funnel_step("usable", user, rows.item, usable)]
    for step, mask in filters:
        usable &= mask
        funnel.append(funnel_step(step, user, rows.item, usable))
    kept = np.flatnonzero(usable).astype(np.int32 if len(rows) < 2**31 else np.int64)
    first = order.users_by_first(user, instant, kept)
    user_ids = rows.user.gather(first).cast(pl.String).alias("user_id")
    rows.user = rows.user.clear()  # from here on `user` is read
    number = np.zeros(int(user[kept].max(initial=0)) + 1, np.int32)  # pool code of a user -> its number
    number[user[first]] = np.arange(len(first), dtype=np.int32)
    place = order.by_user_and_time(number, user, instant, kept, len(first))
    del kept
    repeated = order.repeats(user, rows.item, instant, place)
    if config.duplicates == "drop":
        code[place[repeated]] = CODE["same user, item and time as an earlier row"]
        usable[place[repeated]] = False
        place = place[~repeated]
        funnel.append(funnel_step("without duplicates", user, rows.item, usable))
    funnel.insert(0, FunnelStep("read", len(rows) - _set_aside(rows, layout, quarantine), rows.n_users, rows.n_items))
    if not len(place):
        raise PreceptorError(
            "No interactions left",
            where=folder,
            found="; ".join(f"{s.step}: {s.rows:,} rows" for s in funnel),
            expected="at least one row that counts",
            remedy="loosen data.min_rating or data.events",
        )
    notes = (
        f"layout: {layout.name}",
        *layout.sniffed,
        *tables.called(layout.interactions, INTERACTION_COLUMNS),
        *tables.called(layout.items, ITEM_COLUMNS),
        time_note,
        *filter_notes,
        f"{np.count_nonzero(repeated):,} rows repeat an earlier user, item and time: "
        + ("set aside" if config.duplicates == "drop" else "kept"),
        f"set aside: {quarantine.height - of_items:,} of {funnel[0].rows:,} interactions,"
        f" {of_items:,} of {n_items_read:,} items",
        *([f"{counts[CODE[STRANGE]]:,} interactions are of unknown items, maybe because {mangled}"] if mangled else []),
    )
    numbered = number[user[place]]
    clock = _clock(rows, instant, len(place))
    session = None if rows.session is None else _sessions(physical(rows.session)[place], numbered, instant[place], place)
    time = instant[place]
    time //= 1_000_000
    return Log(
        items=items,
        user_ids=user_ids,
        user=numbered,
        item=rows.item[place],
        time=time,
        session=session,
        timed=rows.timed,
        clock=clock,
        funnel=tuple(funnel),
        quarantine=quarantine.frame(),
        notes=notes,
    )


def _instants(rows: Rows, config: DataConfig) -> tuple[np.ndarray, str]:
    """Return every row's time in microseconds (positions times a million), int64, and a note.

    Times that can't be are marked in rows.code, and their rows are no longer `clocked`. What is decided here rests on all rows
    with a time, so that no user or item of any row has a say in it. Rows are gone through in blocks, to hold few at a time.
    """
    instant = np.zeros(len(rows), np.int64)
    if not rows.timed:
        for block in _blocks(len(rows)):
            _set_out(rows, block, np.abs(rows.moment[block]) > _FARTHEST, _FAR)
            instant[block] = (np.where(rows.clocked[block], rows.moment[block], 0.0) * 1e6).round()
        note = "order: positions within users, no timestamps"
        if config.order == "file":
            note = "order: that of the rows in the files (data.order=file)"
        return instant, note
    unit: str = config.time_unit
    what = "as configured"
    if unit == "auto":
        counts = sum((np.bincount(_sizes(rows, block), minlength=4) for block in _blocks(len(rows))), np.zeros(4, np.int64))
        most = int(counts.argmax())
        unit = list(UNITS)[most]
        what = "by their size"
    any_number, first, last = False, _FAR_AWAY, -_FAR_AWAY
    for block in _blocks(len(rows)):
        numeric = _numeric(rows, block)
        any_number |= bool(numeric.any())
        if config.time_unit == "auto":
            misfit = numeric.copy()
            misfit[numeric] = _sizes(rows, block) != most
            _set_out(rows, block, misfit, _MISFIT)
        micro = np.where(numeric, UNITS[unit], 1.0)
        micro *= rows.moment[block]
        _set_out(rows, block, ~((micro >= _YEAR_1) & (micro <= _YEAR_2200)), _MISFIT)
        instant[block] = np.rint(np.where(rows.clocked[block], micro, 0.0))
        good = instant[block][rows.code[block] == 0]
        first, last = min(first, int(good.min(initial=_FAR_AWAY))), max(last, int(good.max(initial=-_FAR_AWAY)))
    note = f"timestamps: numbers in {unit} ({what})" if any_number else "timestamps: dates"
    if first <= last:
        begin, end = (dt.datetime.fromtimestamp(t // 1_000_000, dt.UTC) for t in (first, last))
        note += f", from {begin:%Y-%m-%d %H:%M:%S} to {end:%Y-%m-%d %H:%M:%S} UTC"
        if end.year < 1980:
            note += "; dates so early are more likely counters than seconds"
    return instant, note


def _blocks(n: int) -> Iterator[slice]:
    return (slice(k, min(k + _BLOCK, n)) for k in range(0, n, _BLOCK))


def _numeric(rows: Rows, block: slice) -> np.ndarray:
    """Which rows of a block have a number for a time."""
    return ~rows.dated[block] & rows.clocked[block]


def _sizes(rows: Rows, block: slice) -> np.ndarray:
    """Of those, by their size: seconds, milli-, micro-, nanoseconds, 0 to 3."""
    return np.searchsorted(_UNIT_FROM, np.abs(rows.moment[block][_numeric(rows, block)]), side="right")


def _set_out(rows: Rows, block: slice, bad: np.ndarray, reason: int) -> None:
    """Mark rows whose time is there but can't be; a row that is unusable already keeps its first reason."""
    code, clocked = rows.code[block], rows.clocked[block]  # views
    bad = bad & clocked
    code[bad & (code == 0)] = reason
    clocked[bad] = False


def _clock(rows: Rows, instant: np.ndarray, kept: int) -> np.ndarray | None:
    """Seconds of all rows with a time, int64, where there are more of them than the `kept` ones; see data.log.Log."""
    if not rows.timed or np.count_nonzero(rows.clocked) == kept:
        return None
    return instant[rows.clocked] // 1_000_000


def _filters(rows: Rows, config: DataConfig, file: Path) -> tuple[list[tuple[str, np.ndarray]], list[str]]:
    """Return the masks of the ratings and events that count, each with its name, and notes on what counts."""
    keep: list[tuple[str, np.ndarray]] = []
    notes = []
    for name, asked, there in (
        ("rating", config.min_rating is not None, rows.rating is not None),
        ("event", bool(config.events), rows.event is not None),
    ):
        if asked and not there:
            raise PreceptorError(
                f"No column {name!r} to filter by",
                where=file,
                expected=f"a column {name}, as data.{'min_rating' if name == 'rating' else 'events'} is set",
                remedy=f"name the column in data.interaction_columns, e.g. {{{name}: score}}, or unset the filter",
            )
    if rows.rating is not None:
        given = np.isfinite(rows.rating)
        span = "of no number"
        if given.any():
            low, high = (f(rows.rating, where=given, initial=first) for f, first in ((np.min, np.inf), (np.max, -np.inf)))
            span = f"from {low:g} to {high:g}"
        if config.min_rating is None:
            notes.append(f"ratings {span}: every interaction counts, whatever its rating")
        else:
            rows.code[(rows.code == 0) & ~given] = CODE["rating is not a number"]
            keep.append((f"rating ≥ {config.min_rating:g}", rows.rating >= config.min_rating))
            notes.append(f"ratings {span}: those of at least {config.min_rating:g} count")
    if rows.event is not None:
        counts = rows.event.alias("event").value_counts().cast({"event": pl.String})
        counts = counts.sort("count", "event", descending=[True, False])
        shown = ", ".join(f"{event} {n:,}" for event, n in counts.head(8).iter_rows())
        for event in config.events:
            if event not in counts["event"]:
                raise PreceptorError("Unknown event", where="data.events", found=event, expected=f"one of: {shown}")
        if config.events:
            wanted = pl.Series(config.events).cast(rows.event.dtype)
            mask = np.isin(physical(rows.event), physical(wanted))
            keep.append((f"events {', '.join(config.events)}", mask))
        notes.append(f"events ({shown}): {', '.join(config.events) + ' count' if config.events else 'all count'}")
    return keep, notes


def _set_aside(rows: Rows, layout: layouts.Layout, quarantine: Quarantine) -> int:
    """Put the marked rows in quarantine; returns how many of them were blank lines."""
    marked = np.flatnonzero(rows.code)
    bounds = np.searchsorted(marked, np.append(rows.starts, len(rows)))
    blank = 0
    for number, file in enumerate(layout.interactions.files):
        here = marked[bounds[number] : bounds[number + 1]]
        records = pl.Series(here - rows.starts[number])
        blank += quarantine.add(layout.interactions, file, records, pl.Series(rows.code[here]))
    return blank


def _sessions(codes: np.ndarray, user: np.ndarray, instant: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Sessions numbered by their first row in time, so that none depends on later ones; −1 where a row has none.

    All four arrays are in the log's order: session code, user, time, and place in the files.
    """
    named = np.flatnonzero(codes != 2**32 - 1)
    key = user[named].astype(np.int64) << 32 | codes[named]  # the same name under two users is two sessions
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    opening = named[first]  # a user's rows are in order of time, so the first of a key is its earliest
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((row[opening], instant[opening]))] = np.arange(len(first))
    number = np.full(len(codes), -1, np.int64)
    number[named] = rank[inverse]
    return number
