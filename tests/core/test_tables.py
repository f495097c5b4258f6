"""Tables read back as they were written, and a table that doesn't fit its row class is refused with file, line and column."""

import math
import tempfile
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.core.tables import codes, document, row
from preceptor.core.tables.row import Row

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOAT = st.floats(allow_nan=False, allow_infinity=False)


@dataclass(frozen=True)
class Plain(Row):
    FILE: ClassVar[str] = "plain.csv"

    name: str
    count: int
    value: float
    known: bool
    maybe: float | None
    said: str | None


@dataclass(frozen=True)
class Nested(Row):
    FILE: ClassVar[str] = "nested.jsonl"

    name: str
    value: float | None
    settings: dict[str, float]
    path: list[str]


@dataclass(frozen=True)
class Lone(Row):
    FILE: ClassVar[str] = "lone.csv"

    name: str


PLAIN = st.builds(Plain, TEXT, st.integers(), FLOAT, st.booleans(), st.none() | FLOAT, st.none() | TEXT.filter(bool))
NESTED = st.builds(Nested, TEXT, st.none() | FLOAT, st.dictionaries(TEXT, FLOAT, max_size=3), st.lists(TEXT, max_size=3))


@given(st.lists(PLAIN, max_size=5))
def test_csv_reads_back_exactly(rows: list[Plain]) -> None:
    assert row.parse(Plain, row.text(Plain, rows), "x") == rows


@dataclass(frozen=True)
class Grown(Row):
    FILE: ClassVar[str] = "grown.csv"

    name: str
    value: float | None = None
    later: int | None = None


def test_a_column_with_a_default_may_be_absent_from_older_tables() -> None:
    assert row.parse(Grown, "name,value\na,1.5\n", "x") == [Grown("a", 1.5)]
    assert row.parse(Grown, "name,later\na,2\n", "x") == [Grown("a", None, 2)]
    with pytest.raises(PreceptorError, match=r"found: +no name\n"):
        row.parse(Grown, "value,later\n1.5,2\n", "x")
    with pytest.raises(PreceptorError, match=r"cut[\s\S]*found: +3 cells[\s\S]*expected: 2"):
        row.parse(Grown, "name,value\na,1.5,2\n", "x")


@given(st.lists(NESTED, max_size=5))
def test_json_lines_read_back_exactly(rows: list[Nested]) -> None:
    assert row.parse(Nested, row.text(Nested, rows), "x") == rows


@given(st.lists(st.builds(Lone, TEXT), max_size=5))
def test_a_single_column_may_be_empty(rows: list[Lone]) -> None:
    assert row.parse(Lone, row.text(Lone, rows), "x") == rows


@given(st.lists(PLAIN, max_size=3))
def test_files_hold_the_text(rows: list[Plain]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        row.write(Path(folder), Plain, rows)
        assert row.read(Path(folder), Plain) == rows
        assert (Path(folder) / Plain.FILE).read_bytes().decode() == row.text(Plain, rows)


def test_a_number_that_is_not_finite_is_an_empty_cell_where_one_may_be() -> None:
    assert row.text(Plain, [Plain("a", 1, 2.0, True, math.inf, None)]) == "name,count,value,known,maybe,said\na,1,2.0,True,,\n"
    with pytest.raises(ValueError, match=r"plain\.csv must have a value of value"):
        row.text(Plain, [Plain("a", 1, math.nan, True, None, None)])


def test_a_table_by_columns() -> None:
    assert row.table(Lone, [Lone("a"), Lone("b")]) == {"name": ["a", "b"]}


HEADER = "name,count,value,known,maybe,said\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"other columns[\s\S]*t\.csv, line 1[\s\S]*no name, count[\s\S]*expected: name, count"),
        (HEADER.replace("count", "number"), r"other columns[\s\S]*line 1[\s\S]*no count; unknown number\n[\s\S]*name, count"),
        (HEADER.replace("name,count", "count,name"), r"other columns[\s\S]*another order: count, name"),
        (HEADER + "a,1,2.0,True,,\na,1,2.0\n", r"cut[\s\S]*t\.csv, line 3[\s\S]*3 cells"),
        (HEADER + 'a,1,2.0,True,,"half\n', r"cut[\s\S]*t\.csv, line 2"),
        (HEADER + "a,one,2.0,True,,\n", r"bad value[\s\S]*line 2, count[\s\S]*'one'[\s\S]*int"),
        (HEADER + "a,1,,True,,\n", r"bad value[\s\S]*line 2, value[\s\S]*float"),
        (HEADER + "a,1,nan,True,,\n", r"bad value[\s\S]*line 2, value"),
        (HEADER + "a,1,2.0,yes,,\n", r"bad value[\s\S]*line 2, known[\s\S]*bool"),
        (HEADER + "a,1,2.0,True,x,\n", r"bad value[\s\S]*line 2, maybe[\s\S]*float or nothing"),
    ],
)
def test_a_bad_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(PreceptorError, match=message):
        row.parse(Plain, text, "t.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"name": "a", "value": 1', r"not JSON[\s\S]*t\.jsonl, line 2"),
        (
            '{"name": "a", "value": 1.0, "settings": {}}',
            r"other fields[\s\S]*line 2[\s\S]*expected: name, value, sett",
        ),
        ("[1]", r"other fields[\s\S]*list"),
        ('{"name": "a", "value": "1", "settings": {}, "path": []}', r"bad value[\s\S]*line 2, value[\s\S]*float or nothing"),
        ('{"name": null, "value": 1, "settings": {}, "path": []}', r"bad value[\s\S]*line 2, name"),
        ('{"name": "a", "value": 1, "settings": [], "path": []}', r"bad value[\s\S]*line 2, settings[\s\S]*dict"),
    ],
)
def test_a_bad_line_is_refused(line: str, message: str) -> None:
    with pytest.raises(PreceptorError, match=message):
        row.parse(Nested, '{"name": "a", "value": 1, "settings": {}, "path": []}\n' + line + "\n", "t.jsonl")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"No such table[\s\S]*plain\.csv"):
        row.read(tmp_path, Plain)


def test_a_document_s_keys_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"outer": [{"inner": 1}]}')
    found = document.read(tmp_path / "a.json")
    assert found["outer"][0]["inner"] == 1
    with pytest.raises(PreceptorError, match=r"A key is missing[\s\S]*a\.json[\s\S]*found: +inner[\s\S]*expected: innner"):
        found["outer"][0]["innner"]
    with pytest.raises(PreceptorError, match=r"No such document[\s\S]*b\.json"):
        document.read(tmp_path / "b.json")


def test_a_flat_document_has_the_keys_of_its_dataclass() -> None:
    names = typing.get_type_hints(codes.Quality)
    whole = dict.fromkeys(names)
    assert document.facts(codes.Quality, whole, "q.json").items is None
    with pytest.raises(PreceptorError, match=r"other keys[\s\S]*q\.json[\s\S]*used_share, used_shares"):
        document.facts(codes.Quality, {("used_shares" if k == "used_share" else k): v for k, v in whole.items()}, "q.json")
