"""Codes of a catalogue that has grown: known items keep theirs, and their side of the held-out draw."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from codes.conftest import catalogue, interactions
from codes.test_stage import CONFIG, as_artifact, files, staged
from preceptor.codes.kept import Kept
from preceptor.codes.stage import STAGE
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit


def grown(n: int = 360, seed: int = 5) -> TrainSplit:
    """The catalogue of 300 items with 60 more, shuffled, item7 gone and the text of item3 rewritten."""
    items = catalogue(n).filter(pl.col("item_id") != "item7")
    rewritten = pl.when(pl.col("item_id") == "item3").then(pl.lit("another thing altogether")).otherwise("title")
    order = np.random.default_rng(seed).permutation(items.height)
    return interactions(items.with_columns(title=rewritten)[order.tolist()], n_users=90)


@pytest.mark.parametrize("settings", [{}, {"collisions": "shared"}, {"n_latents": 48}], ids=["distinct", "shared", "few"])
def test_known_items_keep_codes_and_side(settings: dict[str, object], tmp_path: Path) -> None:
    old = staged(interactions(catalogue(300)), tmp_path / "old", **settings)
    train = grown()
    new = staged(train, tmp_path / "new", **settings, since=str(old.path))
    ids = train.items["item_id"].to_list()
    place = np.array([int(name.removeprefix("item")) for name in ids])
    known = place < 300
    codes, held_out = new.array("codes"), new.array("held_out")
    assert (codes[known] == old.array("codes")[place[known]]).all()  # item3 too, whose text is another now
    assert (held_out[known] == old.array("held_out")[place[known]]).all()
    touched = ~known & (train.popularity > 0)
    assert 0 < held_out[~known].sum() <= 0.2 * touched.sum() + 1
    if settings.get("collisions") != "shared":
        assert len(np.unique(codes, axis=0)) == len(codes)
        gone = old.array("codes")[7]
        assert not (codes[~known] == gone).all(axis=1).any()  # a model was taught that they are item7


def test_new_items_with_a_known_item_s_codes_are_on_its_side(tmp_path: Path) -> None:
    first = interactions(catalogue(300))
    old = staged(first, tmp_path / "old")
    twins = first.items.with_columns(item_id="twin of " + pl.col("item_id"))  # same texts, so same base codes
    both = interactions(pl.concat([first.items, twins]))
    new = staged(both, tmp_path / "new", since=str(old.path))
    base, held_out = new.array("base_codes"), new.array("held_out")
    assert (base[:300] == base[300:]).all()
    assert (held_out[:300] == held_out[300:]).all()


def test_one_token_per_item_goes_on_numbering(tmp_path: Path) -> None:
    old = staged(interactions(catalogue(20)), tmp_path / "old", representation="items")
    items = catalogue(24).filter(pl.col("item_id") != "item7").reverse()
    new = staged(interactions(items), tmp_path / "new", representation="items", since=str(old.path))
    codes = dict(zip(items["item_id"], new.array("codes")[:, 0].tolist(), strict=True))
    assert {k: v for k, v in codes.items() if v < 20} == {f"item{i}": i for i in range(20) if i != 7}
    assert sorted(v for v in codes.values() if v >= 20) == [20, 21, 22, 23]
    assert new.counts["n_latents"] == 24
    assert len(new.json("code_words")) == 24
    assert new.json("quality")["dead_share"] == pytest.approx(1 / 24)
    again = grown_again(new.path, tmp_path)
    assert Kept.load(again).n_latents == 26


def grown_again(since: Path, tmp_path: Path) -> Path:
    """A refresh of a refresh: another item, and one that is back."""
    train = interactions(catalogue(25))  # item7 is back
    made = staged(train, tmp_path / "again", representation="items", since=str(since))
    assert made.array("codes")[7, 0] == 24  # it lost its token when it left
    return made.path


def test_auto_keeps_the_representation_of_the_run(tmp_path: Path) -> None:
    old = staged(interactions(catalogue(100)), tmp_path / "old")
    new = staged(interactions(catalogue(110)), tmp_path / "new", representation="auto", since=str(old.path))
    assert new.counts["representation"] == "codes"


def test_where_the_codes_lie_is_no_part_of_the_key(tmp_path: Path) -> None:
    old = staged(interactions(catalogue(100)), tmp_path / "old")
    copied = staged(interactions(catalogue(100)), tmp_path / "copy")
    inputs = {"train": as_artifact(interactions(catalogue(110)), tmp_path / "train")}
    new = STAGE.make(replace(CONFIG, since=str(old.path)), inputs, tmp_path / "a")
    assert STAGE.status(replace(CONFIG, since=str(copied.path)), inputs, tmp_path / "a")[0] == "fresh"
    other = staged(interactions(catalogue(90)), tmp_path / "other")
    state, why = STAGE.status(replace(CONFIG, since=str(other.path)), inputs, tmp_path / "a")
    assert (state, why) == ("stale", "input since changed")
    assert files(new.path) == files(STAGE.make(replace(CONFIG, since=str(copied.path)), inputs, tmp_path / "b").path)


def test_what_is_no_codes_is_refused(tmp_path: Path) -> None:
    train = interactions(catalogue(100))
    old = staged(train, tmp_path / "old")
    with pytest.raises(PreceptorError, match=r"(?s)codes\.since.*3 codes per item"):
        Kept.load(old.path).fixed(["item1"], np.zeros((1, 2), np.int32))
    with pytest.raises(PreceptorError, match="No finished artifact here"):
        staged(train, tmp_path / "newer", since=str(tmp_path / "nothing"))
