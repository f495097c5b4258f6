"""The stage in blocks of items, in every way that blocks are carried out: the files of the stage in one piece."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.fake_ray import FakeRay, at_hand, played
from fixtures import tiny_split
from graph.graphs import split_of
from preceptor.core import artifact, blocks, workers
from preceptor.core.artifact import Artifact
from preceptor.core.shards import Shards
from preceptor.core.stage import Inputs, Shard
from preceptor.data.log import TrainSplit
from preceptor.graph import row_blocks
from preceptor.graph.config import GraphConfig
from preceptor.graph.stage import STAGE

SMALL = {"min_users": 1, "pair_min_users": 2, "pair_held_out": 0.2, "top_k": 5, "pairs_per_item": 6}
CONFIGS = {
    "default": {},
    "directed": {"directed": True, "decay": 0.7, "window": 3},
    "rp3beta": {"weight": "rp3beta", "null": "rewired"},
    "all pairs": {"top_k": 0, "pairs_per_item": 0, "window": 0},
}


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return inputs_of(tiny_split().train, tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "EACH", {"pairs": 300, "graph": 300})
    monkeypatch.setattr(row_blocks, "MOST", 4)
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRay]:
    with played(monkeypatch) as fake:
        yield fake


def inputs_of(train: TrainSplit, home: Path) -> dict[str, Artifact]:
    def data(path: Path) -> dict[str, int]:
        train.save(path / "train")
        return {}

    def codes(path: Path) -> dict[str, int]:
        np.save(path / "held_out.npy", np.arange(train.n_items) % 5 == 2)
        return {}

    made = artifact.make("data", 1, {}, {}, home, data)
    return {"train": made.part("train"), "codes": artifact.make("codes", 1, {}, {}, home, codes)}


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != artifact.RUN)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("name", CONFIGS)
def test_blocks_by_hand_end_in_the_same_files(
    name: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = GraphConfig(**{**SMALL, **CONFIGS[name]})
    whole = STAGE.make(config, inputs, tmp_path / "whole")
    monkeypatch.setattr(row_blocks, "EACH", {"pairs": 300, "graph": 300})
    monkeypatch.setattr(row_blocks, "MOST", 4)
    at_hand(monkeypatch)
    assert {name.partition("-")[0] for name in Shards(STAGE, config, inputs, tmp_path / "out").names} == {"pairs", "graph"}
    made = [n for share in (3, 1, 2) for n in Shards(STAGE, config, inputs, tmp_path / "out").carry_out(share, 3)]
    assert len(made) == 8
    monkeypatch.setattr(row_blocks, "kept_rows", None)  # the merge counts nothing
    Shards(STAGE, config, inputs, tmp_path / "out").merge()
    assert contents(tmp_path / "out" / "graph") == contents(whole.path)


@pytest.mark.usefixtures("small_blocks")
def test_an_engine_carries_out_the_blocks(inputs: Inputs, tmp_path: Path, ray: FakeRay) -> None:
    config = GraphConfig(**SMALL)
    whole = STAGE.make(config, inputs, tmp_path / "whole")
    assert ray.attempts == 0  # threads of this process share the log
    ray.lose = 1
    with workers.on("ray", tmp_path):
        STAGE.make(config, inputs, tmp_path / "ray")
    assert ray.attempts == 9
    assert contents(tmp_path / "ray" / "graph") == contents(whole.path)


@pytest.mark.usefixtures("small_blocks")
def test_an_interrupted_build_goes_on_from_its_blocks(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = GraphConfig(**SMALL)
    whole = STAGE.make(config, inputs, tmp_path / "whole")
    at_hand(monkeypatch)
    carry_out = blocks.carry_out

    def killed(tasks: list[Shard], folder: Path, label: str) -> None:
        carry_out(tasks[2:3], folder, label)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "elsewhere", lambda: True)
    monkeypatch.setattr(blocks, "carry_out", killed)
    with pytest.raises(KeyboardInterrupt):
        STAGE.make(config, inputs, tmp_path / "out")
    left = tmp_path / "out" / "graph" / "blocks" / "pairs-002.safetensors"
    before = left.stat().st_mtime_ns
    seen = []

    def watched(tasks: list[Shard], folder: Path, label: str) -> None:
        carry_out(tasks, folder, label)
        seen.append(left.stat().st_mtime_ns)

    monkeypatch.setattr(workers, "elsewhere", lambda: False)
    monkeypatch.setattr(blocks, "carry_out", watched)
    STAGE.make(config, inputs, tmp_path / "out")
    assert seen == [before]
    assert contents(tmp_path / "out" / "graph") == contents(whole.path)


def test_a_small_log_is_one_block(inputs: Inputs) -> None:
    assert row_blocks.shards(GraphConfig(**SMALL), inputs) == []


@pytest.mark.usefixtures("small_blocks")
def test_pairs_by_session_are_counted_whole(inputs: Inputs) -> None:
    found = row_blocks.shards(GraphConfig(**SMALL, pair_basket="session"), inputs)
    assert {shard.name for shard in found} == {f"graph-{k:03d}" for k in range(4)}


@pytest.mark.usefixtures("small_blocks")
def test_the_blocks_follow_from_the_log_and_not_from_the_workers(inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    found = row_blocks.shards(GraphConfig(**SMALL), inputs)
    monkeypatch.setenv("PRECEPTOR_WORKERS", "7")
    assert row_blocks.shards(GraphConfig(**SMALL), inputs) == found


@pytest.mark.usefixtures("small_blocks")
def test_a_log_without_an_interaction_is_one_block(tmp_path: Path) -> None:
    assert row_blocks.shards(GraphConfig(**SMALL), inputs_of(split_of([[]], 6), tmp_path)) == []
