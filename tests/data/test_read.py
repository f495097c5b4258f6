"""Reading: every format gives the same log; times, filters, duplicates and sessions mean what the docs say."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import logs
from fixtures import HOSTILE, tiny_log, write_csv_log
from preceptor.core.errors import PreceptorError
from preceptor.data.config import DataConfig
from preceptor.data.log import Log
from preceptor.data.read import read

words = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8)
titles = st.one_of(
    words, st.sampled_from([HOSTILE, 'say "no"', "a, b; c | d", "two\nlines", "tab\there", "=1+1", "null", "NaN"])
)


def as_rows(log: Log) -> list[tuple[str, str, int]]:
    users, items = log.user_ids.to_list(), log.items["item_id"].to_list()
    return [(users[u], items[i], t) for u, i, t in zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)]


@given(
    st.lists(titles, min_size=1, max_size=6),
    st.lists(st.tuples(words, st.integers(0, 5), st.integers(0, 2_000_000_000)), min_size=1, max_size=20),
)
@settings(max_examples=40, deadline=None)
def test_every_format_gives_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], met: list[tuple[str, int, int]]
) -> None:
    root = tmp_path_factory.mktemp("formats")
    items = [{"item_id": f"é{k}", "title": name, "categories": ["A", f"b {k}"]} for k, name in enumerate(names)]
    interactions = [{"user_id": u, "item_id": f"é{i % len(names)}", "timestamp": t} for u, i, t in met]
    endings = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz")
    read_back = [read(logs.plain(root / ending, interactions, items, ending)) for ending in endings]
    first = read_back[0]
    assert first.items["title"].to_list() == [re.sub(r"\s+", " ", name) for name in names]
    assert first.items["categories"].to_list() == [["A", f"b {k}"] for k in range(len(names))]
    # The plain definition: stable by time, users by first interaction, exact repeats out.
    by_time = sorted(dict.fromkeys((u, f"é{i % len(names)}", t) for u, i, t in met), key=lambda r: r[2])
    users = list(dict.fromkeys(u for u, _, _ in by_time))
    assert as_rows(first) == sorted(by_time, key=lambda r: users.index(r[0]))
    for other in read_back[1:]:
        assert as_rows(other) == as_rows(first)
        assert other.items.equals(first.items)
        assert other.quarantine.height == first.quarantine.height == len(met) - len(by_time)


def test_the_miniature_log_comes_back(tmp_path: Path) -> None:
    before, after = tiny_log(), read(write_csv_log(tmp_path, hostile=False), DataConfig(duplicates="keep"))
    assert after.user_ids.to_list() == before.user_ids.to_list()
    assert all(np.array_equal(getattr(after, n), getattr(before, n)) for n in ("user", "item", "time"))
    assert after.items.equals(before.items)
    assert after.session is None


def test_recbole_atomic_files(tmp_path: Path) -> None:
    interactions, items = logs.small()
    log = read(logs.recbole(tmp_path, interactions, items))
    assert log.items["title"].to_list() == [i["title"] for i in items]
    assert log.items["categories"].to_list() == [["Home", "Things"]] * 3
    assert len(log) == 6


def test_ml_100k_titles_carry_the_year(tmp_path: Path) -> None:
    (tmp_path / "ml.inter").write_text("user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t1\t3\t881250949\n")
    (tmp_path / "ml.item").write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n2\tunknown\t\tunknown\n"
    )
    log = read(tmp_path)
    assert log.items["title"].to_list() == ["Toy Story (1995)", "unknown"]
    assert log.items["categories"].to_list()[0] == ["Animation", "Children's", "Comedy"]


T = 1_600_000_000


@pytest.mark.parametrize(
    ("times", "expected", "note"),
    [
        ([T, T + 1], [T, T + 1], "numbers in s"),
        ([f"{T}.25", f"{T}.75"], [T, T], "numbers in s"),
        ([T * 1000 + 5, T * 1000 + 1999], [T, T + 1], "numbers in ms"),
        ([T * 10**6, T * 10**6 + 10**6], [T, T + 1], "numbers in us"),
        ([T * 10**9, T * 10**9 + 10**9], [T, T + 1], "numbers in ns"),
        (["2020-09-13", "2020-09-14"], [T - 44_800 + 0, T - 44_800 + 86_400], "dates"),
        (["2020-09-13 12:26:40", "2020-09-13T12:26:41"], [T, T + 1], "dates"),
        (["2020-09-13T12:26:40Z", "2020-09-13T14:26:41.5+02:00"], [T, T + 1], "dates"),
    ],
    ids=["s", "float s", "ms", "us", "ns", "day", "naive", "zoned"],
)
def test_times_in_every_common_form(tmp_path: Path, times: list[object], expected: list[int], note: str) -> None:
    _, items = logs.small()
    rows = [{"user_id": "u", "item_id": f"i{k}", "timestamp": t} for k, t in enumerate(times)]
    log = read(logs.plain(tmp_path, rows, items))
    assert log.time.tolist() == expected
    assert any(note in line and "2020-09-13" in line for line in log.notes)
    assert log.item.tolist() == [0, 1]


def test_fractions_of_a_second_order_rows_within_it(tmp_path: Path) -> None:
    _, items = logs.small()
    rows = [{"user_id": "u", "item_id": f"i{k}", "timestamp": f"{T}.{9 - k}"} for k in range(3)]
    assert read(logs.plain(tmp_path, rows, items)).item.tolist() == [2, 1, 0]


def test_parquet_datetimes_and_gappy_integer_ids(tmp_path: Path) -> None:
    when = pl.Series([T, T + 1, T + 2]) * 1000
    frame = pl.DataFrame({"user_id": [1.0, 2.0, None], "item_id": [7, 8, 7], "timestamp": when.cast(pl.Datetime("ms"))})
    frame.write_parquet(tmp_path / "interactions.parquet")
    pl.DataFrame({"item_id": [7, 8], "title": ["A", "B"]}).write_parquet(tmp_path / "items.parquet")
    log = read(tmp_path)
    assert as_rows(log) == [("1", "7", T), ("2", "8", T + 1)]
    assert log.quarantine["reason"].to_list() == ["user_id is empty"]


def test_positions_stand_for_times(tmp_path: Path) -> None:
    _, items = logs.small()
    rows = [{"user_id": "u", "item_id": f"i{k}", "position": 2 - k} for k in range(3)]
    log = read(logs.plain(tmp_path, rows, items))
    assert not log.timed
    assert (log.item.tolist(), log.time.tolist()) == ([2, 1, 0], [0, 1, 2])
    assert log.split().kind == "leave-last-out"


def test_which_ratings_and_events_count_is_said_and_counted(tmp_path: Path) -> None:
    _, items = logs.small()
    rows = [
        {"user_id": "u", "item_id": f"i{k % 3}", "timestamp": T + k, "rating": r, "event": e}
        for k, (r, e) in enumerate([(5, "buy"), (2, "buy"), (4, "view"), ("", "buy"), (4.5, "cart")])
    ]
    folder = logs.plain(tmp_path, rows, items)
    log = read(folder, DataConfig(min_rating=4, events=("buy", "cart")))
    assert [(s.step, s.rows) for s in log.funnel] == [
        ("read", 5),
        ("usable", 4),
        ("rating ≥ 4", 3),
        ("events buy, cart", 2),
        ("without duplicates", 2),
    ]
    assert log.quarantine["reason"].to_list() == ["rating is not a number"]
    assert any("of at least 4 count" in note for note in log.notes)
    assert any("buy 3, cart 1, view 1" in note for note in log.notes)
    assert len(read(folder)) == 5


@pytest.mark.parametrize(("policy", "left"), [("drop", 2), ("keep", 3)])
def test_duplicates_are_counted_and_dropped_or_kept(tmp_path: Path, policy: str, left: int) -> None:
    _, items = logs.small()
    rows = [{"user_id": "u", "item_id": i, "timestamp": T} for i in ("i0", "i1", "i0")]
    log = read(logs.plain(tmp_path, rows, items), DataConfig(duplicates=policy))  # type: ignore[arg-type]
    assert len(log) == left
    assert any("1 rows repeat" in note or "1 row repeats" in note for note in log.notes)
    found = log.quarantine.rows()
    assert found == ([("interactions.csv", 4, "same user, item and time as an earlier row", f"u,i0,{T}")] if left == 2 else [])


def test_sessions_are_numbered_by_time(tmp_path: Path) -> None:
    _, items = logs.small()
    rows = [
        {"user_id": u, "item_id": i, "timestamp": T + t, "session_id": s}
        for u, i, t, s in [
            ("b", "i0", 5, "x"),
            ("a", "i1", 1, "x"),
            ("a", "i2", 2, ""),
            ("b", "i1", 6, "y"),
            ("b", "i2", 7, "x"),
        ]
    ]
    log = read(logs.plain(tmp_path, rows, items))
    assert log.session is not None
    assert log.session.tolist() == [0, -1, 1, 2, 1]


def test_columns_and_separator_from_the_config(tmp_path: Path) -> None:
    interactions, items = logs.small()
    renamed = [{"who": r["user_id"], "what": r["item_id"], "at": r["timestamp"]} for r in interactions]
    logs.write_table(tmp_path / "interactions.csv", renamed, separator=";")
    logs.write_table(
        tmp_path / "items.csv", [{"what": i["item_id"], "name": i["title"], "make": "M"} for i in items], separator=";"
    )
    config = DataConfig(
        separator=";",
        interaction_columns={"user_id": "who", "item_id": "what", "timestamp": "at"},
        item_columns={"item_id": "what", "title": "name", "brand": "make"},
    )
    log = read(tmp_path, config)
    assert len(log) == 6
    assert log.items["brand"].to_list() == ["M"] * 3


def test_shards_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    interactions, items = logs.small()
    same_time = [{**r, "timestamp": T, "user_id": "u"} for r in interactions[:3]]
    for k, name in enumerate(["part-2", "part-0", "part-1"]):
        logs.write_table(tmp_path / "interactions" / f"{name}.parquet", [same_time[k]])
    logs.write_table(tmp_path / "items.csv", items)
    assert read(tmp_path).item.tolist() == [1, 2, 0]


def test_text_in_another_encoding(tmp_path: Path) -> None:
    interactions, items = logs.small()
    items[0]["title"] = "Café"
    logs.plain(tmp_path, interactions, items)
    for name in ("interactions.csv", "items.csv"):
        (tmp_path / name).write_bytes((tmp_path / name).read_text(encoding="utf-8").encode("latin-1"))
    assert read(tmp_path, DataConfig(encoding="latin-1")).items["title"][0] == "Café"


def test_json_lists_in_text_fields(tmp_path: Path) -> None:
    interactions, items = logs.small()
    items[0] |= {"description": ["One.", "Two,\n three."], "categories": ["A, b", "A, b", ""]}
    items[1] |= {"description": "[NEW] thing", "categories": "X|Y"}
    log = read(logs.plain(tmp_path, interactions, items, "jsonl"))
    assert log.items["description"].to_list() == ["One. Two, three.", "[NEW] thing", None]
    assert log.items["categories"].to_list()[:2] == [["A, b"], ["X", "Y"]]


def test_an_unreadable_share_stops_the_run_with_a_sample(tmp_path: Path) -> None:
    interactions, items = logs.small()
    foreign = [{**r, "item_id": r["item_id"].upper()} for r in interactions]
    with pytest.raises(PreceptorError, match=r"6 of 6 rows.*item_id 'I0'.*'i0'"):
        read(logs.plain(tmp_path, foreign, items))


def test_the_example_of_the_guide(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "docs" / "example"
    log = read(folder)
    assert (len(log), len(log.user_ids), log.items.height, log.quarantine.height) == (5, 2, 5, 0)
    assert len(log.split().train.user) == 3
    guide = (folder.parent / "own-data.md").read_text(encoding="utf-8")
    for name in ("interactions.csv", "items.csv"):
        assert (folder / name).read_text(encoding="utf-8").strip() in guide


def test_movielens_csv(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3.0,1260759179\n")
    (tmp_path / "movies.csv").write_text(
        'movieId,title,genres\n31,Dangerous Minds (1995),Drama\n1029,"Dumbo, the ""film"" (1941)",Animation|Children\n'
    )
    log = read(tmp_path)
    assert log.items["title"].to_list() == ["Dangerous Minds (1995)", 'Dumbo, the "film" (1941)']
    assert log.items["categories"].to_list() == [["Drama"], ["Animation", "Children"]]
    assert as_rows(log) == [("1", "31", 1260759144), ("1", "1029", 1260759179)]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_movielens_dat(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "ratings.dat").write_text("1::31::5::978300760\n1::1029::3::978302109\n1::x\n")
    (tmp_path / "movies.dat").write_bytes(
        '31::Misérables, Les (1995)::Drama|Musical\n1029::Léon: The "Pro" (1994)::Crime\n'.encode(encoding)
    )
    log = read(tmp_path)
    assert log.items["title"].to_list() == ["Misérables, Les (1995)", 'Léon: The "Pro" (1994)']
    assert log.items["categories"].to_list() == [["Drama", "Musical"], ["Crime"]]
    assert as_rows(log) == [("1", "31", 978300760), ("1", "1029", 978302109)]
    assert log.quarantine.rows() == [("ratings.dat", 3, "time is empty", "1::x")]


def test_printed_lists_in_descriptions_and_categories(tmp_path: Path) -> None:
    """Tables that pandas wrote hold lists as Python prints them, now and then with quotes that aren't escaped."""
    rows = [
        ("a", "['Fine.', '', \"It's steel.\"]", "['Home', 'Pans']"),
        ("b", "['It's the \"best\" pan.', 'Really.']", "['Home', 'Bob's']"),
        ("c", "[]", "[]"),
        ("d", "[Pan] of steel", "Home|['Pans']"),
        ("e", "['a', 3]", ""),
    ]
    items = [{"item_id": i, "title": "['Pan']", "description": d, "categories": c} for i, d, c in rows]
    interactions = [{"user_id": "u", "item_id": "a", "timestamp": 1}]
    for ending in ("csv", "parquet"):
        found = read(logs.plain(tmp_path / ending, interactions, items, ending)).items
        assert found["description"].to_list() == [
            "Fine. It's steel.", "It's the \"best\" pan. Really.", None, "[Pan] of steel", "['a', 3]",
        ]  # fmt: skip
        assert found["categories"].to_list() == [["Home", "Pans"], ["Home", "Bob's"], None, ["Home", "['Pans']"], None]
        assert set(found["title"]) == {"['Pan']"}, "a title is as it is"
