"""Text of items and its TF-IDF embedding."""

from pathlib import Path

import numpy as np

from preceptor.codes.encoders import TfidfEncoder, item_text, item_texts
from preceptor.data.log import TrainSplit


def test_item_text_leaves_out_what_is_missing() -> None:
    row = {"title": " Toy Story ", "brand": None, "categories": ["Film", "", "Comedy"], "description": ""}
    assert item_text(row) == "Toy Story. Film › Comedy"
    assert item_text({}) == ""


def test_similar_items_are_near(train: TrainSplit) -> None:
    x = TfidfEncoder.fit(texts := item_texts(train.items), 32).encode(texts)
    near = x @ x.T
    same = np.arange(300)[:, None] % 5 == np.arange(300) % 5
    assert np.allclose(np.diag(near), 1, atol=1e-5)
    assert near[same].mean() > near[~same].mean() + 0.3


def test_a_row_does_not_depend_on_the_others(train: TrainSplit) -> None:
    encoder = TfidfEncoder.fit(texts := item_texts(train.items), 32)
    assert np.array_equal(encoder.encode(texts)[:7], encoder.encode(texts[:7]))


def test_saved_encoder_gives_the_same_bits(train: TrainSplit, tmp_path: Path) -> None:
    encoder = TfidfEncoder.fit(texts := item_texts(train.items), 32)
    encoder.save(tmp_path)
    assert np.array_equal(TfidfEncoder.load(tmp_path).encode(texts), encoder.encode(texts))


def test_signs_do_not_depend_on_the_draw(train: TrainSplit) -> None:
    texts = item_texts(train.items)
    a, b = (TfidfEncoder.fit(texts, 4, seed).encode(texts) for seed in (0, 1))
    assert np.abs(a - b).max() < 0.05


def test_scripts_without_spaces_have_words() -> None:
    texts = ["青い椅子", "赤い椅子", "白い机"]
    x = TfidfEncoder.fit(texts, 8).encode(texts)
    assert x[0] @ x[1] > x[0] @ x[2]


def test_texts_without_words_give_zeros() -> None:
    assert not TfidfEncoder.fit(["", "!"], 8).encode(["", "a"]).any()
