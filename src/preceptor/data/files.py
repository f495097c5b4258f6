"""Opens tables of any format lazily, and says in which file and line one can't be read.

Text tables (CSV, TSV, JSON lines, "::"-separated) come out as text columns, so that no value is guessed at and a bad one is
found by the check that knows what it should be. Parquet keeps its types.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl

from preceptor.core.errors import PreceptorError
from preceptor.data import aliases, parquet, sniff

FORMATS = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "inter": "csv",
    "item": "csv",
    "jsonl": "json",
    "ndjson": "json",
    "json": "json",
    "parquet": "parquet",
}
_OF_TYPES = (pl.exceptions.InvalidOperationError, pl.exceptions.SchemaError, pl.exceptions.SchemaFieldNotFoundError)
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ZEROS = (  # which of the first four bytes are zero where ASCII is written so without a mark
    ((False, True, True, True), "utf-32-le"),
    ((True, True, True, False), "utf-32-be"),
    ((False, True, False, True), "utf-16-le"),
    ((True, False, True, False), "utf-16-be"),
)
_BROKEN = (pl.exceptions.PolarsError, OSError, UnicodeError, EOFError, zlib.error)  # what a damaged file raises
_PIECE = 5_000_000
_LOOK_AHEAD = 1000  # records of a JSON-lines file in which every column must occur once


@dataclass(frozen=True)
class Table:
    """Files of one kind that make one table.

    files: in the order in which their rows count. format: csv, json (an object a line), parquet or columns ("::" between
    fields). separator, quoted, header: of csv; header gives the names where the file has none. columns: for each of our
    column names the names it may have in the files, the preferred one first.
    """

    files: tuple[Path, ...]
    format: str
    columns: Mapping[str, tuple[str, ...]]
    separator: str = ","
    quoted: bool = True
    header: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    setting: str = ""  # the config key that maps column names, for messages; empty: there is none
    renamed: Mapping[str, str] = field(default_factory=dict)  # header name -> name without its type (RecBole)


def format_of(file: Path) -> str | None:
    """The format a file's ending stands for (.gz and .zst aside), or None."""
    suffixes = [s.lstrip(".").lower() for s in file.suffixes]
    while suffixes and suffixes[-1] in {"gz", "zst"}:
        suffixes.pop()
    return FORMATS.get(suffixes[-1]) if suffixes else None


def resolve(table: Table, file: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, str]:
    """Return our name -> name in the file, for the required columns and those optional ones that are there.

    A column may have any of the usual names (`aliases`), unless the table says what it is called. Raises PreceptorError for
    required columns that are missing, with the likely reason, and for a column that occurs twice.
    """
    names = columns(table, file)
    found: dict[str, str] = {}
    for ours in (*required, *optional):
        theirs = aliases.match(ours, table.columns.get(ours, (ours,)), names)
        if theirs is not None and theirs not in found.values():
            found[ours] = theirs
    missing = [ours for ours in required if ours not in found]
    if missing:
        raise _missing(table, file, names, missing, found)
    for theirs in found.values():
        if f"{theirs}_duplicated_0" in names:
            raise PreceptorError(f"Column {theirs!r} occurs twice", where=file, expected="distinct column names")
    return found


def called(table: Table, ours: tuple[str, ...]) -> list[str]:
    """A note on the columns of the first file that go by an alias; none where every name is our own."""
    found = resolve(table, table.files[0], (), ours)
    said = [f"{name} is column {theirs!r}" for name, theirs in found.items() if theirs not in table.columns.get(name, (name,))]
    return [f"{table.files[0].name}: {', '.join(said)}"] if said else []


def columns(table: Table, file: Path) -> list[str]:
    """The column names of a file. Raises PreceptorError for an empty or unreadable one."""
    if not file.exists():
        raise PreceptorError("No such file", where=file)
    if file.stat().st_size == 0:
        raise PreceptorError("Empty file", where=file, found="0 bytes", expected="a table", remedy="export the log again")
    with explained(table, file):
        if table.format != "parquet":
            _refuse_other_encoding(table, file)
        return _lazy(table, file).collect_schema().names()


def types(table: Table, file: Path, frame: pl.LazyFrame) -> pl.Schema:
    """The columns of a scanned file with their types. Raises PreceptorError where the file doesn't tell them."""
    with explained(table, file):
        return frame.collect_schema()


def scan(table: Table, file: Path, select: Mapping[str, str]) -> pl.LazyFrame:
    """The columns `select` (our name -> name in the file) under our names, and `row`, the record's number from 0 (uint32)."""
    with explained(table, file):
        frame = _lazy(table, file, tuple(select.values()))
        return frame.select(**{ours: pl.col(theirs) for ours, theirs in select.items()}).with_row_index("row")


def pieces(table: Table, frame: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
    """A scanned file by at most _PIECE rows where it can be read so (Parquet), so that few are held at a time; else whole."""
    rows = frame.select(pl.len()).collect().item() if table.format == "parquet" else 0
    if rows <= _PIECE:
        yield frame
        return
    for first in range(0, rows, _PIECE):
        yield frame.slice(first, _PIECE)


def raw(table: Table, file: Path, rows: pl.Series) -> pl.DataFrame:
    """Where the records `rows` are in the file and how they look there: columns row (uint32), line (int64), text.

    line counts from 1, header included; in Parquet it is the record's number from 1. Reads the file once more.
    """
    wanted = pl.LazyFrame({"row": rows.cast(pl.UInt32)})
    if table.format == "parquet":
        frame = _lazy(table, file).with_row_index("row").join(wanted, on="row", how="semi", maintain_order="left")
        text = pl.struct(pl.exclude("row")).struct.json_encode()
        return frame.select("row", line=pl.col("row").cast(pl.Int64) + 1, text=text).collect()
    first = 1 if table.header is not None or table.format in {"json", "columns"} else 2
    place = wanted.with_columns(line=pl.col("row").cast(pl.Int64) + first, extra=pl.lit(0, pl.Int64))
    if table.format == "csv" and table.quoted:  # a quoted field may hold line ends, which push the lines below it down
        breaks = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0)).cast(pl.Int64)
        counts = _lazy(table, file).select(extra=breaks).with_row_index("row").collect()
        if counts["extra"].sum() > 0:
            before = pl.col("extra").cum_sum() - pl.col("extra")
            counts = counts.with_columns(line=pl.col("row").cast(pl.Int64) + first + before)
            place = counts.lazy().join(wanted, on="row", how="semi").select("row", "line", "extra")
    lines = _whole_lines(table, file).with_row_index("n", offset=1).with_columns(pl.col("n").cast(pl.Int64))
    spread = place.with_columns(n=pl.int_ranges("line", pl.col("line") + pl.col("extra") + 1)).explode("n")
    joined = spread.join(lines, on="n", how="left").sort("n")
    return joined.group_by("row", "line").agg(text=pl.col("text").fill_null("").str.join("\n")).sort("row").collect()


@contextmanager
def explained(table: Table, file: Path) -> Iterator[None]:
    """Turn what polars says of a broken file into a PreceptorError that names the line and the remedy."""
    try:
        yield
    except _BROKEN as error:
        raise _diagnosis(table, file, error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of polars' own code, which has no class to catch it by
            raise
        raise _diagnosis(table, file, error) from None


def _lazy(table: Table, file: Path, only: tuple[str, ...] | None = None) -> pl.LazyFrame:
    """The whole table of a file; text formats as text."""
    if table.format == "parquet":
        return parquet.scan(file)
    if table.format == "json":
        source = _source(table, file)
        # Every value as text: polars renders numbers, lists and objects as JSON. The columns asked for are read alone.
        names = only or pl.scan_ndjson(source, infer_schema_length=_LOOK_AHEAD).collect_schema().names()
        return pl.scan_ndjson(source, schema=dict.fromkeys(names, pl.String))
    if table.format == "columns":
        assert table.header is not None
        parts = pl.col("text").str.splitn("::", len(table.header)).struct.rename_fields(list(table.header))
        return _whole_lines(table, file).select(parts.alias("parts")).unnest("parts")
    schema = None if table.header is None else dict.fromkeys(table.header, pl.String)
    frame = pl.scan_csv(
        _source(table, file),
        separator=table.separator,
        quote_char='"' if table.quoted else None,
        has_header=table.header is None,
        schema=schema,
        infer_schema=False,
    )
    names = frame.collect_schema().names()
    plain = {n: table.renamed.get(n, n.strip()) for n in names}
    return frame if all(k == v for k, v in plain.items()) else frame.rename(plain)


def _whole_lines(table: Table, file: Path) -> pl.LazyFrame:
    source = _source(table, file)
    lines = pl.scan_lines(file, name="text", glob=False) if isinstance(source, str) else pl.scan_lines(source, name="text")
    return lines.with_columns(pl.col("text").str.strip_prefix("\ufeff"))


def _source(table: Table, file: Path) -> Any:
    """The file, or, where it isn't UTF-8, its text re-encoded in memory."""
    if table.encoding.lower().replace("-", "") in {"utf8", "ascii"}:
        return parquet.literal(file)
    with _bytes(file) as f:
        return io.BytesIO(f.read().decode(table.encoding).encode())


def _bytes(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb")  # type: ignore[return-value]


def _missing(table: Table, file: Path, names: list[str], missing: list[str], found: Mapping[str, str]) -> PreceptorError:
    """What to say of required columns that aren't there: all of them at once, with the likely reason."""
    expected = "; ".join(" or ".join(map(repr, table.columns.get(ours, (ours,)))) for ours in missing)
    shown = f"columns {', '.join(map(repr, names[:30]))}" + (" …" if len(names) > 30 else "")
    if table.format == "csv" and table.header is None and sniff.is_headless(names):
        return PreceptorError(
            "The file has no header",
            where=f"{file}, line 1",
            found=shown,
            expected=f"the names of the columns, {', '.join(map(repr, missing))} among them",
            remedy="add a first line with the names, such as " + table.separator.join((*missing, *found)),
        )
    what = f"Missing column {missing[0]!r}" if len(missing) == 1 else "Missing columns " + ", ".join(map(repr, missing))
    remedy = aliases.remedy(table.setting, missing, names, found)
    if table.format == "csv" and len(names) == 1:
        for other, called in ((";", "';'"), ("\t", "a tab"), (",", "','"), ("|", "'|'")):
            if other != table.separator and other in names[0]:
                remedy = f"the separator is probably {called}, not {table.separator!r}: set data.separator"
    return PreceptorError(what, where=file, found=shown, expected=expected, remedy=remedy)


def _refuse_other_encoding(table: Table, file: Path) -> None:
    """Refuse UTF-16 and UTF-32 that is read as something else: its ASCII has a zero in every other byte."""
    with _bytes(file) as f:
        head = f.read(4)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    bare = next((name for zeros, name in _ZEROS if tuple(b == 0 for b in head) == zeros), None)
    found = marked or bare
    if found and not table.encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32")):
        raise PreceptorError(
            f"Text is not {table.encoding.upper()}",
            where=f"{file}, line 1",
            found=f"it begins with {head!r}, as {found.upper()} does",
            expected=table.encoding.upper(),
            remedy=f"save the file as UTF-8, or set data.encoding to {found}",
        )


def _diagnosis(table: Table, file: Path, error: BaseException) -> PreceptorError:
    """Find what is wrong with a file that polars refused. Loops over lines: only ever run on the way to an error."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, pl.exceptions.NoDataError):
        return PreceptorError("Empty file", where=file, found=said, expected="a table", remedy="export the log again")
    if table.format == "parquet" and isinstance(error, _OF_TYPES):
        return PreceptorError(
            "A column of a Parquet file can't be read as what it should be",
            where=file,
            found=said,
            expected="ids and texts as text or numbers, times as numbers or dates",
            remedy="export the file again with plain columns",
        )
    if table.format == "parquet":
        return PreceptorError(
            "Not a readable Parquet file",
            where=file,
            found=f"{file.stat().st_size} bytes; {said}",
            expected="a complete Parquet file, which ends in PAR1",
            remedy="copy or export it again: it was probably cut short",
        )
    try:
        return (
            _bad_encoding(table, file) or _bad_record(table, file) or PreceptorError("Unreadable file", where=file, found=said)
        )
    except (OSError, EOFError, zlib.error, UnicodeError) as broken:
        return PreceptorError(
            "Unreadable file", where=file, found=str(broken), expected="a whole file", remedy="copy or download it again"
        )


def _bad_encoding(table: Table, file: Path) -> PreceptorError | None:
    by_line = "\n".encode(table.encoding) == b"\n"
    with _bytes(file) as f:
        for number, line in enumerate(f if by_line else [f.read()], 1):
            try:
                line.decode(table.encoding)
            except UnicodeDecodeError as bad:
                return PreceptorError(
                    f"Text is not {table.encoding.upper()}",
                    where=f"{file}, line {number}, byte {bad.start + 1} of the line"
                    if by_line
                    else f"{file}, byte {bad.start + 1}",
                    found=repr(line[max(0, bad.start - 20) : bad.start + 10]),
                    expected=table.encoding.upper(),
                    remedy="save the file as UTF-8, or set data.encoding (latin-1 and cp1252 are common)",
                )
    return None


def _bad_record(table: Table, file: Path) -> PreceptorError | None:
    with _bytes(file) as f, io.TextIOWrapper(f, table.encoding, newline="") as text:
        if table.format == "json":
            return _bad_json(file, text)
        if table.format == "columns":
            return None  # every line is one
        reader = csv.reader(text, delimiter=table.separator, strict=True, quoting=csv.QUOTE_MINIMAL)
        width = len(table.header) if table.header is not None else 0
        last = 1
        try:
            for record in reader:
                width = width or len(record)
                if len(record) > width:
                    return PreceptorError(
                        "A row has too many fields",
                        where=f"{file}, line {last}",
                        found=f"{len(record)} fields: {table.separator.join(record)[:200]}",
                        expected=f"{width} fields, as in the header",
                        remedy=f'put fields that hold {table.separator!r} in double quotes ("…")',
                    )
                last = reader.line_num + 1
        except csv.Error as bad:
            return PreceptorError(
                "A quoted field is broken",
                where=f"{file}, line {last}",
                found=str(bad),
                expected='fields in double quotes, with quotes inside them doubled ("")',
                remedy="export the file again with proper quoting",
            )
    return None


def _bad_json(file: Path, text: IO[str]) -> PreceptorError | None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line, parse_constant=refuse)
            problem = None if isinstance(found, dict) else f"a {type(found).__name__}"
        except ValueError as bad:
            problem = str(bad)
        except RecursionError:
            problem = "lists or objects nested too deeply"
        if problem:
            return PreceptorError(
                "A line is not a JSON object",
                where=f"{file}, line {number}",
                found=f"{problem}: {line.strip()[:200]}",
                expected="one JSON object a line; null where a value is unknown",
                remedy="mend or delete the line",
            )
    return None
