"""Sentence encoders from a folder: pooling, independence of rows, clear errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from preceptor.codes.sentences import SentenceEncoder, minilm_folder
from preceptor.core.errors import PreceptorError

TEXTS = ["red kettle", "old drum and bow", "", "red " * 40]


def tiny_model(folder: Path, pooling: str) -> Path:
    words = ["[PAD]", "[UNK]", "red", "kettle", "old", "drum", "and", "bow"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=8, max_position_embeddings=64, **sizes)).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "lasttoken"])
def test_rows_stand_alone(tmp_path: Path, pooling: str) -> None:
    encoder = SentenceEncoder(tiny_model(tmp_path, pooling), "sentence-transformers")
    x = encoder.encode(TEXTS)
    assert x.shape == (4, 16)
    assert np.allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    assert np.array_equal(encoder.encode(TEXTS[:1])[0], x[0])
    encoder.save(tmp_path / "saved")
    assert list(json.loads((tmp_path / "saved/encoder.json").read_text())["weights_sha256"]) == ["model.safetensors"]


def test_poolings_differ(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path, "mean_tokens")
    mean = SentenceEncoder(folder, "x").encode(TEXTS[:1])
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    assert np.abs(SentenceEncoder(folder, "x").encode(TEXTS[:1]) - mean).max() > 1e-3


def test_no_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="sentence encoder"):
        SentenceEncoder(tmp_path, "sentence-transformers")


def test_the_packaged_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PreceptorError, match="pip install"):
        minilm_folder()


def test_loading_draws_no_progress_bar_and_leaves_the_setting(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from transformers.utils import logging

    folder = tiny_model(tmp_path, "mean_tokens")
    before = logging.is_progress_bar_enabled()
    capfd.readouterr()
    SentenceEncoder(folder, "x").encode(TEXTS)
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled() == before
