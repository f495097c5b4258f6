"""Quality figures against known answers."""

import numpy as np
import pytest

from preceptor.codes.encoders import TfidfEncoder, item_texts
from preceptor.codes.quality import code_words, quality, refuse_collapse
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit


def test_codes_of_the_theme_predict_what_goes_together(train: TrainSplit) -> None:
    x = TfidfEncoder.fit(texts := item_texts(train.items), 16).encode(texts)
    theme = np.stack([np.arange(300) % 5, 5 + np.arange(300) % 5], 1).astype(np.int32)
    noise = np.random.default_rng(0).integers(0, 10, (300, 2)).astype(np.int32)
    good, bad = (quality(train, x, 0.0, codes, codes, 10) for codes in (theme, noise))
    assert good["cooccurrence_auc"] > 0.7
    assert abs(bad["cooccurrence_auc"] - 0.5) < 0.1
    assert good["reconstruction_r2"] == 1
    assert good["code_entropy_bits"] == pytest.approx(np.log2(10))
    assert good["collisions_before"] == 295
    assert good["dead_share"] == 0


def test_collapse_is_an_error_with_a_remedy() -> None:
    x = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    with pytest.raises(PreceptorError, match=r"collapsed[\s\S]*remedy"):
        refuse_collapse(x, np.tile(np.array([[3, 1]], np.int32), (500, 1)))


def test_code_words_name_the_theme() -> None:
    texts = ["red kettle the", "blue kettle the", "old drum the", "new drum the"]
    base = np.array([[0, 2], [0, 2], [1, 2], [1, 2]])
    words = code_words(texts, base, 4)
    assert words[0][0] == "kettle"
    assert words[1][0] == "drum"
    assert words[3] == []
