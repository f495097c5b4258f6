"""Logs as people export them: each is read, or one sentence says what to do."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.data import sniff
from preceptor.data.config import DataConfig, SplitConfig
from preceptor.data.log import Log
from preceptor.data.read import read

ITEMS = "item_id,title\ni0,Pan\ni1,Café\ni2,Wok\n"
ROWS = [("u1", "i0", "100", "4"), ("u1", "i1", "200", "5"), ("u2", "i2", "300", "3"), ("u2", "i0", "400", "1")]


def log(
    folder: Path,
    rows: Sequence[Sequence[str]] = ROWS,
    header: str = "user_id,item_id,timestamp,rating",
    items: str = ITEMS,
    separator: str = ",",
    encoding: str = "utf-8",
) -> Path:
    text = "\n".join([header.replace(",", separator), *(separator.join(row) for row in rows)]) + "\n"
    (folder / "interactions.csv").write_text(text, encoding=encoding)
    (folder / "items.csv").write_text(items.replace(",", separator), encoding=encoding)
    return folder


def times(found: Log) -> list[int]:
    return sorted(found.time.tolist())


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_separator_and_encoding_are_found_and_said(separator: str, encoding: str, tmp_path: Path) -> None:
    found = read(log(tmp_path, separator=separator, encoding=encoding))
    assert found.items["title"].to_list() == ["Pan", "Café", "Wok"]
    assert len(found) == 4
    notes = "\n".join(found.notes)
    assert sniff.NAMES[separator] in notes
    assert ("encoding" in notes) == (encoding not in {"utf-8", "utf-8-sig"})


def test_an_encoding_is_found_however_late_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"a" * (3 << 20))
    assert sniff.encoding(file) == "ascii"
    file.write_bytes(b"a" * ((1 << 20) - 1) + "é".encode() + b"a" * (1 << 20))  # across the end of a block
    assert sniff.encoding(file) == "utf-8"
    file.write_bytes(b"a" * (3 << 20) + b"\xe9")
    assert sniff.encoding(file) == "cp1252"
    file.write_bytes(b"\x81\xe9")
    assert sniff.encoding(file) == "latin-1"
    packed = tmp_path / "x.csv.gz"
    packed.write_bytes(gzip.compress("é".encode("cp1252")))
    assert sniff.encoding(packed) == "cp1252"


def test_what_the_study_says_goes_before_what_is_seen(tmp_path: Path) -> None:
    log(tmp_path, encoding="cp1252")
    assert read(tmp_path, DataConfig(encoding="latin-1")).items["title"][1] == "Café"
    with pytest.raises(PreceptorError, match="Text is not UTF-8"):
        read(tmp_path, DataConfig(encoding="utf-8"))
    with pytest.raises(PreceptorError, match="separator is probably ','"):
        read(tmp_path, DataConfig(separator=";"))


def test_files_of_two_encodings_are_refused(tmp_path: Path) -> None:
    log(tmp_path)
    (tmp_path / "items.csv").unlink()
    (tmp_path / "items").mkdir()
    for name, encoding in (("a", "utf-8"), ("b", "cp1252")):
        (tmp_path / "items" / f"{name}.csv").write_text(ITEMS, encoding=encoding)
    with pytest.raises(PreceptorError, match=r"different encodings[\s\S]*cp1252, utf-8[\s\S]*save all of them as UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("header", "items"),
    [
        ("userId,movieId,Timestamp,Rating", "MovieID,Name\n"),
        ("reviewerID,asin,unixReviewTime,overall", "asin,title\n"),
        ("customer-id,Product ID,event_time,stars", "product_id,product_title\n"),
    ],
)
def test_columns_go_by_their_usual_names(header: str, items: str, tmp_path: Path) -> None:
    found = read(log(tmp_path, header=header, items=ITEMS.replace("item_id,title\n", items)), DataConfig(min_rating=3))
    assert len(found) == 3
    assert any("user_id is column" in note for note in found.notes)


def test_a_name_that_the_study_gives_is_the_only_one(tmp_path: Path) -> None:
    log(tmp_path, header="user,item_id,timestamp,rating")
    with pytest.raises(PreceptorError, match=r"Missing column 'user_id'[\s\S]*expected[\s\S]*'who'"):
        read(tmp_path, DataConfig(interaction_columns={"user_id": "who"}))


def test_all_missing_columns_are_in_one_message(tmp_path: Path) -> None:
    log(tmp_path, header="buyer,thing,timestamp,rating", items=ITEMS.replace("title", "titel"))
    with pytest.raises(PreceptorError) as caught:
        read(tmp_path)
    assert "data.item_columns: {title: titel}" in str(caught.value)
    (tmp_path / "items.csv").write_text(ITEMS)
    with pytest.raises(PreceptorError) as caught:
        read(tmp_path)
    assert "Missing columns 'user_id', 'item_id'" in str(caught.value)
    assert "{user_id: ITS NAME IN THE FILE, item_id: ITS NAME IN THE FILE}" in str(caught.value)


def test_a_remedy_proposes_no_column_that_is_another(tmp_path: Path) -> None:
    """It was once `{timestamp: user_id}`."""
    log(tmp_path, [row[:2] for row in ROWS], header="user_id,item_id")
    with pytest.raises(PreceptorError) as caught:
        read(tmp_path)
    assert "timestamp: user_id" not in str(caught.value)
    assert "data.order=file" in str(caught.value)


def test_a_file_without_header_is_recognised(tmp_path: Path) -> None:
    log(tmp_path, header="196,242,881250949,3")
    with pytest.raises(PreceptorError, match=r"no header[\s\S]*line 1[\s\S]*add a first line"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("written", "first"),
    [
        (["31.12.2023 10:00", "1.2.2024 09:30", "02.02.2024 23:59:59", "3.3.2024 0:00"], 1704016800),
        (["12/31/2023 1:00 PM", "1/2/2024 12:30 AM", "2/2/2024 11:59 PM", "3/3/2024 1:00 AM"], 1704027600),
        (["31/12/2023", "1/2/2024", "2/2/2024", "3/3/2024"], 1703980800),
        (["31-12-2023 10:00", "01-02-2024 10:00", "02-02-2024 10:00", "03-03-2024 10:00"], 1704016800),
        (["2023/12/31 10:00", "2024/02/01 10:00", "2024/02/02 10:00", "2024/03/03 10:00:01"], 1704016800),
        (["31 Dec 2023", "1 Feb 2024", "2 Feb 2024", "3 March 2024"], 1703980800),
        (["2023-12-31T10:00", "2024-02-01 09:30", "2024-02-02", "2024-03-03T01:00:00Z"], 1704016800),
    ],
)
def test_dates_are_read_as_people_write_them(written: list[str], first: int, tmp_path: Path) -> None:
    rows = [(user, item, date, rating) for (user, item, _, rating), date in zip(ROWS, written, strict=True)]
    found = read(log(tmp_path, rows))
    assert len(found) == 4
    assert not found.quarantine.height
    assert times(found)[0] == first
    assert found.timed


def test_dates_that_can_be_read_in_two_ways_ask(tmp_path: Path) -> None:
    rows = [(user, item, f"0{n}/02/2024 10:00", rating) for n, (user, item, _, rating) in enumerate(ROWS, 1)]
    log(tmp_path, rows)
    with pytest.raises(PreceptorError, match=r"can't be told apart[\s\S]*data\.time_format"):
        read(tmp_path)
    day_first = read(tmp_path, DataConfig(time_format="%d/%m/%Y %H:%M"))
    assert np.ptp(day_first.time) == 3 * 86_400
    assert np.ptp(read(tmp_path, DataConfig(time_format="%m/%d/%Y %H:%M")).time) > 80 * 86_400
    log(tmp_path, [*rows, ("u3", "i1", "13/02/2024 10:00", "1"), ("u3", "i1", "02/13/2024 10:00", "1")])
    with pytest.raises(PreceptorError, match="two ways"):
        read(tmp_path)


def test_a_format_that_is_none_is_refused(tmp_path: Path) -> None:
    log(tmp_path, [(user, item, "1/2/2024", rating) for user, item, _, rating in ROWS])
    for none in ("%Q and %", "%Y-%m-%d"):
        with pytest.raises(PreceptorError, match=r"data\.time_format says[\s\S]*'1/2/2024'"):
            read(tmp_path, DataConfig(time_format=none))


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    rows = [("u1", "i0", "100,5", "4,5"), ("u1", "i1", "200", "2,5"), ("u2", "i2", "300", "3"), ("u2", "i0", "400", "x,5")]
    found = read(log(tmp_path, rows, separator=";"), DataConfig(min_rating=3))
    assert len(found) == 2
    assert found.quarantine["reason"].to_list() == ["rating is not a number"]


@pytest.mark.parametrize(
    ("interactions", "catalogue", "said"),
    [
        ("7", "0007", "the interactions lost leading zeros"),
        ("0007", "7", "the catalogue lost leading zeros"),
        ("7.0", "7", "the interactions gained '.0'"),
        ("7", "7.0", "the catalogue gained '.0'"),
    ],
)
def test_ids_that_were_read_as_numbers_are_recognised(interactions: str, catalogue: str, said: str, tmp_path: Path) -> None:
    items = f"item_id,title\n{catalogue},Pan\nx,Wok\n"
    rows = [("u1", interactions, "100", "4"), ("u2", interactions, "200", "5"), ("u2", "x", "300", "3")]
    with pytest.raises(PreceptorError) as caught:
        read(log(tmp_path, rows, items=items))
    assert f"export both files with their ids as text: those of {said}" in str(caught.value)
    found = read(log(tmp_path, [*rows, *[("u3", "x", str(n), "1") for n in range(5)]], items=items))
    assert any(said in note for note in found.notes)


def test_a_log_without_time_uses_the_order_of_the_file_when_asked(tmp_path: Path) -> None:
    log(tmp_path, [row[:2] for row in ROWS], header="user_id,item_id")
    (tmp_path / "interactions.csv").rename(tmp_path / "first.csv")
    (tmp_path / "interactions").mkdir()
    (tmp_path / "first.csv").rename(tmp_path / "interactions" / "a.csv")
    (tmp_path / "interactions" / "b.csv").write_text("user_id,item_id\nu1,i2\nu2,i1\n")
    found = read(tmp_path, DataConfig(order="file"))
    assert not found.timed
    assert found.item[found.user == 0].tolist() == [0, 1, 2]
    assert found.split(SplitConfig()).kind == "leave-last-out"
    assert any("rows in the files" in note for note in found.notes)


def test_rows_set_aside_are_counted_by_table(tmp_path: Path) -> None:
    items = ITEMS + "i9,\ni8,\n"
    found = read(log(tmp_path, [*ROWS, ("", "i0", "500", "1")], items=items))
    assert "set aside: 1 of 5 interactions, 2 of 5 items" in found.notes
