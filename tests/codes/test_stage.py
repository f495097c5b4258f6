"""The codes stage: whole, repeatable, blind to all but training data, with clear answers to odd catalogues."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from time import process_time

import numpy as np
import polars as pl
import pytest

from preceptor.codes.build import build
from preceptor.codes.config import CodesConfig, latents_for
from preceptor.codes.stage import STAGE
from preceptor.core.artifact import Artifact, file_digest
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit

TOKENISERS = ["sae", pytest.param("rq-kmeans", marks=pytest.mark.skipif(not find_spec("faiss"), reason="no faiss")), "rq-vae"]
CONFIG = CodesConfig(representation="codes", dims=16, n_codes=3, n_latents=64, steps=80, batch=128)


def as_artifact(train: TrainSplit, folder: Path) -> Artifact:
    train.save(folder)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": file_digest(p)} for p in sorted(folder.iterdir())}
    return Artifact(folder, {"format": 1, "files": files})


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "run.json"
    }


def staged(train: TrainSplit, folder: Path, **settings: object) -> Artifact:
    """The stage run on a split, with settings other than CONFIG's."""
    return STAGE.make(replace(CONFIG, **settings), {"train": as_artifact(train, folder / "train")}, folder / "out")  # type: ignore[arg-type]


def test_artifact_is_whole_and_repeats_to_the_byte(train: TrainSplit, tmp_path: Path) -> None:
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    made = STAGE.make(CONFIG, inputs, tmp_path / "a")
    again = STAGE.make(CONFIG, inputs, tmp_path / "b")
    assert files(made.path) == files(again.path)
    codes, base = made.array("codes"), made.array("base_codes")
    assert codes.dtype == np.int32
    assert codes.shape == base.shape == (300, 3)
    assert len(np.unique(codes, axis=0)) == 300
    assert codes.min() >= 0
    assert codes.max() < 64
    assert made.array("embeddings").shape[0] == 300
    interacted = train.popularity > 0
    assert abs(made.array("held_out")[interacted].sum() - 0.2 * interacted.sum()) <= 3
    facts = made.json("quality")
    assert facts["collisions_after"] == 0
    assert facts["cooccurrence_auc"] > 0.6
    assert any("the rule would give" in w for w in facts["warnings"])
    assert len(made.json("code_words")) == 64
    assert made.counts["n_latents"] == 64


def test_only_the_training_part_shapes_codes(train: TrainSplit, tmp_path: Path) -> None:
    """The leak rule: with other validation and test interactions, and the same training part, every byte is the same."""
    made = []
    for seed in (0, 1):
        root = tmp_path / f"data{seed}"
        train.save(root / "train")
        (root / "test").mkdir()
        np.save(root / "test/sequence.npy", np.random.default_rng(seed).integers(0, 300, 500))
        listed = {p.relative_to(root).as_posix(): {"sha256": file_digest(p)} for p in sorted(root.rglob("*.*"))}
        data = Artifact(root, {"format": 1, "files": listed})
        made.append(STAGE.make(CONFIG, {"train": data.part("train")}, tmp_path / f"out{seed}"))
    assert files(made[0].path) == files(made[1].path)


def test_interactions_shape_no_code(train: TrainSplit, tmp_path: Path) -> None:
    other = TrainSplit(train.items, train.n_users, train.user, np.sort(train.item), train.time)
    for name, split in (("a", train), ("b", other)):
        (tmp_path / name).mkdir()
        build(split, CONFIG, tmp_path / name)
    for name in ("codes.npy", "base_codes.npy", "embeddings.npy", "code_words.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_pretrained_codes_stay_when_items_are_added_or_moved(
    train: TrainSplit, make_train: Callable[..., TrainSplit], tmp_path: Path, tokeniser: str
) -> None:
    config = replace(CONFIG, tokeniser=tokeniser)
    first = STAGE.make(config, {"train": as_artifact(train, tmp_path / "train")}, tmp_path / "a")
    assert first.counts["collisions"] == 0
    assert first.json("quality")["moved_items"] > 0  # the distinguishing code is at work
    more = make_train(340)
    moved = TrainSplit(more.items.reverse(), more.n_users, more.user, more.item, more.time)
    reuse = replace(config, pretrained=str(first.path))
    for name, grown in (("appended", more), ("moved", moved)):
        second = STAGE.make(reuse, {"train": as_artifact(grown, tmp_path / name)}, tmp_path / f"out-{name}")
        codes = second.array("codes")
        assert len(np.unique(codes, axis=0)) == 340
        order = {item: i for i, item in enumerate(grown.items["item_id"])}
        kept = codes[[order[item] for item in train.items["item_id"]]]
        assert np.array_equal(kept, first.array("codes"))


def test_a_pretrained_folder_counts_by_its_content_not_its_path(train: TrainSplit, tmp_path: Path) -> None:
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    first = STAGE.make(CONFIG, inputs, tmp_path / "a")
    made = STAGE.make(replace(CONFIG, pretrained=str(first.path)), inputs, tmp_path / "b")
    shutil.copytree(first.path, tmp_path / "copy")
    (tmp_path / "copy/manifest.json").unlink()
    copied = replace(CONFIG, pretrained=str(tmp_path / "copy"))
    assert STAGE.status(copied, inputs, tmp_path / "b")[0] == "fresh"
    assert str(tmp_path) not in (made.path / "manifest.json").read_text()
    weights = tmp_path / "copy/tokeniser/sae.safetensors"
    weights.write_bytes(weights.read_bytes() + b"?")
    assert STAGE.status(copied, inputs, tmp_path / "b")[0] == "stale"


def test_an_index_file_goes_round(train: TrainSplit, tmp_path: Path) -> None:
    """Codes exported by one run and imported by another, by whatever tokeniser they were made, are the same codes."""
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    first = STAGE.make(CONFIG, inputs, tmp_path / "a")
    index = first.file("codes.index.json")
    second = STAGE.make(replace(CONFIG, pretrained=str(index)), inputs, tmp_path / "b")
    assert np.array_equal(second.array("codes"), first.array("codes"))
    assert second.file("codes.index.json").read_bytes() == index.read_bytes()
    assert second.json("quality")["tokeniser"] == "index"
    assert second.json("quality")["reconstruction_r2"] is None
    assert second.counts["n_latents"] <= 64


def test_an_index_of_others_is_made_distinct_and_must_be_whole(train: TrainSplit, tmp_path: Path) -> None:
    ids = train.items["item_id"].to_list()
    theirs = {item: [f"<a_{i % 5}>", f"<b_{i // 5 % 56}>"] for i, item in enumerate(ids)}
    (tmp_path / "x.index.json").write_text(json.dumps(theirs))
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    config = replace(CONFIG, pretrained=str(tmp_path / "x.index.json"))
    made = STAGE.make(config, inputs, tmp_path / "a")
    assert len(np.unique(made.array("codes"), axis=0)) == 300
    assert made.json("tokeniser/tokens")[:6] == ["<a_0>", "<a_1>", "<a_2>", "<a_3>", "<a_4>", "<b_0>"]
    assert np.array_equal(made.array("codes")[:, 0], np.arange(300) % 5)
    del theirs[ids[7]]
    (tmp_path / "x.index.json").write_text(json.dumps(theirs))
    with pytest.raises(PreceptorError, match="item7"):
        STAGE.make(config, inputs, tmp_path / "a")


def test_shared_codes_by_choice(make_train: Callable[..., TrainSplit], tmp_path: Path) -> None:
    doubled = make_train(titles=["red kettle", "red kettle", "blue drum", "old pen and ink", "green drum"] * 4)
    counts = build(doubled, replace(CONFIG, collisions="shared", n_latents=32), tmp_path)
    assert counts["collisions"] >= 16


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_duplicate_and_empty_titles_get_codes_of_their_own(
    make_train: Callable[..., TrainSplit], tmp_path: Path, tokeniser: str
) -> None:
    titles = ["red kettle", "", "red kettle", "", "blue drum", "", "old pen", "red drum", "old kettle", "pen"]
    made = staged(make_train(titles=titles), tmp_path, tokeniser=tokeniser, n_latents=32)
    assert made.counts["collisions"] == 0
    base = made.array("base_codes")
    assert np.array_equal(base[0], base[2])
    assert np.array_equal(base[1], base[5])


@pytest.mark.parametrize("tokeniser", TOKENISERS)
@pytest.mark.parametrize("n", [2, 10])
def test_a_handful_of_items(make_train: Callable[..., TrainSplit], tmp_path: Path, n: int, tokeniser: str) -> None:
    made = staged(make_train(n), tmp_path, tokeniser=tokeniser, n_latents=0)
    assert made.counts["n_latents"] <= 8
    assert made.counts["collisions"] == 0


@pytest.mark.parametrize("titles", [["red kettle"], [""] * 5], ids=["one", "empty"])
def test_nothing_to_tell_apart_is_an_error(make_train: Callable[..., TrainSplit], tmp_path: Path, titles: list[str]) -> None:
    with pytest.raises(PreceptorError, match=r"same embedding[\s\S]*remedy"):
        staged(make_train(titles=titles), tmp_path)


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_a_hundred_thousand_identical_items_are_refused_quickly(tmp_path: Path, tokeniser: str) -> None:
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(100_000)], "title": ["red kettle"] * 100_000})
    train = TrainSplit(items, 2, np.array([0, 0, 1], np.int32), np.array([0, 1, 2], np.int32), np.arange(3))
    started = process_time()
    with pytest.raises(PreceptorError, match="same embedding"):
        staged(train, tmp_path, tokeniser=tokeniser)
    assert process_time() - started < 20


@pytest.mark.parametrize("tokeniser", TOKENISERS)
def test_many_twins_beside_others_are_refused_quickly(tmp_path: Path, tokeniser: str) -> None:
    """That one text is almost all items is no collapse of the tokeniser; but they can't be told apart."""
    titles = ["red kettle"] * 20_000 + [f"drum {a} {b}" for a in ("old", "new", "big") for b in ("ink", "map", "bow")]
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(len(titles))], "title": titles})
    train = TrainSplit(items, 2, np.array([0, 0, 1], np.int32), np.array([0, 1, 2], np.int32), np.arange(3))
    started = process_time()
    with pytest.raises(PreceptorError, match=r"alike[\s\S]*shared"):
        staged(train, tmp_path, tokeniser=tokeniser, n_latents=32, steps=20)
    shared = staged(train, tmp_path, tokeniser=tokeniser, n_latents=32, steps=20, collisions="shared")
    assert shared.counts["collisions"] >= 19_999
    assert process_time() - started < 30


def test_precomputed_embeddings(train: TrainSplit, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((300, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    config = replace(CONFIG, encoder="matrix", encoder_path=str(tmp_path / "x.npy"))
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    made = STAGE.make(config, inputs, tmp_path / "out")
    assert np.array_equal(made.array("embeddings"), x)
    np.save(tmp_path / "x.npy", x[::-1])
    assert np.array_equal(STAGE.make(config, inputs, tmp_path / "out").array("embeddings"), x[::-1])
    np.save(tmp_path / "x.npy", x[:-1])
    with pytest.raises(PreceptorError, match=r"\(300, d\)"):
        STAGE.make(config, inputs, tmp_path / "out")


@pytest.mark.parametrize(("field", "value"), [("encoder", "bert"), ("tokeniser", "lsh"), ("collisions", "no"), ("n_codes", 64)])
def test_unknown_settings_are_named(train: TrainSplit, tmp_path: Path, field: str, value: str | int) -> None:
    with pytest.raises(PreceptorError, match="expected"):
        build(train, replace(CONFIG, **{field: value}), tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(("texts", "n_codes", "latents"), [(1664, 4, 128), (100, 8, 32), (81_920, 8, 8192), (10**7, 8, 8192)])
def test_latents_scale_with_the_catalogue(texts: int, n_codes: int, latents: int) -> None:
    assert latents_for(texts, n_codes) == latents


def test_nothing_is_built_on_damaged_pretrained_codes(train: TrainSplit, tmp_path: Path) -> None:
    """A flipped bit of an autoencoder gives other codes; only the folder's manifest tells."""
    inputs = {"train": as_artifact(train, tmp_path / "train")}
    first = STAGE.make(CONFIG, inputs, tmp_path / "a")
    weights = first.file("tokeniser/sae.safetensors")
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    with pytest.raises(PreceptorError, match=r"Damaged artifact[\s\S]*sae\.safetensors"):
        STAGE.make(replace(CONFIG, pretrained=str(first.path)), inputs, tmp_path / "b")
    (first.path / "manifest.json").unlink()
    weights.write_bytes(bytes(changed[:100]))
    with pytest.raises(PreceptorError, match=r"Damaged tokeniser[\s\S]*sae\.safetensors"):
        STAGE.make(replace(CONFIG, pretrained=str(first.path)), inputs, tmp_path / "c")
