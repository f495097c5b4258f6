"""Reads the catalogue: one row an item, text as it is apart from white space.

Item text is data: whatever stands in a title (markup, special tokens) is kept and made harmless where it is used.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.data import tables
from preceptor.data.check import CODE, Quarantine
from preceptor.data.config import DataConfig
from preceptor.data.layouts import ITEM_COLUMNS, Layout
from preceptor.data.log import CATALOGUE

_JSON_LIST = r'^\[(".*")?\]$'


def read(layout: Layout, config: DataConfig, quarantine: Quarantine) -> pl.DataFrame:
    """Return the catalogue (schema data.log.CATALOGUE), items in file order; items without id or title go to quarantine, and
    so do those whose id an earlier row has. Raises PreceptorError where nothing is left."""
    separator = layout.category_separator or config.category_separator
    if config.category_separator != DataConfig.category_separator:
        separator = config.category_separator
    parts, rows = [], []
    for file in layout.items.files:
        part = _file(layout, file, separator)
        parts.append(part.select(*CATALOGUE))
        rows.append(part["row"])
    items = pl.concat(parts)
    code = (
        pl.when(pl.col("item_id").is_null())
        .then(CODE["item_id is empty"])
        .when(pl.col("title").is_null())
        .then(CODE["title is empty"])
        .otherwise(0)
    )
    items = items.with_columns(code=code)
    usable = (pl.col("code") == 0) & pl.col("item_id").is_not_null()
    # The first *usable* row of an id is the item, so a row without title doesn't hide a later one with it.
    first = usable & pl.col("item_id").is_first_distinct().over(usable)
    items = items.with_columns(code=pl.when(usable & ~first).then(CODE["item_id occurs in an earlier row"]).otherwise("code"))
    at = 0
    for file, numbers in zip(layout.items.files, rows, strict=True):
        codes = items["code"].slice(at, len(numbers))
        bad = codes > 0
        quarantine.add(layout.items, file, numbers.filter(bad), codes.filter(bad))
        at += len(numbers)
    kept = items.filter(pl.col("code") == 0).select(*CATALOGUE)
    if kept.is_empty():
        raise PreceptorError(
            "Empty catalogue",
            where=layout.items.files[0],
            found=f"{at:,} rows, none with item_id and title",
            expected="one row an item",
            remedy="export the catalogue again, or name its columns in data.item_columns",
        )
    return kept


def _file(layout: Layout, file: Path, separator: str) -> pl.DataFrame:
    """The items of one file, unchecked, with their record numbers `row`."""
    table = layout.items
    found = tables.resolve(table, file, ("item_id", "title"), tuple(c for c in ITEM_COLUMNS if c not in ("item_id", "title")))
    frame = tables.scan(table, file, found)
    types = frame.collect_schema()
    is_json = table.format == "json"
    title = text(pl.col("title"), types["title"], is_json)
    if layout.title_with_year and "year" in found:
        year = text(pl.col("year"), types["year"])
        title = pl.when(year.is_not_null()).then(pl.format("{} ({})", title, year)).otherwise(title)

    def given(name: str) -> pl.Expr:
        return text(pl.col(name), types[name], is_json) if name in found else pl.lit(None, pl.String)

    labels = (
        _labels(pl.col("categories"), types["categories"], separator, is_json)
        if "categories" in found
        else pl.lit(None, pl.List(pl.String))
    )
    lazy = frame.select(
        row="row",
        item_id=identifier(pl.col("item_id"), types["item_id"]),
        title=title,
        brand=given("brand"),
        categories=labels,
        description=given("description"),
    )
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


def _labels(column: pl.Expr, dtype: pl.DataType, separator: str, is_json: bool) -> pl.Expr:
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
