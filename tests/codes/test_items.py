"""One token per item: chosen for small catalogues and said aloud; nothing is trained and nothing held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from codes.test_stage import CONFIG, as_artifact, staged
from preceptor.codes.config import CodesConfig
from preceptor.codes.index_json import import_index
from preceptor.codes.items import representation_of
from preceptor.codes.stage import STAGE
from preceptor.core.errors import PreceptorError
from preceptor.core.tables.codes import Quality
from preceptor.core.tables.document import facts
from preceptor.data.log import TrainSplit


def test_small_catalogues_have_item_tokens_unless_codes_are_given() -> None:
    auto = CodesConfig()
    assert [representation_of(auto, n)[0] for n in (1, 19_999, 20_000)] == ["items", "items", "codes"]
    assert representation_of(replace(auto, pretrained="general/"), 5)[0] == "codes"
    for asked in ("items", "codes"):
        assert representation_of(replace(auto, representation=asked), 19_999) == (asked, "as set")


def test_an_item_is_its_own_code(train: TrainSplit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = staged(train, tmp_path, representation="auto")
    assert "one token per item for 300 items (chosen for fewer than 20,000 items; " in capsys.readouterr().err
    assert made.counts == {
        "representation": "items", "items": 300, "n_codes": 1, "n_latents": 300, "collisions": 0, "held_out_items": 0,
    }  # fmt: skip
    for name in ("codes", "base_codes"):
        assert made.array(name).dtype == np.int32
        assert made.array(name)[:, 0].tolist() == list(range(300))
    assert not made.array("held_out").any()
    assert not {"embeddings.npy", "encoder", "tokeniser"} & {p.name for p in made.path.iterdir()}
    assert made.json("code_words") == [[]] * 300
    index, _ = import_index(made.file("codes.index.json"))
    assert index == {item: [n] for n, item in enumerate(train.items["item_id"].to_list())}


def test_quality_says_that_nothing_was_trained(train: TrainSplit, tmp_path: Path) -> None:
    found = facts(Quality, staged(train, tmp_path, representation="items").json("quality"), "quality.json")
    assert (found.representation, found.encoder, found.held_out_items) == ("items", "none", 0)
    assert (found.collisions_after, found.dead_share, found.code_entropy_bits) == (0, 0, pytest.approx(np.log2(300), abs=1e-6))
    assert found.reconstruction_r2 is found.cooccurrence_auc is found.latents_by_rule is None


def test_items_with_equal_text_have_tokens_of_their_own(make_train, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """An encoder would refuse this catalogue."""
    made = staged(make_train(titles=["Toast"] * 300), tmp_path, representation="items")
    assert len(np.unique(made.array("codes"))) == 300


def test_given_codes_and_item_tokens_exclude_each_other() -> None:
    with pytest.raises(PreceptorError, match=r"(?s)codes\.pretrained.*representation items"):
        STAGE.check(CodesConfig(representation="items", pretrained="general/"))
    with pytest.raises(PreceptorError, match=r"codes\.representation"):
        STAGE.check(CodesConfig(representation="tokens"))


def test_work_is_known_once_the_catalogue_is(train: TrainSplit, tmp_path: Path) -> None:
    inputs = {"train": as_artifact(train, tmp_path)}
    auto, codes = replace(CONFIG, representation="auto"), CONFIG.steps * CONFIG.batch
    assert STAGE.cost(auto, {}).amount is None
    assert STAGE.cost(auto, inputs).amount == 0
    assert STAGE.cost(replace(CONFIG, representation="items"), {}).amount == 0
    assert STAGE.cost(CONFIG, {}).amount == STAGE.cost(CONFIG, inputs).amount == codes
    many = pl.concat([train.items] * 67)
    assert many.height > 20_000
    assert STAGE.cost(auto, {"train": as_artifact(replace(train, items=many), tmp_path / "many")}).amount == codes
