"""The graph of a log that has grown: the earlier draw of held-out pairs, and counts made by what is new, to the same bytes."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fixtures import tiny_log
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Log
from preceptor.graph import stage
from preceptor.graph.config import GraphConfig
from preceptor.graph.earlier import Earlier
from preceptor.graph.pairs import BOTH_SEEN, TRAIN

CONFIG = GraphConfig(min_users=1, pair_min_users=2, pair_held_out=0.3, top_k=5, window=3, keep_counts=True)
GRAPHS = ("all/", "seen/", "pair", "item_", "n_baskets")


def run(log: Log, folder: Path, config: GraphConfig = CONFIG) -> Artifact:
    """The graph of a log's training part; every fifth item is held out, by its id."""

    def data(path: Path) -> dict[str, int]:
        log.split().train.save(path / "train")
        return {}

    def codes(path: Path) -> dict[str, int]:
        number = log.items["item_id"].str.extract(r"(\d+)").cast(pl.Int64).to_numpy()
        np.save(path / "held_out.npy", number % 5 == 2)
        return {}

    inputs = {
        "train": artifact.make("data", 1, {}, {}, folder, data).part("train"),
        "codes": artifact.make("codes", 1, {}, {}, folder, codes),
    }
    return stage.STAGE.make(config, inputs, folder)


def grown() -> Log:
    return tiny_log(n_users=90, n_items=44)


def earlier(log: Log, share: float = 0.9, gone: int = 0) -> Log:
    """What the log was: its first rows in time, a catalogue in another order and without its last four items, and `gone` rows
    that it has lost since."""
    rng = np.random.default_rng(0)
    until = np.quantile(log.time, share)
    rows = (log.time < until) & (log.item < 40)
    order = rng.permutation(40)  # place in the earlier catalogue → item
    number = np.empty(44, np.int32)
    number[order] = np.arange(40)
    user, item, time = log.user[rows], number[log.item[rows]], log.time[rows]
    for _ in range(gone):
        at = int(rng.integers(1, len(item)))
        user, item, time = (
            np.insert(a, at, v) for a, v in ((user, user[at - 1]), (item, rng.integers(40)), (time, time[at - 1]))
        )
    return dataclasses.replace(log, items=log.items[order.tolist()], user=user, item=item.astype(np.int32), time=time)


def graphs(made: Artifact) -> dict[str, str]:
    return {name: facts["sha256"] for name, facts in made.manifest["files"].items() if name.startswith(GRAPHS)}


def counted(made: Artifact) -> dict[str, str]:
    return {name: facts["sha256"] for name, facts in made.manifest["files"].items() if name.startswith("counts/")}


@pytest.mark.parametrize(
    "settings",
    [{}, {"weight": "lift", "shrinkage": 3.0}, {"directed": True}, {"window": 0}, {"text_neighbours": 0, "null": "rewired"}],
    ids=str,
)
@pytest.mark.parametrize("gone", [0, 3])
def test_a_refresh_is_a_full_rebuild_with_the_kept_draw(settings: dict[str, object], gone: int, tmp_path: Path) -> None:
    """Byte by byte: counted by changes, counted anew because nothing was kept, and without keeping counts at all."""
    config = dataclasses.replace(CONFIG, **settings)  # type: ignore[arg-type]
    bare = dataclasses.replace(config, keep_counts=False)
    new, old = grown(), earlier(grown(), gone=gone)
    kept, plain = run(old, tmp_path / "old", config), run(old, tmp_path / "plain", bare)
    assert graphs(kept) == graphs(plain)
    made = run(new, tmp_path / "new", dataclasses.replace(config, since=str(kept.path)))
    anew = run(new, tmp_path / "anew", dataclasses.replace(config, since=str(plain.path)))
    without = run(new, tmp_path / "without", dataclasses.replace(bare, since=str(plain.path)))
    assert graphs(made) == graphs(anew) == graphs(without)
    assert len(graphs(made)) > 10
    assert counted(made) == counted(anew)
    assert len(counted(made)) == (3 if config.window == 0 and not config.directed else 6)
    again = run(new, tmp_path / "again", dataclasses.replace(config, since=str(made.path)))  # a refresh of a refresh
    assert (graphs(again), counted(again)) == (graphs(made), counted(made))


def test_pairs_of_known_items_stay_held_out_or_not(tmp_path: Path) -> None:
    new, old = grown(), earlier(grown())
    kept = run(old, tmp_path / "old")
    made = run(new, tmp_path / "new", dataclasses.replace(CONFIG, since=str(kept.path)))
    ids = {name: log.items["item_id"].to_list() for name, log in (("old", old), ("new", new))}

    def named(which: str, found: Artifact) -> dict[frozenset[str], int]:
        pairs, split = found.array("pairs").tolist(), found.array("pair_split").tolist()
        return {frozenset((ids[which][a], ids[which][b])): s for (a, b), s in zip(pairs, split, strict=True)}

    before, after = named("old", kept), named("new", made)
    known = {pair for pair in after if pair <= set(ids["old"])}
    assert known < set(after)  # new items have pairs
    both = [pair for pair in known & set(before) if before[pair] in (TRAIN, BOTH_SEEN)]
    assert {before[pair] for pair in both} == {TRAIN, BOTH_SEEN}
    assert all(after[pair] == before[pair] for pair in both)
    assert all(after[pair] != BOTH_SEEN for pair in known - set(before))  # a model may have seen them as edges
    fresh = [after[pair] for pair in after if not pair <= set(ids["old"])]
    assert BOTH_SEEN in fresh


def test_a_log_that_has_not_grown_gives_the_same_graph(tmp_path: Path) -> None:
    kept = run(grown(), tmp_path / "old")
    made = run(grown(), tmp_path / "new", dataclasses.replace(CONFIG, since=str(kept.path)))
    assert graphs(made) == graphs(kept)
    assert counted(made) == counted(kept)


def test_counting_otherwise_than_the_run_is_refused_by_name(tmp_path: Path) -> None:
    kept = run(earlier(grown()), tmp_path / "old")
    other = dataclasses.replace(CONFIG, window=5, since=str(kept.path))
    with pytest.raises(PreceptorError, match=r"(?s)graph\.window.*5.*3, as in"):
        run(grown(), tmp_path / "new", other)


@pytest.mark.parametrize("settings", [{"decay": 0.5}, {"weight": "rp3beta"}], ids=str)
def test_strengths_that_change_without_a_meeting_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(PreceptorError, match=r"graph\.keep_counts"):
        stage.STAGE.check(dataclasses.replace(CONFIG, **settings))  # type: ignore[arg-type]
    stage.STAGE.check(dataclasses.replace(CONFIG, **settings, keep_counts=False))  # type: ignore[arg-type]


def test_a_run_without_its_log_is_refused(tmp_path: Path) -> None:
    kept = run(earlier(grown()), tmp_path / "old")
    run(grown(), tmp_path / "other")
    (tmp_path / "old" / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(PreceptorError, match="log of the run to go on from"):
        Earlier.load(kept.path)
    (tmp_path / "other" / "data").rename(tmp_path / "old" / "data")  # another log than the graph was made of
    with pytest.raises(PreceptorError, match="log of the run to go on from"):
        Earlier.load(kept.path)
    with pytest.raises(PreceptorError, match="Not the graph of a run"):
        Earlier.load(tmp_path / "old" / "codes")


def test_settings_of_a_refresh_are_no_part_of_a_plain_key(tmp_path: Path) -> None:
    made = run(grown(), tmp_path / "run", dataclasses.replace(CONFIG, keep_counts=False))
    assert not {"keep_counts", "since"} & set(made.manifest["config"])
    assert set(made.manifest["inputs"]) == {"train", "codes"}
