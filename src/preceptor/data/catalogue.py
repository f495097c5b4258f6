"""Reads the catalogue: one row per item, text as it is apart from white space.

Item text is data: whatever stands in a title (markup, special tokens) is kept and made harmless where it is used.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.data import files as tables
from preceptor.data.config import DataConfig
from preceptor.data.layouts import ITEM_COLUMNS, Layout
from preceptor.data.log import CATALOGUE
from preceptor.data.quarantine import CODE, Quarantine

_ONE = threading.Lock()  # polars calls from several threads, and what warnings are shown is one setting for all
_JSON_LIST = r'^\[(".*")?\]$'
_PRINTED_LIST = r"""(?s)^\s*\[\s*(?:['"].*['"]\s*)?\]\s*$"""  # a list as Python prints it, which is what pandas writes to CSV


def read(
    layout: Layout, config: DataConfig, quarantine: Quarantine, pool: pl.Categories
) -> tuple[pl.DataFrame, pl.Series, int]:
    """Return (catalogue, ids, rows read): items in file order, schema data.log.CATALOGUE, and their ids in the pool.

    Items without id or title go to quarantine, and so do those whose id an earlier row has; where the interactions' own rows
    carry the item texts, an item is the first row of its id that has a title. Memory grows with the items, not the rows.
    Raises PreceptorError where nothing is left.
    """
    separator = layout.category_separator or config.category_separator
    if config.category_separator != DataConfig.category_separator:
        separator = config.category_separator
    category = pl.Categorical(pool)
    parts: list[pl.DataFrame] = []
    ids: list[pl.Series] = []  # kept: polars forgets a pool once no series uses it
    met = np.zeros(0, np.bool_)  # by pool code: whether a row before had this id and a title
    n_rows = 0
    for file in layout.items.files:
        part = _file(layout, file, separator)
        known = part["item_id"].cast(category)
        no_title = np.where(part["title"].is_null(), CODE["title is empty"], 0)
        code = np.where(part["item_id"].is_null(), CODE["item_id is empty"], no_title).astype(np.uint8)
        usable = code == 0
        place = known.to_physical().fill_null(0).to_numpy()
        # The first row of an id *that has a title* is the item, so that one without doesn't hide a later one with it.
        first = usable & part.select(pl.col("item_id").is_first_distinct().over(pl.Series(usable))).to_series().to_numpy()
        if len(place):
            met = np.append(met, np.zeros(max(0, int(place.max()) + 1 - len(met)), np.bool_))
            first &= ~met[place]
            met[place[first]] = True
        n_rows += part.height
        if not layout.derived_items:
            code[usable & ~first] = CODE["item_id occurs in an earlier row"]
            bad = pl.Series(code > 0)
            quarantine.add(layout.items, file, part["row"].filter(bad), pl.Series(code).filter(bad))
        parts.append(part.select(*CATALOGUE).filter(pl.Series(first)))
        ids.append(known.filter(pl.Series(first)))
    items = pl.concat(parts)
    if items.is_empty():
        raise PreceptorError(
            "Empty catalogue",
            where=layout.items.files[0],
            found=f"{n_rows:,} rows, none with item_id and title",
            expected="one row per item",
            remedy="export the catalogue again, or name its columns in data.item_columns",
        )
    return items, pl.concat(ids), n_rows


def _file(layout: Layout, file: Path, separator: str) -> pl.DataFrame:
    """The items of one file, unchecked, with their record numbers `row`."""
    table = layout.items
    found = tables.resolve(table, file, ITEM_COLUMNS[:2], (*ITEM_COLUMNS[2:], *layout.category_columns, *layout.category_flags))
    levels = [name for name in layout.category_columns if name in found]
    flags = [name for name in layout.category_flags if name in found]
    frame = tables.scan(table, file, found)
    types = tables.types(table, file, frame)
    is_json = table.format == "json"
    title = text(pl.col("title"), types["title"], is_json)
    if layout.title_with_year and "year" in found:
        year = text(pl.col("year"), types["year"])
        title = pl.when(year.is_not_null()).then(pl.format("{} ({})", title, year)).otherwise(title)

    def given(name: str) -> pl.Expr:
        if name not in found:
            return pl.lit(None, pl.String)
        printed = name == "description" and not is_json
        return text(_unprinted(pl.col(name), types[name], " ") if printed else pl.col(name), types[name], is_json)

    if "categories" in found:
        column = pl.col("categories") if is_json else _unprinted(pl.col("categories"), types["categories"], separator)
        labels = _labels(column, types["categories"], separator, is_json)
    elif levels:
        labels = _labels(pl.concat_list(*levels), pl.List(pl.String()), separator)
    elif flags:
        of = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in flags]
        labels = _labels(pl.concat_list(*of), pl.List(pl.String()), separator)
    else:
        labels = pl.lit(None, pl.List(pl.String))
    lazy = frame.select(
        row="row",
        item_id=identifier(pl.col("item_id"), types["item_id"]),
        title=title,
        brand=given("brand"),
        categories=labels,
        description=given("description"),
    )
    if layout.derived_items:  # a shop's log names an item at each of its events
        lazy = lazy.filter(pl.col("item_id").is_not_null(), pl.col("title").is_not_null())
        lazy = lazy.unique("item_id", keep="first", maintain_order=True)
    with tables.explained(table, file):
        return lazy.collect(engine="streaming")


def identifier(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """An id as text: numbers without a decimal point where they are whole, outer blanks off, empty is null."""
    if dtype.is_float():  # integer ids become floats in tables that once held a gap
        whole = column.cast(pl.Int64, strict=False)
        column = pl.when(column == whole).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
    stripped = column.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped)


def text(column: pl.Expr, dtype: pl.DataType, is_json: bool = False) -> pl.Expr:
    """Text with each run of white space and control characters as one blank; lists are joined; empty is null."""
    if isinstance(dtype, pl.List):
        column = column.cast(pl.List(pl.String)).list.drop_nulls().list.join(" ")
    elif is_json:
        parts = _json_list(column).list.join(" ")
        column = pl.when(_is_json_list(column)).then(parts).otherwise(column)
    elif dtype.is_float() or dtype.is_integer():
        column = identifier(column, dtype)
    clean = column.cast(pl.String).str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars()
    return pl.when(clean != "").then(clean)


def _unprinted(column: pl.Expr, dtype: pl.DataType, joined_by: str) -> pl.Expr:
    """Text columns that hold printed Python lists: their strings joined; other text as it is."""
    if dtype != pl.String:
        return column

    def mend(values: pl.Series) -> pl.Series:
        printed = values.str.contains(_PRINTED_LIST).fill_null(False)
        if not printed.any():
            return values
        return values.zip_with(~printed, values.map_elements(lambda t: _strings(t, joined_by), pl.String))

    return column.map_batches(mend, pl.String, is_elementwise=True)


def _strings(printed: str, joined_by: str) -> str:
    try:
        with _ONE, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd escapes
            found = ast.literal_eval(printed.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # by something that didn't escape quotes
        found = re.split(r"""['"],\s*['"]""", printed.strip()[2:-2])
    whole = isinstance(found, list) and all(isinstance(part, str) for part in found)
    return _paired(joined_by.join(part for part in found if part)) if whole else printed


def _paired(text: str) -> str:
    """Text whose surrogates, which a printed list may spell out, are joined to characters; half a pair becomes a mark."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _labels(column: pl.Expr, dtype: pl.DataType, separator: str, is_json: bool = False) -> pl.Expr:
    """Categories as a list, from general to special as given; blanks off, repeats and empty ones out; none is null."""
    if isinstance(dtype, pl.List):
        labels = column.cast(pl.List(pl.String))
    else:
        labels = column.cast(pl.String).str.split(separator)
        if is_json:
            labels = pl.when(_is_json_list(column)).then(_json_list(column)).otherwise(labels)
    clean = labels.list.eval(
        pl.element().str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars().replace("", None).drop_nulls()
    ).list.unique(maintain_order=True)
    return pl.when(clean.list.len() > 0).then(clean)


def _is_json_list(column: pl.Expr) -> pl.Expr:
    return column.str.contains(_JSON_LIST) & column.str.json_path_match("$").is_not_null()


def _json_list(column: pl.Expr) -> pl.Expr:
    """The strings of a JSON list in text; what isn't one gives an empty list."""
    safe = pl.when(_is_json_list(column)).then(column).otherwise(pl.lit("[]"))
    return safe.str.json_decode(pl.List(pl.String)).list.drop_nulls()
