"""A user's own lists: read strictly, ranked like every other arm, compared with real and never recommended."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer, ArmMean, Paired
from preceptor.data.log import Split, Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import tstr
from preceptor.ranking.baselines import Popularity
from preceptor.ranking.config import RankingConfig, check
from preceptor.ranking.evaluate import rank_targets
from preceptor.ranking.jobs import Source
from preceptor.ranking.lists import ARM, UNLISTED, read
from preceptor.ranking.stage import STAGE

CONFIG = RankingConfig(
    arms=("real", "real-bce", "real-gru4rec"), trials=1, seeds=1, first=3, doublings=0, lengths=(8,), neighbours=(5,),
    decays=(1.0,), betas=(0.5,), ridges=(10.0,), recents=(1.0,), dim=8, layers=1, heads=1, positions=200, mask_history=True,
    bootstraps=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split on disk as the stage data leaves it: users are u0, u1, …, items i0, i1, …"""
    folder, split = tmp_path_factory.mktemp("lists"), tiny_split()
    for name in ("train", "validation", "test"):
        getattr(split, name).save(folder / name)
    pl.DataFrame({"user_id": [f"u{n}" for n in range(60)]}).write_parquet(folder / "users.parquet")
    build_graph(split.train, GraphConfig(min_users=1)).save(folder / "graph")
    return folder


def popular(split: Split, file: Path, items: int = 40) -> Path:
    """Every test user's list: the most popular items with their counts as scores."""
    order = np.argsort(-split.train.popularity, kind="stable")[:items]
    rows = [(f"u{u}", f"i{x}", int(split.train.popularity[x])) for u in np.unique(split.test.user) for x in order]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "score"], orient="row")
    if file.suffix == ".parquet":
        frame.write_parquet(file)
    else:
        frame.write_csv(file)
    return file


@pytest.mark.parametrize("repeats", [True, False])
def test_ranks_and_lists_by_brute_force(home: Path, tmp_path: Path, repeats: bool) -> None:
    test, rng = Targets.load(home / "test"), np.random.default_rng(1)
    written = {u: {x: int(rng.integers(1, 6)) for x in rng.permutation(40)[:25].tolist()} for u in range(0, 60, 2)}
    lines = [f"u{u},i{x},{place}" for u, own in written.items() for x, place in own.items()]
    (tmp_path / "lists.csv").write_text("user_id,item_id,rank\n" + "\n".join(rng.permutation(lines)) + "\n")
    candidate = rng.random(40) < 0.8
    rank, top = read(tmp_path / "lists.csv", home).judge(test, candidate, repeats)
    for t in range(len(test)):
        own = written.get(int(test.user[t]), {})
        closed = set() if repeats else set(test.history(t).tolist())
        offered = {x: place for x, place in own.items() if candidate[x] and x not in closed}
        wanted = int(test.item[t])
        assert rank[t] == (sum(p <= offered[wanted] for p in offered.values()) if wanted in offered else UNLISTED)
        expected = sorted(offered, key=lambda x: (offered[x], x))[:10]
        assert top[t].tolist() == expected + [-1] * (10 - len(expected))
    assert (rank < UNLISTED).sum() > 3


def test_ids_that_the_log_does_not_know_are_counted(home: Path, tmp_path: Path) -> None:
    lines = "u1,i2,1\nu1,i3,2\nnobody,i2,1\nu2,gone,1\nu2,lost,2\nu2,gone2,3\n"
    (tmp_path / "a.csv").write_text("user_id,item_id,rank\n" + lines)
    found = read(tmp_path / "a.csv", home)
    assert (found.rows, found.unknown_users, found.unknown_items, found.length) == (6, 1, 3, 2.0)
    assert found.item[found.indptr[1] : found.indptr[2]].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "user_id,item_id,rank\nu1,i2,1\nu1,i3,first\n", r"a\.csv, line 3, field rank(.|\n)*'u1,i3,first'"),
        ("a.csv", "user_id,item_id,score\nu1,i2,nan\n", r"line 2, field score"),
        ("a.csv", "user_id,item_id,rank\nu1,,1\n", r"line 2, field item_id(.|\n)*an id"),
        ("a.tsv", "user_id\titem_id\trank\n\ti1\t1\nu1\t\t2\n", r"line 2, field user_id"),
        ("a.csv", "user_id,item_id,rank\nu1,i2,1\nu2,i2,1\nu1,i2,2\n", r"line 4, field item_id(.|\n)*once for a user"),
        ("a.csv", "user_id,item_id,place\nu1,i2,1\n", r"Missing column 'rank'(.|\n)*rank \(1 is the best\)"),
        ("a.csv", "who,item_id,rank\nu1,i2,1\n", r"Missing column 'user_id'(.|\n)*rename"),
        ("a.csv", "user_id,item_id,rank\n", r"a header and no row"),
        ("a.csv", "user_id,item_id,rank\n1,i2,1\n", r"No user_id of the baseline(.|\n)*'1'(.|\n)*'u0'"),
        ("a.jsonl", '{"user_id": "u1", "item_id": "x", "rank": 1}\n', r"No item_id of the baseline(.|\n)*'i0'"),
        ("a.xlsx", "PK", r"Unknown format(.|\n)*\.parquet"),
    ],
)
def test_what_can_not_be_used_is_named(home: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PreceptorError, match=said):
        read(tmp_path / name, home)


def test_a_baseline_is_an_arm_beside_the_others(home: Path, tmp_path: Path) -> None:
    split = tiny_split()
    file = popular(split, tmp_path / "lists.parquet")
    source = Source("temporal", str(home), str(home / "graph"), GeneratorConfig(law="paper"))
    config = dataclasses.replace(CONFIG, baseline=str(file))
    tstr.run([source], config, tmp_path / "out", in_process=True)
    plain = rank_targets(Popularity(split.train), split.test, mask_history=True).rank
    rank = np.load(tmp_path / "out/ranks/temporal/test/baseline-seed0.npy")
    inside = (split.train.popularity > 0)[split.test.item] & (rank != UNLISTED)
    untrained = (split.train.popularity == 0).sum()
    assert inside.sum() > 10
    assert np.array_equal(rank[inside], plain[inside])
    assert untrained == 0 or rank.max() == UNLISTED
    means = {(r.metric, r.k): r for r in row.read(tmp_path / "out", ArmMean) if (r.arm, r.balance) == (ARM, "target")}
    assert ("nats", 0) not in means
    assert means["recall", 10].mean == pytest.approx(float((rank <= 10).mean()))
    pairs = [r for r in row.read(tmp_path / "out", Paired) if r.arm_a == ARM]
    assert {r.metric for r in pairs} == {"recall", "ndcg"}
    assert {r.reading for r in pairs} == {"no verdict"}  # three updates are no convergence of real
    (answer,) = row.read(tmp_path / "out", Answer)
    assert answer.recipe == "real"
    for arm in ("real-bce", "real-gru4rec"):  # trained and tested as the others are
        assert [r for r in row.read(tmp_path / "out", Paired) if r.arm_a == arm]
        assert (tmp_path / f"out/runs/temporal-{arm}-seed0.safetensors").exists()
    users = split.test.n_users
    assert any(
        s.startswith("Your own baseline: NDCG@10") and f"for {users} of {users} test users" in s for s in answer.sentences
    )


def test_the_file_is_part_of_the_key_by_its_content(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"ranking\.baseline(.|\n)*the path of a file"):
        check(dataclasses.replace(CONFIG, baseline=str(tmp_path / "none.csv")))
    keys = []
    for name, content in (("a.csv", "x"), ("b.csv", "x"), ("c.csv", "y")):
        (tmp_path / name).write_text(content)
        keys.append(STAGE.key(dataclasses.replace(CONFIG, baseline=str(tmp_path / name)), {}).config)
    assert keys[0] == keys[1] != keys[2]


def test_a_split_in_memory_has_no_user_ids(tmp_path: Path) -> None:
    split = tiny_split()
    file = popular(split, tmp_path / "lists.csv", items=3)
    with pytest.raises(PreceptorError, match="users of the baseline can't be told"):
        tstr.compare(split, build_graph(split.train, GraphConfig(min_users=1)), dataclasses.replace(CONFIG, baseline=str(file)))
