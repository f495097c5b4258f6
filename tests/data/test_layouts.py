"""The layouts people have, on small files of the same shape; what they share with plain tables is tested in test_read."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.data.config import DataConfig
from preceptor.data.log import Log
from preceptor.data.read import read

T = 1_600_000_000


def as_rows(log: Log) -> list[tuple[str, str, int]]:
    users, items = log.user_ids.to_list(), log.items["item_id"].to_list()
    return [(users[u], items[i], t) for u, i, t in zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)]


def lines(file: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


META_2018 = [
    {"category": ["Video Games", "PC", "Games"], "description": ["Brand new.", "Sealed."], "title": "Anno 1404", "brand": "Ubi",
     "rank": ["#1 in PC"], "also_buy": [], "asin": "B01", "price": "$9.99"},
    {"category": [], "description": "", "title": "Pad [NEW]", "brand": "", "asin": "B02"},
    {"category": ["x"], "title": "", "brand": "y", "asin": "B03"},
]  # fmt: skip


@pytest.mark.parametrize("ending", ["json.gz", "jsonl"])
def test_amazon_2018(tmp_path: Path, ending: str) -> None:
    reviews = [
        {"overall": 5.0, "verified": True, "reviewTime": "09 13, 2020", "reviewerID": "A1", "asin": "B01",
         "style": {"Format:": "x"}, "reviewText": "Good, \"very\"\ngood", "unixReviewTime": T},
        {"overall": 2.0, "reviewerID": "A1", "asin": "B02", "unixReviewTime": T + 86_400},
        {"overall": 4.0, "reviewerID": "A2", "asin": "B03", "unixReviewTime": T},
    ]  # fmt: skip
    lines(tmp_path / f"Video_Games_5.{ending}", reviews)
    lines(tmp_path / f"meta_Video_Games.{ending}", META_2018)
    log = read(tmp_path)
    assert log.notes[0] == "layout: amazon-2018"
    assert log.items.rows() == [
        ("B01", "Anno 1404", "Ubi", ["Video Games", "PC", "Games"], "Brand new. Sealed."),
        ("B02", "Pad [NEW]", None, None, None),
    ]
    assert as_rows(log) == [("A1", "B01", T), ("A1", "B02", T + 86_400)]
    assert sorted(log.quarantine["reason"]) == ["item_id is not in the catalogue", "title is empty"]
    assert len(read(tmp_path, DataConfig(min_rating=4))) == 1


def test_amazon_2018_ratings_without_header(tmp_path: Path) -> None:
    (tmp_path / "Video_Games.csv").write_text(f"B01,A1,5.0,{T}\nB02,A2,3.0,{T + 1}\n")
    lines(tmp_path / "meta_Video_Games.json.gz", META_2018)
    log = read(tmp_path)
    assert as_rows(log) == [("A1", "B01", T), ("A2", "B02", T + 1)]
    assert log.quarantine.rows()[0][:3] == ("meta_Video_Games.json.gz", 3, "title is empty")


META_2023 = [
    {"main_category": "All Beauty", "title": "Hair oil", "average_rating": 4.8, "features": [], "description": ["For hair."],
     "price": None, "images": [{"thumb": "https://…"}], "videos": [], "store": "Howard", "categories": ["Beauty", "Hair"],
     "details": {"Brand": "Howard"}, "parent_asin": "P1", "bought_together": None},
    {"main_category": "All Beauty", "title": "Comb", "description": [], "store": None, "categories": [], "parent_asin": "P2"},
]  # fmt: skip


def test_amazon_2023(tmp_path: Path) -> None:
    reviews = [
        {"rating": 5.0, "title": "Wow", "text": "…", "images": [], "asin": "V7", "parent_asin": "P1", "user_id": "AG",
         "timestamp": T * 1000 + 365, "helpful_vote": 0, "verified_purchase": True},
        {"rating": 1.0, "title": "no", "text": "…", "images": [], "asin": "P2", "parent_asin": "P2", "user_id": "AG",
         "timestamp": T * 1000 - 1},
    ]  # fmt: skip
    lines(tmp_path / "All_Beauty.jsonl.gz", reviews)
    lines(tmp_path / "meta_All_Beauty.jsonl.gz", META_2023)
    log = read(tmp_path)
    assert log.notes[0] == "layout: amazon-2023"
    assert log.items["title"].to_list() == ["Hair oil", "Comb"]
    assert log.items["brand"].to_list() == ["Howard", None]
    assert log.items["categories"].to_list() == [["Beauty", "Hair"], None]
    assert as_rows(log) == [("AG", "P2", T - 1), ("AG", "P1", T)]


def test_amazon_2023_ratings_with_header_and_several_categories(tmp_path: Path) -> None:
    for k, name in enumerate(("All_Beauty", "Appliances")):
        (tmp_path / f"{name}.csv").write_text(f"user_id,parent_asin,rating,timestamp\nAG,P{k + 1},5.0,{T * 1000 + k}\n")
        lines(tmp_path / f"meta_{name}.jsonl", [META_2023[k]])
    log = read(tmp_path)
    assert as_rows(log) == [("AG", "P1", T), ("AG", "P2", T)]


def test_amazon_without_reviews(tmp_path: Path) -> None:
    lines(tmp_path / "meta_All_Beauty.jsonl", META_2023)
    with pytest.raises(PreceptorError, match=r"(?s)No reviews.*meta_All_Beauty"):
        read(tmp_path)


def event(user: int, item: int, at: int, kind: str = "item_view", **changed: Any) -> dict[str, Any]:
    when = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    return {
        "user_id": user, "sequence_id": 1, "session_id": at // 3600, "stime": when, "event_id": kind, "item_id": item,
        "product_id": f"p{item}", "name": f"Thing {item}", "price": 9.5,
        "c0_name": "Women", "c1_name": "Shoes", "c2_name": None,
        "brand_name": "Nike" if item % 2 else "", "color": None, "sequence_length": 2, **changed,
    }  # fmt: skip


def test_merrec(tmp_path: Path) -> None:
    shards = {
        "20230501/000000000000.parquet": [event(1, 11, T), event(1, 12, T + 5, "item_like"), event(2, 12, T + 9, name=None)],
        "20230501/000000000001.parquet": [event(2, 13, T + 3, name=""), event(2, 11, T + 4, name="Edited later")],
        "20230601/000000000000.parquet": [event(1, 13, T + 9_000, "buy_comp"), event(3, 14, T + 9_001, name="  ")],
    }
    for name, rows in shards.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pl.DataFrame(rows).write_parquet(tmp_path / name)
    log = read(tmp_path)
    assert log.notes[0] == "layout: merrec"
    # The first title of an item is its title; an item that never has one is unknown.
    assert log.items["item_id"].to_list() == ["11", "12", "13"]
    assert log.items["title"].to_list() == ["Thing 11", "Thing 12", "Thing 13"]
    assert log.items["brand"].to_list() == ["Nike", None, "Nike"]
    assert log.items["categories"].to_list() == [["Women", "Shoes"]] * 3
    assert as_rows(log) == [
        ("1", "11", T), ("1", "12", T + 5), ("1", "13", T + 9_000), ("2", "13", T + 3), ("2", "11", T + 4), ("2", "12", T + 9),
    ]  # fmt: skip
    assert log.session is not None
    assert log.session.tolist() == [0, 0, 2, 1, 1, 1]
    assert log.quarantine.select("file", "line", "reason").rows() == [
        ("20230601/000000000000.parquet", 2, "item_id is not in the catalogue")
    ]
    assert len(read(tmp_path, DataConfig(events=("item_like", "buy_comp")))) == 2


def test_recbole_atomic_files_of_a_shop(tmp_path: Path) -> None:
    (tmp_path / "shop.inter").write_text(f"user_id:token\titem_id:token\trating:float\ttimestamp:float\nA\tB1\t5.0\t{T}.0\n")
    (tmp_path / "shop.item").write_text(
        "item_id:token\tcategories:token_seq\ttitle:token\tprice:float\tbrand:token\n"
        'B1\tTools Drills\t12" drill, cordless\t9.9\tMax\n'
    )
    log = read(tmp_path)
    assert log.items.rows() == [("B1", '12" drill, cordless', "Max", ["Tools", "Drills"], None)]
    assert as_rows(log) == [("A", "B1", T)]


def test_movielens_100k_as_grouplens_ships_it(tmp_path: Path) -> None:
    """No headers; a column a genre; Latin-1."""
    (tmp_path / "u.data").write_text(f"196\t242\t3\t{T}\n186\t302\t3\t{T + 9}\n196\t302\t1\t{T + 5}\n")
    flags = ["0|" * 18 + "0", "|".join("1" if k in (5, 14) else "0" for k in range(19))]
    rows = [
        f"{i}|{title}|01-Jan-1997||http://x/?{i}|{f}"
        for (i, title), f in zip([(242, "Misérables, Les (1995)"), (302, "Kolya (1996)")], flags, strict=True)
    ]
    (tmp_path / "u.item").write_bytes("\n".join(rows).encode("latin-1"))
    (tmp_path / "u.user").write_text("1|24|M|technician|85711\n")
    log = read(tmp_path)
    assert log.notes[0] == "layout: movielens"
    assert log.items["title"].to_list() == ["Misérables, Les (1995)", "Kolya (1996)"]
    assert log.items["categories"].to_list() == [None, ["Comedy", "Romance"]]
    assert as_rows(log) == [("196", "242", T), ("196", "302", T + 5), ("186", "302", T + 9)]
    assert len(read(tmp_path, DataConfig(min_rating=3))) == 2


def test_a_named_layout_is_insisted_on(tmp_path: Path) -> None:
    lines(tmp_path / "meta_All_Beauty.jsonl", META_2023)
    with pytest.raises(PreceptorError, match="No log of layout 'merrec'"):
        read(tmp_path, DataConfig(layout="merrec"))
