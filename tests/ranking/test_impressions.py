"""What people were shown as a second test set: read strictly, joined to histories before the test, judged within users."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer, ShownMean
from preceptor.data.log import Split
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import impressions, tstr
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import Source

CONFIG = RankingConfig(
    arms=("real",), trials=1, seeds=2, first=3, doublings=0, lengths=(8,), neighbours=(5,), decays=(1.0,), betas=(0.5,),
    ridges=(10.0,), recents=(1.0,), dim=8, layers=1, heads=1, positions=200, mask_history=False, bootstraps=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def split() -> Split:
    return tiny_split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, split: Split) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    for name in ("train", "validation", "test"):
        getattr(split, name).save(folder / name)
    pl.DataFrame({"user_id": [f"u{n}" for n in range(60)]}).write_parquet(folder / "users.parquet")
    build_graph(split.train, GraphConfig(min_users=1)).save(folder / "graph")
    return folder


def popular_taken(split: Split, file: Path) -> Path:
    """Every user was shown ten items, and took the five that are met most often in training."""
    rng = np.random.default_rng(0)
    lines = ["user_id,item_id,taken"]
    for u in range(60):
        items = rng.permutation(np.flatnonzero(split.train.popularity > 0))[:10]
        best = set(items[np.argsort(-split.train.popularity[items] - 1e-3 * rng.random(10))[:5]].tolist())
        lines += [f"u{u},i{x},{int(x in best)}" for x in items.tolist()]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_histories_end_where_the_test_begins(home: Path, tmp_path: Path, split: Split) -> None:
    found = impressions.read(popular_taken(split, tmp_path / "a.csv"), home)
    assert len(found.user) + found.newcomers == 60
    assert len(found.user) > 30
    in_test = {int(u): np.flatnonzero(split.test.user == u)[0] for u in np.unique(split.test.user)}
    compared = 0
    for n, u in enumerate(found.user.tolist()):
        history = found.histories.history(n).tolist()
        assert found.histories.item[n] == found.item[found.indptr[n]]
        if u in in_test:  # all that is before the first test target
            assert history == split.test.history(in_test[u]).tolist()
            compared += 1
        else:
            trained = split.train.item[split.train.user == u].tolist()
            assert history[: len(trained)] == trained
    assert compared > 10


def test_auc_by_brute_force() -> None:
    item, taken = np.array([0, 1, 2, 3, 0, 1], np.int32), np.array([1, 0, 1, 0, 1, 1], bool)
    found = impressions.Impressions(
        np.arange(2, dtype=np.int32), np.array([0, 4, 6]), item, taken, histories=None, rows=6,  # type: ignore[arg-type]
        unknown_users=0, unknown_items=0, newcomers=0,
    )  # fmt: skip
    p = np.array([[0.4, 0.1, 0.1, 0.3], [0.5, 0.2, 0.2, 0.1]])
    every = np.ones((2, 4), bool)
    auc = found.auc(0, 2, p, every)
    assert auc[0] == pytest.approx((1 + 1 + 0.5 + 0) / 4)  # 0 beats 1 and 3; 2 ties with 1 and loses to 3
    assert np.isnan(auc[1])  # took everything
    every[0, 3] = False
    assert found.auc(0, 1, p, every)[0] == pytest.approx((1 + 0.5) / 2)
    assert found.facts(np.isfinite(auc))["one_sided_users"] == 1


def test_every_arm_is_judged_and_the_answer_says_so(home: Path, tmp_path: Path, split: Split) -> None:
    file = popular_taken(split, tmp_path / "shown.csv")
    source = Source("temporal", str(home), str(home / "graph"), GeneratorConfig(law="paper"))
    config = dataclasses.replace(CONFIG, impressions=str(file))
    counts = tstr.run([source], config, tmp_path / "out", in_process=True)
    rows = {r.arm: r for r in row.read(tmp_path / "out", ShownMean)}
    assert {"real", "popularity", "item-knn", "real-x-real"} <= set(rows)
    assert rows["popularity"].auc > 0.95  # what is popular was taken
    assert rows["popularity"].difference == pytest.approx(rows["popularity"].auc - rows["real"].auc)
    assert (rows["real"].seeds, rows["popularity"].seeds) == (2, 1)
    facts = counts["temporal"]["impressions"]
    assert facts["users"] == rows["real"].users > 30
    (answer,) = row.read(tmp_path / "out", Answer)
    assert any(s.startswith("On what people were shown") for s in answer.sentences)
    plain = tmp_path / "plain"
    tstr.run([source], CONFIG, plain, in_process=True)
    assert not (plain / ShownMean.FILE).exists()
    assert (plain / "tstr.csv").read_bytes() == (tmp_path / "out" / "tstr.csv").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("user_id,item_id,taken\nu1,i2,1\nu1,i3,maybe\n", r"line 3, field taken(.|\n)*0 or 1"),
        ("user_id,item_id,taken\nu1,i2,2\n", r"line 2, field taken"),
        ("user_id,item_id,taken\nu1,i2,\n", r"line 2, field taken"),
        ("user_id,item_id,taken\n,i2,1\n", r"line 2, field user_id"),
        ("user_id,item_id,seen\nu1,i2,1\n", r"Missing column 'taken'(.|\n)*1 or true"),
        ("user_id,item_id,taken\n1,i2,1\n", r"No user_id of the impressions(.|\n)*'u0'"),
        ("user_id,item_id,taken\n", r"a header and no row"),
    ],
)
def test_what_can_not_be_used_is_named(home: Path, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(PreceptorError, match=said):
        impressions.read(tmp_path / "a.csv", home)


def test_clicks_may_be_called_so_and_be_words(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,clicked\nu1,i2,True\nu1,i3,false\nnobody,i2,1\nu1,lost,0\n")
    found = impressions.read(tmp_path / "a.csv", home)
    assert found.taken.tolist() == [True, False]
    assert (found.rows, found.unknown_users, found.unknown_items) == (4, 1, 1)


def test_a_file_without_both_kinds_says_nothing(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,item_id,taken\nu1,i2,1\nu1,i3,1\n")
    np.save(tmp_path / "real.npy", np.array([np.nan]))
    rows, judged = impressions.means("temporal", {"real": [tmp_path / "real.npy"]}, {}, 10, 0, 0.95)
    assert not rows
    facts = impressions.read(tmp_path / "a.csv", home).facts(judged)
    assert "nothing can be said" in impressions.sentence(rows, facts, "real")
