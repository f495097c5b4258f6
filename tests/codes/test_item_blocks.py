"""Codes in blocks of items, in every way that blocks are carried out: the files of the stage in one piece."""

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from codes.test_sentences import tiny_model
from codes.test_stage import CONFIG, as_artifact, files
from core.fake_ray import at_hand, played
from preceptor.codes import item_blocks
from preceptor.codes.stage import STAGE
from preceptor.codes.tokenisers import encode
from preceptor.core import blocks, workers
from preceptor.core.shards import Shards
from preceptor.core.stage import Inputs, Shard
from preceptor.data.log import TrainSplit

TOKENISERS = ["sae", pytest.param("rq-kmeans", marks=pytest.mark.skipif(not find_spec("faiss"), reason="no faiss")), "rq-vae"]
BRIEF = replace(CONFIG, steps=20, collisions="shared")


@pytest.fixture(scope="module")
def many(make_train: Callable[..., TrainSplit]) -> TrainSplit:
    return make_train(2500)


@pytest.fixture
def inputs(many: TrainSplit, tmp_path: Path) -> Inputs:
    return {"train": as_artifact(many, tmp_path / "train")}


def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_blocks, "WORDS", 999)
    monkeypatch.setattr(item_blocks, "SENTENCES", 999)
    monkeypatch.setattr(item_blocks, "ROWS", 1024)


def test_a_small_catalogue_is_one_block(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "2")
    monkeypatch.setattr(blocks, "carry_out", None)
    model = str(tiny_model(tmp_path / "model", "mean_tokens"))
    assert item_blocks.shards(replace(BRIEF, encoder="sentence-transformers", encoder_path=model), inputs) == []
    STAGE.make(BRIEF, inputs, tmp_path / "out")


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_workers_encode_blocks_to_the_same_files(
    tokeniser: str, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(BRIEF, tokeniser=tokeniser)
    whole = STAGE.make(config, inputs, tmp_path / "whole")
    cut(monkeypatch)
    at_hand(monkeypatch)
    made: list[str] = []
    carry_out = blocks.carry_out

    def counted(tasks: list[Shard], folder: Path, label: str) -> None:
        made.extend(task.name for task in tasks)
        carry_out(tasks, folder, label)

    monkeypatch.setattr(blocks, "carry_out", counted)
    found = STAGE.make(config, inputs, tmp_path / "blocks")
    assert made == [f"texts-{k:04d}" for k in range(3)] + [f"codes-{k:04d}" for k in range(3)]
    assert files(found.path) == files(whole.path)


@pytest.mark.slow
def test_an_engine_encodes_blocks_to_the_same_files(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = STAGE.make(BRIEF, inputs, tmp_path / "whole")
    cut(monkeypatch)
    with played(monkeypatch) as ray, workers.on("ray", tmp_path):
        found = STAGE.make(BRIEF, inputs, tmp_path / "ray")
        assert ray.attempts == 6
    assert files(found.path) == files(whole.path)


def test_a_sentence_encoder_is_sharded_by_hand(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = str(tiny_model(tmp_path / "model", "mean_tokens"))
    config = replace(BRIEF, encoder="sentence-transformers", encoder_path=model)
    whole = STAGE.make(config, inputs, tmp_path / "whole")
    cut(monkeypatch)
    at_hand(monkeypatch)
    assert [n for share in (2, 1) for n in Shards(STAGE, config, inputs, tmp_path / "out").carry_out(share, 2)] == [
        "texts-0001",
        "texts-0000",
        "texts-0002",
    ]
    monkeypatch.setattr(item_blocks.SentenceEncoder, "encode", None)  # the merge encodes nothing
    Shards(STAGE, config, inputs, tmp_path / "out").merge()
    assert files(tmp_path / "out" / "codes") == files(whole.path)


def test_what_is_fitted_is_no_shard_and_what_is_kept_is_one(
    many: TrainSplit, inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = STAGE.make(BRIEF, inputs, tmp_path / "whole")
    cut(monkeypatch)
    at_hand(monkeypatch)
    assert item_blocks.shards(BRIEF, inputs) == []
    assert item_blocks.shards(replace(BRIEF, representation="items"), inputs) == []
    assert item_blocks.shards(replace(BRIEF, encoder="matrix", encoder_path="x.npy"), inputs) == []
    kept = replace(BRIEF, pretrained=str(whole.path))
    assert len(Shards(STAGE, kept, inputs, tmp_path / "out").carry_out(1, 1)) == 3
    found = Shards(STAGE, kept, inputs, tmp_path / "out").merge()
    for name in ("embeddings", "codes"):
        assert np.array_equal(found.array(name), whole.array(name))


def test_blocks_of_an_interrupted_run_are_not_those_of_another_fit(
    inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = STAGE.make(BRIEF, inputs, tmp_path / "whole")
    cut(monkeypatch)
    at_hand(monkeypatch)
    assigned = item_blocks.assigned

    def killed(tokeniser: object, x: np.ndarray, folder: Path) -> None:
        for name in ("texts-0001", "codes-0001"):  # of a machine that rounds otherwise
            blocks.save(
                folder, name, {"x": np.ones((2, 2), np.float32), "codes": np.ones((2, 3), np.int32), "errors": np.ones(1)}
            )
        raise KeyboardInterrupt

    monkeypatch.setattr("preceptor.codes.build.assigned", killed)
    with pytest.raises(KeyboardInterrupt):
        STAGE.make(BRIEF, inputs, tmp_path / "out")
    monkeypatch.setattr("preceptor.codes.build.assigned", assigned)
    assert files(STAGE.make(BRIEF, inputs, tmp_path / "out").path) == files(whole.path)


def test_texts_of_a_slice_are_those_of_the_catalogue(many: TrainSplit, tmp_path: Path) -> None:
    many.save(tmp_path)
    assert item_blocks.parquet.scan(tmp_path / item_blocks.ITEMS).slice(7, 5).collect().equals(many.items[7:12])
    assert pl.read_parquet(tmp_path / item_blocks.ITEMS).equals(many.items)


def test_the_error_is_summed_in_one_order() -> None:
    class Three:
        kind, n_codes = "toy", 1

        def blocks(self, x: np.ndarray) -> object:
            for a, b in ((0, 1), (1, 2), (2, 3)):
                yield np.zeros((b - a, 1), np.int32), np.zeros((b - a, 1), np.float32)

    x = np.array([[1e8], [1.0], [1.0]], np.float32)
    assert encode(Three(), x)[1] == (1e16 + 1.0) + 1.0  # and not 1e16 + 2
