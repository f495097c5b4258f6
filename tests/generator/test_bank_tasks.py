"""The law of a log, its graphs made by tasks in every way: the files of the stage that makes them itself."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.fake_ray import at_hand, played
from fixtures import tiny_split
from preceptor.core import artifact, blocks, workers
from preceptor.core.artifact import Artifact
from preceptor.core.shards import Shards
from preceptor.core.stage import Shard
from preceptor.data.log import TrainSplit
from preceptor.generator import bank, bank_tasks, component_graphs, events, exposure
from preceptor.generator.bank_tasks import Source
from preceptor.generator.components import GraphSpec
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.stage import STAGE
from preceptor.graph import stage as graph
from preceptor.graph.config import GraphConfig

CONFIG = GeneratorConfig(floor_walks=200, resamples=5, max_events=150)
SPECS = (
    GraphSpec("cosine", 3, top_k=5),
    GraphSpec("count", 1, True, top_k=5),
    GraphSpec("cosine", top_k=5, smooth="two-hop"),
    GraphSpec("cosine", top_k=6, smooth="svd", rank=4),
)
Make = Callable[..., dict[str, Artifact]]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank, "default_bank", lambda *_: SPECS)
    monkeypatch.setattr(exposure, "LEAST", 10.0)


@pytest.fixture
def inputs(tmp_path: Path) -> Make:
    def make(train: TrainSplit | None = None, held_out: bool = True) -> dict[str, Artifact]:
        train = train or tiny_split().train

        def data(path: Path) -> dict[str, int]:
            train.save(path / "train")
            return {}

        def codes(path: Path) -> dict[str, int]:
            np.save(path / "held_out.npy", (np.arange(train.n_items) % 5 == 2) & held_out)
            return {}

        home = tmp_path / "inputs"
        made = {
            "train": artifact.make("data", 1, {}, {}, home, data).part("train"),
            "codes": artifact.make("codes", 1, {}, {}, home, codes),
        }
        return {**made, "graph": graph.STAGE.make(GraphConfig(min_users=1, top_k=5, pair_min_users=2), made, home)}

    return make


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != artifact.RUN)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def in_order_only() -> TrainSplit:
    train = tiny_split().train
    place = np.arange(len(train.user)) - train.user_indptr[train.user]
    return replace(train, time=place)


@pytest.mark.parametrize("kind", ["timed", "order only", "nothing held out", "unbiased"])
def test_shards_by_hand_end_in_the_same_files(kind: str, inputs: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs(in_order_only() if kind == "order only" else None, kind != "nothing held out")
    config = replace(CONFIG, objective="unbiased", beta=0.3) if kind == "unbiased" else CONFIG
    whole = STAGE.make(config, given, tmp_path / "whole")
    monkeypatch.setattr(bank_tasks, "LEAST", 100)
    at_hand(monkeypatch)
    made = [n for share in (2, 1) for n in Shards(STAGE, config, given, tmp_path / "out").carry_out(share, 2)]
    folds = events.FOLDS if kind == "order only" else 1
    parts = 1 if kind == "nothing held out" else 2
    assert len(set(made)) == len(made) == 5 * folds * parts  # three of SPECS, and two references
    counted: list[GraphSpec] = []
    one = component_graphs.one

    def watched(split: TrainSplit, spec: GraphSpec) -> object:
        counted.append(spec)
        return one(split, spec)

    monkeypatch.setattr(component_graphs, "one", watched)
    monkeypatch.setattr(workers, "pool", None)  # the merge has no task left
    Shards(STAGE, config, given, tmp_path / "out").merge()
    assert counted == []
    assert contents(tmp_path / "out" / "generator") == contents(whole.path)


@pytest.mark.slow
def test_an_engine_makes_every_graph_of_the_bank(inputs: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs()
    whole = STAGE.make(CONFIG, given, tmp_path / "whole")
    monkeypatch.setattr(bank_tasks, "LEAST", 100)
    graphs, here = component_graphs.graphs, set()

    def seen(split: TrainSplit, specs: tuple[GraphSpec, ...], *more: object) -> object:
        here.update(specs)
        return graphs(split, specs, *more)

    monkeypatch.setattr(component_graphs, "graphs", seen)
    made: list[str] = []
    carry_out = blocks.carry_out

    def watched(tasks: list[Shard], folder: Path, label: str) -> None:
        made.extend(task.name for task in tasks)
        carry_out(tasks, folder, label)

    monkeypatch.setattr(blocks, "carry_out", watched)
    with played(monkeypatch) as ray, workers.on("ray", tmp_path):
        STAGE.make(CONFIG, given, tmp_path / "ray")
        assert ray.attempts == len(set(made)) == len(made)
    assert here == {SPECS[3]}  # what is solved: its last bits depend on the threads of a process
    assert {name.partition("-")[0] for name in made} == {"all", "seen"}
    assert {name.split("-")[1] for name in made} == {"0.9", "graph", "0.7", "0.8"}
    assert contents(tmp_path / "ray" / "generator") == contents(whole.path)


def test_a_small_log_has_no_tasks(inputs: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    given = inputs()
    assert STAGE.shards is not None
    assert STAGE.shards(CONFIG, given) == []
    monkeypatch.setattr(bank_tasks, "LEAST", 100)
    assert len(STAGE.shards(CONFIG, given)) == 10
    assert STAGE.shards(replace(CONFIG, law="paper"), given) == []


def test_a_source_without_held_out_items_is_the_seen_part(inputs: Make) -> None:
    given = inputs()
    whole = Source(given["train"].path, None).split()
    seen = Source(given["train"].path, given["codes"].path).split()
    kept = np.asarray(whole.item) % 5 != 2
    assert len(kept) > kept.sum() > 0
    for name in ("user", "item", "time"):
        assert np.array_equal(getattr(seen, name), np.asarray(getattr(whole, name))[kept])
    assert (seen.n_users, seen.n_items) == (whole.n_users, whole.n_items)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_graph_on_its_own_is_that_of_the_bank(spec: GraphSpec) -> None:
    train = tiny_split().train
    together = dict(component_graphs.graphs(train, SPECS))[SPECS.index(spec)]
    alone = component_graphs.one(train, spec)
    for name in ("indptr", "indices", "weight"):
        assert np.array_equal(getattr(alone, name), getattr(together, name))
