"""Finds the rows that can't be used, keeps them in quarantine with file, line and reason, and counts what is left.

Nothing is dropped silently: a row is either in the log, left out by a filter that the funnel shows, or in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.data import FunnelStep, Quarantined
from preceptor.core.terminal import visible
from preceptor.data import files as tables
from preceptor.data.log import QUARANTINE

STRANGE = "item_id is not in the catalogue"
REASONS = (
    "",
    "user_id is empty",
    "item_id is empty",
    "time is empty",
    "time is neither a number nor a date",
    "time is not finite",
    STRANGE,
    "time is in another unit than the rest, or outside of the years 1 to 2200",
    "rating is not a number",
    "same user, item and time as an earlier row",
    "title is empty",
    "item_id occurs in an earlier row",
    "position is beyond 9·10¹² in size",
)
CODE = {reason: code for code, reason in enumerate(REASONS)}
_LONGEST = 500  # characters of a raw row that are kept
_ACTING = r"[^\x20-\x7e\p{L}\p{M}\p{N}\p{P}\p{S}]"  # holds all that `visible` writes out, and little else
_FORMULA = ("=", "+", "-", "@", "\t", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}", "\N{FULLWIDTH HYPHEN-MINUS}",
            "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip


@dataclass
class Quarantine:
    """Collects unusable rows. root: file names are given relative to it, so that they don't depend on where the log lies."""

    root: Path
    parts: list[pl.DataFrame] = field(default_factory=list)

    def add(self, table: tables.Table, file: Path, rows: pl.Series, reasons: pl.Series) -> int:
        """Put the records `rows` (numbers from 0, ascending) of a file in; reasons holds their codes. Blank lines are not
        records: returns how many of the rows were blank."""
        if rows.is_empty():
            return 0
        with tables.explained(table, file):
            found = tables.raw(table, file, rows)
        found = found.join(pl.DataFrame({"row": rows, "code": reasons}), on="row", how="left", maintain_order="left")
        records = found.filter(pl.col("text").str.strip_chars() != "")
        name = visible(file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else file.name)
        self.parts.append(
            records.select(
                file=pl.lit(name),
                line=pl.col("line"),
                reason=pl.col("code").cast(pl.Int64).replace_strict(dict(enumerate(REASONS)), return_dtype=pl.String),
                row=_written_out(pl.col("text").str.slice(0, _LONGEST)),
            )
        )
        return len(rows) - records.height

    @property
    def height(self) -> int:
        return sum(part.height for part in self.parts)

    def frame(self) -> pl.DataFrame:
        """All rows in quarantine, in the order of files and lines."""
        return pl.concat([pl.DataFrame(schema=QUARANTINE), *self.parts])


def cells(quarantine: pl.DataFrame) -> Iterator[Quarantined]:
    """The rows as quarantine.csv has them: a text that a spreadsheet would run as a formula has a ' before it."""
    for file, line, reason, row in quarantine.iter_rows():
        yield Quarantined(_no_formula(file), line, reason, _no_formula(row))


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _written_out(column: pl.Expr) -> pl.Expr:
    """Text in which every character that acts is written out, line ends and tabs aside (`core.terminal.visible`)."""

    def mend(values: pl.Series) -> pl.Series:
        acting = values.str.contains(_ACTING).fill_null(False)
        if not acting.any():
            return values
        return values.zip_with(~acting, values.map_elements(lambda text: visible(text, lines=True), pl.String))

    return column.map_batches(mend, pl.String, is_elementwise=True)


def refuse_if_most_unusable(
    unusable: Mapping[str, int], rows: int, limit: float, where: object, sample: str, mangled: str = ""
) -> None:
    """Raise PreceptorError when more than `limit` of the rows are unusable: then the config is wrong rather than the rows.

    sample: an id that isn't in the catalogue. mangled: what happened to it, where that can be seen.
    """
    bad = sum(unusable.values())
    if rows and (bad > limit * rows or bad == rows):
        reason = max(unusable, key=unusable.__getitem__)
        raise PreceptorError(
            "Too many unusable rows",
            where=where,
            found=f"{bad:,} of {rows:,} rows, most of them because {reason}; {sample}",
            expected=f"at most {limit:.0%} (data.max_unusable)",
            remedy=f"export both files with their ids as text: {mangled}"
            if mangled and reason == STRANGE
            else "check the column names (data.interaction_columns, data.item_columns) and that both files use the same ids",
        )


def funnel_step(step: str, user: np.ndarray, item: np.ndarray, kept: np.ndarray) -> FunnelStep:
    """How many rows, users and items are left where `kept`. user, item: codes ≥ 0 of any numbering."""
    return FunnelStep(step, int(np.count_nonzero(kept)), _distinct(user, kept), _distinct(item, kept))


def _distinct(codes: np.ndarray, kept: np.ndarray) -> int:
    chosen = codes[kept]
    seen = np.zeros(int(chosen.max(initial=0)) + 1, np.bool_)
    seen[chosen] = True
    return int(np.count_nonzero(seen))
