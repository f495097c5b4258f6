"""Times as people write them: ISO, 31.12.2023 10:00, 12/31/2023 1:00 PM, 5 Jan 2023. Days and months are not guessed at."""

from __future__ import annotations

import polars as pl

from preceptor.core.errors import PreceptorError

ISO = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d")
_CLOCKS = ("", " %H:%M", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M", "T%H:%M:%S%.f")
_CLEAR = ("%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%Y-%m-%d")
_NUMBERS = r"^(\d{1,2})[/-](\d{1,2})[/-]\d{4}\b"


def microseconds(written: pl.Series, time_format: str | None, where: object) -> pl.Series:
    """Microseconds since 1970 of each time, Int64, null where it can't be read; one without a zone is in UTC.

    time_format: of all (strptime's codes); None: those above, each value by the first that fits. Raises PreceptorError where
    it can't be told whether 3/4/2023 is in March or in April, and for a format that can't be one.
    """
    if time_format is not None:
        return _as_told(written, time_format, where)
    found = _parsed(written, ISO)
    left = written.filter(found.is_null() & written.is_not_null())
    if not len(left):
        return found
    days = _numbers_first(left, where)
    forms = [date + clock for date in (*days, *_CLEAR) for clock in _CLOCKS]
    head = left.head(1000)
    useful = [form for form in forms if _parsed(head, [form]).is_not_null().any()]
    return found.fill_null(_parsed(written, useful or forms))


def _as_told(written: pl.Series, time_format: str, where: object) -> pl.Series:
    try:
        found, said = _parsed(written, [time_format]), ""
    except pl.exceptions.PolarsError as error:
        found, said = pl.Series([], dtype=pl.Int64), str(error).splitlines()[0]
    if written.drop_nulls().len() and not found.drop_nulls().len():
        raise PreceptorError(
            "No time has the format that data.time_format says",
            where=where,
            found=f"{written.drop_nulls()[0]!r}" + (f"; {said}" if said else ""),
            expected=time_format,
            remedy="write it in strptime's codes, such as %d/%m/%Y %H:%M, or leave it out",
        )
    return found


def _numbers_first(left: pl.Series, where: object) -> tuple[str, ...]:
    """The forms of dates that begin with two numbers: by the number that can't be a month."""
    parts = left.str.extract_groups(_NUMBERS).struct.unnest().drop_nulls()
    if not parts.height:
        return ()
    first, second = (int(parts[name].cast(pl.Int64).max() or 0) for name in parts.columns)  # type: ignore[arg-type]
    if (first > 12) == (second > 12):
        both = first > 12
        example = left.filter(left.str.contains(_NUMBERS))[0]
        raise PreceptorError(
            "Dates are written in two ways" if both else "Day and month of the dates can't be told apart",
            where=where,
            found=example,
            expected="one order of day and month in a file" if both else "a date whose day is above 12, to tell them apart by",
            remedy="say which it is, such as data.time_format='%d/%m/%Y %H:%M' or '%m/%d/%Y %I:%M %p'",
        )
    return ("%d/%m/%Y", "%d-%m-%Y") if first > 12 else ("%m/%d/%Y", "%m-%d-%Y")


def _parsed(written: pl.Series, forms: list[str] | tuple[str, ...]) -> pl.Series:
    """Microseconds by the first form that fits each value."""
    column = pl.col(written.name)
    tried = [_date(column, form) for form in forms]
    return written.to_frame().select(pl.coalesce(*tried).alias(written.name)).to_series()


def _date(column: pl.Expr, form: str) -> pl.Expr:
    zone = {} if form.endswith("z") else {"time_zone": "UTC"}  # no zone given: UTC
    return column.str.to_datetime(form, strict=False, time_unit="us", **zone).dt.epoch("us")  # type: ignore[arg-type]
