"""One table of bad input: each is an error that names file, line or field, found, expected and remedy, or a quarantined row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from data import logs
from fixtures import HOSTILE
from preceptor.core.errors import PreceptorError
from preceptor.data import parquet
from preceptor.data.config import DataConfig, SplitConfig
from preceptor.data.log import TrainSplit
from preceptor.data.quarantine import cells
from preceptor.data.read import read

ROWS = "user_id,item_id,timestamp\nu0,i0,1600000000\nu0,i1,1600001000\nu1,i1,1600002000\nu1,i2,1600003000\nu0,i2,1600004000\n"
MISFIT = "time is in another unit than the rest, or outside of the years 1 to 2200"
RATED = ROWS.replace("timestamp", "timestamp,rating").replace("000\n", "000,2\n")
ITEMS = "item_id,title\ni0,Thing 0\ni1,Thing 1\ni2,Thing 2\n"


def text(name: str, content: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content.encode(encoding))

    return write


def added(line: str, name: str = "interactions.csv") -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with open(folder / name, "a", encoding="utf-8") as f:
            f.write(line + "\n")

    return write


def removed(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def as_jsonl(name: str, *extra: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        interactions, items = logs.small()
        file = logs.write_table(folder / f"{name}.jsonl", interactions if name == "interactions" else items)
        with open(file, "a", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in extra)
        (folder / f"{name}.csv").unlink()

    return write


def cut_parquet(folder: Path) -> None:
    file = logs.write_table(folder / "items.parquet", logs.small()[1])
    file.write_bytes(file.read_bytes()[:-40])
    (folder / "items.csv").unlink()


def cut_gzip(folder: Path) -> None:
    interactions, _ = logs.small()
    file = logs.write_table(folder / "interactions.csv.gz", interactions * 50)
    file.write_bytes(file.read_bytes()[:-60])
    (folder / "interactions.csv").unlink()


def spoilt_gzip(name: str, place: float) -> Callable[[Path], None]:
    """Bytes are overwritten at a share of the compressed file."""

    def write(folder: Path) -> None:
        interactions, items = logs.small()
        rows = (interactions if name == "interactions" else items) * 50
        file = logs.write_table(folder / f"{name}.csv.gz", rows)
        content = bytearray(file.read_bytes())
        at = int(place * len(content))
        content[at : at + 4] = b"\xff" * 4
        file.write_bytes(content)
        (folder / f"{name}.csv").unlink()

    return write


def as_parquet(folder: Path) -> None:
    logs.write_table(folder / "interactions.parquet", logs.small()[0])
    (folder / "interactions.csv").unlink()


def half_a_character(folder: Path) -> None:
    for name, content in (("interactions.csv", ROWS), ("items.csv", ITEMS)):
        (folder / name).write_bytes(content.encode("utf-16-le") + (b"\x3d\xd8" if name == "items.csv" else b""))


def lists_for_ids(folder: Path) -> None:
    logs.write_table(folder / "interactions.parquet", [{**row, "item_id": [[1]]} for row in logs.small()[0]])
    (folder / "interactions.csv").unlink()


@dataclass(frozen=True)
class Refused:
    """Reading must fail with all these words in the message."""

    name: str
    spoil: Callable[[Path], None]
    words: tuple[str, ...]
    config: DataConfig = field(default_factory=DataConfig)


REFUSED = [
    Refused("missing column", text("interactions.csv", ROWS.replace("timestamp", "bought")),
            ("Missing column 'timestamp'", "interactions.csv", "'bought'", "data.interaction_columns: {timestamp:")),
    Refused("missing title", text("items.csv", ITEMS.replace("title", "words")),
            ("Missing column 'title'", "items.csv", "'item_id', 'words'", "data.item_columns")),
    Refused("wrong separator", text("interactions.csv", ROWS.replace(",", ";")),
            ("Missing columns 'user_id'", "interactions.csv", "separator is probably ';'", "data.separator"),
            DataConfig(separator=",")),
    Refused("column twice", text("items.csv", ITEMS.replace("title", "item_id,title").replace(",Thing", ",x,Thing")),
            ("Column 'item_id' occurs twice", "items.csv")),
    Refused("empty file", text("interactions.csv", ""), ("Empty file", "interactions.csv", "0 bytes")),
    Refused("header only", text("interactions.csv", "user_id,item_id,timestamp\n"),
            ("No interactions", "a header and no rows")),
    Refused("empty catalogue", text("items.csv", "item_id,title\n"), ("Empty catalogue", "items.csv", "item_id and title")),
    Refused("no catalogue", removed("items.csv"), ("No catalogue", "items.{csv,", "item_id and title")),
    Refused("no log", removed("interactions.csv"), ("No log of a known layout", "items.csv", "docs/own-data.md")),
    Refused("two catalogues", text("items.jsonl", "{}\n"), ("More than one table", "items.csv, items.jsonl", "leave one")),
    Refused("not UTF-8", text("items.csv", ITEMS.replace("Thing 1", "Café"), "latin-1"),
            ("Text is not UTF-8", "items.csv, line 3, byte 7", r"Caf\xe9", "data.encoding"), DataConfig(encoding="utf-8")),
    Refused("too many fields", text("items.csv", ITEMS.replace("Thing 1", "Thing, the 1st")),
            ("too many fields", "items.csv, line 3", "3 fields: i1,Thing, the 1st", "2 fields", "double quotes")),
    Refused("open quote", text("items.csv", ITEMS.replace("Thing 1", '"Thing 1')),
            ("quoted field is broken", "items.csv, line 3", "quotes")),
    Refused("bad JSON line", as_jsonl("interactions", '{"user_id": "u1", "item_id":'),
            ("not a JSON object", "interactions.jsonl, line 7", "one JSON object a line")),
    Refused("NaN in JSON", as_jsonl("interactions", '{"user_id": "u1", "item_id": "i0", "timestamp": NaN}'),
            ("not a JSON object", "line 7", "NaN is not JSON", "null where a value is unknown")),
    Refused("truncated Parquet", cut_parquet, ("Not a readable Parquet file", "items.parquet", "bytes", "PAR1", "cut short")),
    Refused("truncated gzip", cut_gzip, ("Unreadable file", "interactions.csv.gz", "again")),
    Refused("truncated gzip in latin-1", cut_gzip, ("Unreadable file", "interactions.csv.gz", "again"),
            DataConfig(encoding="latin-1")),
    Refused("damaged gzip", spoilt_gzip("interactions", 0.5), ("Unreadable file", "interactions.csv.gz", "again")),
    Refused("damaged gzip in latin-1", spoilt_gzip("items", 0.5), ("Unreadable file", "items.csv.gz", "again"),
            DataConfig(encoding="latin-1")),
    Refused("nested JSON", as_jsonl("interactions", '{"user_id": ' + "[" * 3000 + "]" * 3000 + "}"),
            ("not a JSON object", "interactions.jsonl, line 7", "nested too deeply")),
    Refused("UTF-16 without a mark", text("interactions.csv", ROWS, "utf-16-le"),
            ("Text is not UTF-8", "interactions.csv, line 1", "as UTF-16-LE does", "data.encoding to utf-16-le"),
            DataConfig(encoding="utf-8")),
    Refused("UTF-16, the other way", text("items.csv", ITEMS, "utf-16-be"), ("items.csv", "data.encoding to utf-16-be"),
            DataConfig(encoding="utf-8")),
    Refused("UTF-16 with a mark", text("interactions.csv", ROWS, "utf-16"), ("Text is not UTF-8", "data.encoding to utf-16"),
            DataConfig(encoding="utf-8")),
    Refused("UTF-32", text("interactions.csv", ROWS, "utf-32-le"), ("data.encoding to utf-32-le",)),
    Refused("UTF-16 cut in a character", half_a_character,
            ("Text is not UTF-16-LE", "items.csv, byte"), DataConfig(encoding="utf-16-le")),
    Refused("no text in the encoding", text("interactions.csv", "\\ud800"), ("Unreadable file", "interactions.csv"),
            DataConfig(encoding="unicode_escape")),
    Refused("Parquet with lists for ids", lists_for_ids,
            ("A column of a Parquet file", "interactions.parquet", "plain columns")),
    Refused("nothing to learn from", text("interactions.csv", ROWS.replace("i0,16", "i9,16", 1).replace("i1,16", "i9,16", 1)),
            ("can't be cut in time", "no usable row among the first 40%", "data check"),
            DataConfig(split=SplitConfig(validation_from=0.4, test_from=0.8))),
    Refused("all items unknown", text("items.csv", ITEMS.replace("\ni", "\nx")),
            ("Too many unusable rows", "5 of 5 rows", "not in the catalogue", "'i0'", "'x0'", "same ids")),
    Refused("nothing counts", text("interactions.csv", RATED),
            ("No interactions left", "rating ≥ 4: 0 rows", "loosen"), DataConfig(min_rating=4)),
    Refused("rating without column", lambda _: None, ("No column 'rating'", "data.min_rating"), DataConfig(min_rating=4)),
    Refused("event without column", lambda _: None, ("No column 'event'", "data.events"), DataConfig(events=("buy",))),
    Refused("unknown event", text("interactions.csv", RATED.replace("rating", "event").replace(",2\n", ",buy\n")),
            ("Unknown event", "data.events", "sell", "buy 5"), DataConfig(events=("sell",))),
    Refused("unknown column in the config", lambda _: None, ("Unknown column", "data.item_columns", "titel", "title"),
            DataConfig(item_columns={"titel": "name"})),
    Refused("mapped column is not there", lambda _: None, ("Missing column 'timestamp'", "'when'"),
            DataConfig(interaction_columns={"timestamp": "when"})),
    Refused("unknown layout", lambda _: None, ("Unknown layout", "data.layout", "plain"), DataConfig(layout="csv")),
]  # fmt: skip


@dataclass(frozen=True)
class SetAside:
    """Reading must go on, with this row in quarantine and all others kept."""

    name: str
    spoil: Callable[[Path], None]
    row: tuple[str, int, str, str]
    kept: int = 5


SET_ASIDE = [
    SetAside("unknown item", added("u1,i9,1600005000"),
             ("interactions.csv", 7, "item_id is not in the catalogue", "u1,i9,1600005000")),
    SetAside("NaN time", added("u1,i0,NaN"), ("interactions.csv", 7, "time is not finite", "u1,i0,NaN")),
    SetAside("no time", added("u1,i0,"), ("interactions.csv", 7, "time is empty", "u1,i0,")),
    SetAside("a time before the year 1", added("u1,i0,-70000000000"),
             ("interactions.csv", 7, MISFIT, "u1,i0,-70000000000")),
    SetAside("a time in another unit", added("u1,i0,-1e300"), ("interactions.csv", 7, MISFIT, "u1,i0,-1e300")),
    SetAside("a date beyond 2200", added("u1,i0,2201-01-01"), ("interactions.csv", 7, MISFIT, "u1,i0,2201-01-01")),
    SetAside("escape codes", added("u1,i9,1600005000,\x1b[2J\u202e".replace(",\x1b", "\x1b")),
             ("interactions.csv", 7, "time is neither a number nor a date", "u1,i9,1600005000\\x1b[2J\\u202e")),
    SetAside("a control in a row", added("u1,i0,x\x01y"),
             ("interactions.csv", 7, "time is neither a number nor a date", "u1,i0,x\\x01y")),
    SetAside("no such time", added("u1,i0,yesterday"),
             ("interactions.csv", 7, "time is neither a number nor a date", "u1,i0,yesterday")),
    SetAside("milliseconds among seconds", added("u1,i0,1600005000000"),
             ("interactions.csv", 7, MISFIT, "u1,i0,1600005000000")),
    SetAside("too few fields", added("u1,i0"), ("interactions.csv", 7, "time is empty", "u1,i0")),
    SetAside("no user", added('"",i0,1600005000'), ("interactions.csv", 7, "user_id is empty", '"",i0,1600005000')),
    SetAside("no item", added("u1, ,1600005000"), ("interactions.csv", 7, "item_id is empty", "u1, ,1600005000")),
    SetAside("after a blank line", added("\nu1,i0,x"),
             ("interactions.csv", 8, "time is neither a number nor a date", "u1,i0,x")),
    SetAside("after a quoted line end", added('"two\nlines",i0,1600005000\nu1,i0,x'),
             ("interactions.csv", 9, "time is neither a number nor a date", "u1,i0,x"), kept=6),
    SetAside("a row of two lines", added('"two\nlines",i0,x'),
             ("interactions.csv", 7, "time is neither a number nor a date", '"two\nlines",i0,x')),
    SetAside("repeated row", added("u0,i0,1600000000"),
             ("interactions.csv", 7, "same user, item and time as an earlier row", "u0,i0,1600000000")),
    SetAside("duplicate item", added("i1,Thing one", "items.csv"),
             ("items.csv", 5, "item_id occurs in an earlier row", "i1,Thing one")),
    SetAside("item without title", added("i3,  ", "items.csv"), ("items.csv", 5, "title is empty", "i3,  ")),
    SetAside("item without id", added(",Thing", "items.csv"), ("items.csv", 5, "item_id is empty", ",Thing")),
    SetAside("null in JSON", as_jsonl("interactions", '{"user_id": "u1", "item_id": "i0", "timestamp": null}'),
             ("interactions.jsonl", 7, "time is empty", '{"user_id": "u1", "item_id": "i0", "timestamp": null}'), kept=6),
]  # fmt: skip


def folder_with(tmp_path: Path, spoil: Callable[[Path], Any]) -> Path:
    (tmp_path / "interactions.csv").write_text(ROWS, encoding="utf-8")
    (tmp_path / "items.csv").write_text(ITEMS, encoding="utf-8")
    spoil(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_is_refused_with_where_what_and_remedy(case: Refused, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError) as caught:
        read(folder_with(tmp_path, case.spoil), case.config).split(case.config.split)
    assert [word for word in case.words if word not in str(caught.value)] == []


@pytest.mark.parametrize("case", SET_ASIDE, ids=lambda case: case.name)
def test_is_set_aside_with_its_reason(case: SetAside, tmp_path: Path) -> None:
    log = read(folder_with(tmp_path, case.spoil))
    assert log.quarantine.rows() == [case.row]
    assert len(log) == case.kept
    assert log.items["title"].to_list() == ["Thing 0", "Thing 1", "Thing 2"]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (DataConfig(split=SplitConfig(kind="tempral")), "data.split.kind"),  # type: ignore[arg-type]
        (DataConfig(split=SplitConfig(validation_from=0.9, test_from=0.8)), "validation_from < test_from"),
        (DataConfig(time_unit="days"), "data.time_unit"),  # type: ignore[arg-type]
        (DataConfig(duplicates="no"), "data.duplicates"),  # type: ignore[arg-type]
        (DataConfig(separator="::"), "one character"),
        (DataConfig(encoding="utf-9"), "utf-8, latin-1"),
        *((DataConfig(encoding=name), "an encoding of text") for name in ("zip", "hex", "rot13", "base64", "a\0b", "\ud800")),
        *((DataConfig(separator=one), "ASCII, no quote or line end") for one in ("é", '"', "\n", "\r", "\0", "")),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: DataConfig, word: str, tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=word):
        read(tmp_path, settings)


def test_an_encoding_of_several_bytes_is_read(tmp_path: Path) -> None:
    for name, content in (("interactions.csv", ROWS), ("items.csv", ITEMS.replace("Thing 1", "Blå ☃"))):
        (tmp_path / name).write_bytes(content.encode("utf-16-le"))
    assert read(tmp_path, DataConfig(encoding="utf-16-le")).items["title"][1] == "Blå ☃"


def test_surrogates_that_a_printed_list_spells_out_are_joined_or_marked(tmp_path: Path) -> None:
    cells = """i0,Thing 0,"['\\ud83d\\ude00', '\\ud800']"\ni1,Thing 1,"['a', {[]: 1}, 'b']"\ni2,Thing 2,"['x', '\\d']"\n"""
    log = read(folder_with(tmp_path, text("items.csv", "item_id,title,categories\n" + cells)))
    assert log.items["categories"].to_list() == [
        ["\N{GRINNING FACE}", "\N{REPLACEMENT CHARACTER}"], ["a', {[]: 1}, 'b"], ["x", "\\d"]
    ]  # fmt: skip


def test_positions_that_would_lose_their_order_are_set_aside(tmp_path: Path) -> None:
    rows = "user_id,item_id,position\nu0,i0,3\nu0,i1,2\nu0,i2,-5\nu0,i0,1600000000000000000\n"
    log = read(folder_with(tmp_path, text("interactions.csv", rows)))
    assert log.item.tolist() == [2, 1, 0]
    assert log.quarantine["reason"].to_list() == ["position is beyond 9·10¹² in size"]


def test_a_damaged_parquet_file_is_refused_or_read(tmp_path: Path) -> None:
    """Bytes overwritten here and there: polars may say so, panic, or not notice."""
    refused = []
    folder_with(tmp_path, as_parquet)
    whole = (tmp_path / "interactions.parquet").read_bytes()
    for at in range(4, len(whole), 7):
        spoilt = bytearray(whole)
        spoilt[at : at + 2] = b"\xff\x7f"
        (tmp_path / "interactions.parquet").write_bytes(spoilt)
        try:
            read(tmp_path)
        except PreceptorError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert [text for text in refused if "interactions.parquet" not in text] == []


class PanicException(BaseException):
    """As polars' own: of that name, and not an Exception."""


def test_a_panic_of_polars_is_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*_: object, **__: object) -> None:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    folder_with(tmp_path, as_parquet)
    monkeypatch.setattr(parquet, "scan", panic)
    with pytest.raises(PreceptorError, match=r"(?s)Not a readable Parquet file.*unwrap"):
        read(tmp_path)


def test_quarantine_is_safe_in_a_spreadsheet_and_on_a_terminal(tmp_path: Path) -> None:
    rows = ["=1+1,i9,1600005000", "+u,i9,1600005000", "-u,i9,1600005000", "@u,i9,1600005000", "\x1b]0;u,i9,1600005000"]
    log = read(folder_with(tmp_path, added("\n".join(rows))), DataConfig(max_unusable=1))
    written = [cell.row for cell in cells(log.quarantine)]
    assert written == [f"'{row}" for row in rows[:4]] + ["\\x1b]0;u,i9,1600005000"]


@pytest.mark.parametrize("spoil", [lambda _: None, as_jsonl("interactions"), as_parquet])
def test_a_name_is_no_pattern(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    """Neither refused as a broken pattern, nor read from the files beside it that match."""
    for name in ("log1", "log[12]", "log*", "log[", "~root", "log?\\"):
        (tmp_path / name).mkdir()
    for name in ("log[12]", "log*", "log[", "~root", "log?\\"):
        folder = folder_with(tmp_path / name, text("interactions.csv", ROWS.replace("u1", name)))
        spoil(folder)
        users = {"u0", "u1"} if (folder / "interactions.csv").exists() is False else {"u0", name}
        assert set(read(folder).user_ids) == users
        read(folder).split(SplitConfig(kind="leave-last-out")).train.save(folder / "out")
        assert TrainSplit.load(folder / "out").n_users == 2


def test_no_such_folder_names_the_built_in_sources(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"(?s)No such log.*ml-100k"):
        read(tmp_path / "nothing")


def test_a_hostile_title_is_data(tmp_path: Path) -> None:
    """Special tokens and markup are kept as they stand; escaping is the business of whoever prints or encodes them."""
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    log = read(folder_with(tmp_path, added(f"i3,{quoted}", "items.csv")))
    assert log.items["title"][3] == HOSTILE
    assert log.quarantine.is_empty()


def test_a_row_without_title_does_not_hide_a_later_one_with_it(tmp_path: Path) -> None:
    log = read(folder_with(tmp_path, text("items.csv", ITEMS.replace("i1,Thing 1", "i1,\ni1,Thing 1"))))
    assert log.items["title"].to_list() == ["Thing 0", "Thing 1", "Thing 2"]
    assert log.quarantine.rows() == [("items.csv", 3, "title is empty", "i1,")]
