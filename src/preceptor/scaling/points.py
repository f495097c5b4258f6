"""The table of points: one row per finished run (or decay branch) and evaluation set."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.shown import Shown

if TYPE_CHECKING:
    import polars as pl

REQUIRED = ("params", "tokens", "loss")
OPTIONAL = ("run", "seed", "set", "floor", "unit", "unique_tokens", "flops_per_token", "unigram", "bigram", "ends")
_POSITIVE = ("params", "tokens", "loss", "floor", "unique_tokens", "flops_per_token", "unigram", "bigram")
_AT_LEAST_ZERO = ("ends",)
_A_CURVE = 3  # losses that agree to the last digit: fewer may agree by chance, where they are rounded
ALONE = "loss"  # the set's name where the table has no column of sets


@dataclass(frozen=True, repr=False)
class Points(Shown):
    """Losses against size and data. All columns have one entry a point.

    params, tokens, loss: float64, positive (loss in nats). run: the trunk a point belongs to; where the table names none,
    every point is a run of its own. seed: int64, −1 where unknown. set: evaluation set. floor: float64, the known lower
    bound of the loss, NaN where unknown (one value a set). unit: what the loss is per. unique_tokens: float64, distinct
    tokens behind `tokens` where data were repeated, NaN where unknown. flops_per_token: float64, what training on a token
    costs, head included, NaN where unknown. unigram, bigram: what these give in the loss's unit, NaN where unknown (see
    `burn_in`), but for the ends of documents: ends is what they cost beside, NaN where no end is scored. extra: other columns,
    kept as text. source: the file or table they are of, for errors.
    """

    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray
    run: np.ndarray
    seed: np.ndarray
    set: np.ndarray
    floor: np.ndarray
    unit: np.ndarray
    unique_tokens: np.ndarray
    flops_per_token: np.ndarray
    unigram: np.ndarray
    bigram: np.ndarray
    ends: np.ndarray
    extra: Mapping[str, np.ndarray] = field(default_factory=dict)
    source: str = field(default="", compare=False)

    def __len__(self) -> int:
        return len(self.loss)

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[Any] | np.ndarray], where: object = "points") -> Points:
        """Build from columns of values or of text; checks what `read` checks. Raises PreceptorError naming row and field."""
        return _build({k: [_text(v) for v in column] for k, column in columns.items()}, where, lambda i: f"row {i + 1}")

    @classmethod
    def read(cls, path: Path | str) -> Points:
        """Read a CSV with a header. Raises PreceptorError naming file, line and field."""
        path = Path(path)
        header, rows, lines = _rows(path)
        columns = {name: [row[j] for row in rows] for j, name in enumerate(header)}
        return _build(columns, path, lambda i: f"line {lines[i]}")

    def write(self, path: Path | str) -> None:
        """Write the CSV that `read` takes; floats keep all their digits, columns without a value are left out."""
        columns = self.columns()
        with open(path, "w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, lineterminator="\n")
            out.writerow(columns)
            out.writerows(zip(*columns.values(), strict=True))

    def columns(self) -> dict[str, list[str]]:
        """The columns that hold something, as text."""
        table = {name: [_text(v) for v in getattr(self, name)] for name in (*REQUIRED, *OPTIONAL)}
        table["seed"] = ["" if s < 0 else str(s) for s in self.seed]
        if set(self.set) == {ALONE}:
            table["set"] = [""] * len(self)
        table |= {name: [str(v) for v in column] for name, column in self.extra.items()}
        return {name: column for name, column in table.items() if name in REQUIRED or any(column)}

    @property
    def table(self) -> pl.DataFrame:
        """A row for each point as a polars frame; a column without a value is left out."""
        import polars as pl

        columns = {name: getattr(self, name) for name in (*REQUIRED, *OPTIONAL)} | dict(self.extra)
        frame = pl.DataFrame({name: np.asarray(column) for name, column in columns.items()})
        frame = frame.with_columns(pl.selectors.float().fill_nan(None))
        return frame.select(c for c in frame.columns if c in REQUIRED or frame[c].null_count() < frame.height)

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        if not len(self):
            return {"points": 0}
        ends = f"{self.tokens.min():,.0f} to {self.tokens.max():,.0f}"
        return {"points": len(self), "sets": len(self.sets), "sizes": len(np.unique(self.params)), "tokens": ends}

    def details(self) -> str:
        """Its table, for a notebook."""
        return self.table._repr_html_()

    @property
    def sets(self) -> list[str]:
        """Names of the evaluation sets, in order of appearance."""
        return list(dict.fromkeys(self.set.tolist()))

    @property
    def flops(self) -> np.ndarray:
        """Training cost: FLOP per token times D where the table has them, else C = 6·N·D (Kaplan et al. 2020)."""
        each = np.where(np.isnan(self.flops_per_token), 6.0 * self.params, self.flops_per_token)
        return each * self.tokens

    def where(self, mask: np.ndarray) -> Points:
        """The points of a boolean mask or an index array, in that order."""
        parts = {name: getattr(self, name)[mask] for name in (*REQUIRED, *OPTIONAL)}
        return Points(**parts, extra={k: v[mask] for k, v in self.extra.items()}, source=self.source)

    def of_set(self, name: str) -> Points:
        """The points of one evaluation set."""
        return self.where(self.set == name)

    def known_floor(self) -> float | None:
        """The floor, where these points (of one set) have one."""
        known = self.floor[~np.isnan(self.floor)]
        return float(known[0]) if len(known) else None

    @property
    def repeated(self) -> np.ndarray:
        """Mask of the points that saw some data more than once: more tokens than distinct ones."""
        return self.tokens > self.unique_tokens * (1 + 1e-9)


def _text(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return "" if math.isnan(value) else repr(float(value))
    return "" if value is None else str(value)


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and the line each row ends on."""
    expected = f"a CSV whose header has {','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise PreceptorError("No such table of points", where=path, expected=expected) from None
    except IsADirectoryError:
        raise PreceptorError("A folder where a table was expected", where=path, expected=expected) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise PreceptorError(
            "Not UTF-8",
            where=f"{path}, line {line}",
            found=f"byte 0x{error.object[error.start]:02x}",
            remedy="save it as UTF-8",
        ) from None
    reader = csv.reader(text.splitlines())
    try:
        records = [(row, reader.line_num) for row in reader]
    except csv.Error as error:
        raise PreceptorError(
            "A row of the table can't be read", where=f"{path}, line {reader.line_num}", found=error, expected=expected
        ) from None
    header = [name.strip() for name in records[0][0]] if records else []
    if not any(header):
        raise PreceptorError("Empty table of points", where=path, found="no header", expected=expected)
    if len(header) == 1 and any(c in header[0] for c in ";\t|"):
        raise PreceptorError("Wrong separator", where=f"{path}, line 1", found=header[0], expected="commas")
    for name in REQUIRED:
        if name not in header:
            near = difflib.get_close_matches(name, header, 1)
            raise PreceptorError(
                f"Column {name!r} is missing",
                where=f"{path}, line 1",
                found=",".join(header),
                expected=expected,
                remedy=f"rename {near[0]!r} to {name!r}" if near else None,
            )
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise PreceptorError(f"Column {twice[0]!r} stands twice", where=f"{path}, line 1", found=",".join(header))
    rows, lines = [], []
    for row, line in records[1:]:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise PreceptorError(
                "Wrong number of fields",
                where=f"{path}, line {line}",
                found=len(row),
                expected=f"{len(header)} ({','.join(header)})",
            )
        rows.append([cell.strip() for cell in row])
        lines.append(line)
    if not rows:
        raise PreceptorError("Empty table of points", where=path, found="a header and no rows", expected="one row per run")
    return header, rows, lines


def _build(columns: Mapping[str, list[str]], where: object, place: Any) -> Points:
    n = len(columns[REQUIRED[0]]) if REQUIRED[0] in columns else 0
    for name in REQUIRED:
        if name not in columns:
            raise PreceptorError(
                f"Column {name!r} is missing", where=where, found=",".join(columns), expected=",".join(REQUIRED)
            )
    for name, column in columns.items():
        if len(column) != n:
            raise PreceptorError("Columns of unequal length", where=f"{where}, {name}", found=len(column), expected=n)

    def numbers(name: str) -> np.ndarray:
        if name not in columns:
            return np.full(n, math.nan)
        cells = columns[name]
        empty = np.array([cell == "" for cell in cells], dtype=bool) & (name not in REQUIRED)
        values = _floats(cells)
        fine = (values >= 0) if name in _AT_LEAST_ZERO else (values > 0)
        bad = np.flatnonzero(~(np.isfinite(values) & fine) & ~empty)
        if len(bad):
            raise PreceptorError(
                f"Bad value of {name!r}",
                where=f"{where}, {place(bad[0])}",
                found=cells[bad[0]] or "nothing",
                expected="a number of 0 or more" if name in _AT_LEAST_ZERO else "a positive number",
            )
        return values

    def seed(i: int) -> int:
        cell = columns["seed"][i] if "seed" in columns else ""
        if cell in ("", "-1"):
            return -1
        if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
            raise PreceptorError(
                "Bad value of 'seed'",
                where=f"{where}, {place(i)}",
                found=cell,
                expected="an integer from 0, of 18 digits at most",
            )
        return int(cell)

    def text(name: str, default: str) -> np.ndarray:
        return np.array([cell or default for cell in columns.get(name, [""] * n)], dtype=object)

    positive = {name: numbers(name) for name in (*_POSITIVE, *_AT_LEAST_ZERO)}
    seeds = np.array([seed(i) for i in range(n)], dtype=np.int64)
    run = text("run", "")
    if not all(run):
        _no_copies(columns, run, where, place)
        run = np.array([r or f"point-{i + 1}" for i, r in enumerate(run)], dtype=object)
    known = (*REQUIRED, *OPTIONAL)
    extra = {k: np.array(v, dtype=object) for k, v in columns.items() if k not in known}
    texts = {"set": text("set", ALONE), "unit": text("unit", "")}
    points = Points(**positive, run=run, seed=seeds, **texts, extra=extra, source=str(where))
    _consistent(points, where, place)
    return points


def _floats(cells: Sequence[str]) -> np.ndarray:
    """Cells as float64, NaN where a cell is no number."""
    try:
        return np.array([cell or "nan" for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array([_float(cell) for cell in cells], dtype=np.float64)


def _float(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _no_copies(columns: Mapping[str, list[str]], run: np.ndarray, where: object, place: Any) -> None:
    """Rows without a run that are the same in all that is fitted: each would count as a seed, of no noise at all."""
    key = [name for name in ("params", "tokens", "loss", "set", "seed") if name in columns]
    seen: dict[tuple[str, ...], int] = {}
    for i, cells in enumerate(zip(*(columns[name] for name in key), strict=True)):
        if run[i]:
            continue
        if cells in seen:
            raise PreceptorError(
                "The same row stands twice",
                where=f"{where}, {place(i)}",
                found=f"{', '.join(cells)}, as on {place(seen[cells])}",
                expected="one row for each finished run",
                remedy="leave the copy out; if two seeds did end alike, name them in a column 'run'",
            )
        seen[cells] = i


def _consistent(points: Points, where: object, place: Any) -> None:
    """One loss per (run, tokens, set); one size and seed per run; one floor and one unit per set; no run a copy of another."""
    seen: dict[tuple[object, ...], int] = {}
    size: dict[str, int] = {}
    floor: dict[str, int] = {}
    unit: dict[str, int] = {}
    for i in range(len(points)):
        key = (points.run[i], points.tokens[i], points.set[i])
        if key in seen:
            raise PreceptorError(
                "The same point stands twice",
                where=f"{where}, {place(i)}",
                found=f"run {key[0]}, {key[1]:g} tokens, set {key[2]}, as on {place(seen[key])}",
                expected="one row per run, number of tokens and set",
            )
        seen[key] = i
        j = size.setdefault(points.run[i], i)
        if points.params[i] != points.params[j] or points.seed[i] != points.seed[j]:
            raise PreceptorError(
                f"Run {points.run[i]!r} has two sizes or seeds",
                where=f"{where}, {place(i)}",
                found=f"{points.params[i]:g} parameters, seed {points.seed[i]}",
                expected=f"{points.params[j]:g} parameters, seed {points.seed[j]} as on {place(j)}",
            )
        j = floor.setdefault(points.set[i], i)
        if not (points.floor[i] == points.floor[j] or (math.isnan(points.floor[i]) and math.isnan(points.floor[j]))):
            raise PreceptorError(
                f"Set {points.set[i]!r} has two floors",
                where=f"{where}, {place(i)}",
                found=points.floor[i],
                expected=f"{points.floor[j]} as on {place(j)}",
            )
        j = unit.setdefault(points.set[i], i)
        if points.unit[i] != points.unit[j]:
            raise PreceptorError(
                f"Set {points.set[i]!r} has two units",
                where=f"{where}, {place(i)}",
                found=points.unit[i] or "none",
                expected=f"{points.unit[j] or 'none'} as on {place(j)}",
                remedy="losses of one set are compared: bring them to one unit, or give each unit a set of its own",
            )
    curves: dict[tuple[Any, ...], str] = {}
    of_run: dict[tuple[str, str], list[int]] = {}
    for i in range(len(points)):
        of_run.setdefault((points.set[i], points.run[i]), []).append(i)
    for (name, run), rows in of_run.items():
        if len(rows) < _A_CURVE:
            continue
        curve = (name, points.params[rows[0]], *sorted(zip(points.tokens[rows], points.loss[rows], strict=True)))
        if curves.setdefault(curve, run) != run:
            raise PreceptorError(
                f"Run {run!r} is a copy of run {curves[curve]!r}",
                where=f"{where}, {place(rows[0])}",
                found=f"the same {len(rows)} losses of set {name}",
                expected="runs that were trained apart",
                remedy="leave one of them out: as two seeds they would show no noise",
            )
