"""Sentence encoders from a folder: pooling, independence of rows, clear errors."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from preceptor.codes.config import CodesConfig
from preceptor.codes.encoded import encode_cached
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


def test_kept_encodings_are_taken_only_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "cache"))
    folder = tiny_model(tmp_path / "model", "mean_tokens")
    config = CodesConfig(encoder="sentence-transformers", encoder_path=str(folder))
    first, _ = encode_cached(TEXTS, config)
    assert np.array_equal(encode_cached(TEXTS, config)[0], first)
    assert "are in" in capsys.readouterr().err
    (kept,) = (tmp_path / "cache" / "embeddings").glob("*.npy")
    changed = bytearray(kept.read_bytes())
    changed[-1] ^= 1
    kept.write_bytes(changed)
    assert np.array_equal(encode_cached(TEXTS, config)[0], first)
    assert "are damaged and are made again" in capsys.readouterr().err
    for content in (b"", b"[]", b"{}", b"\xff"):
        kept.with_suffix(".json").write_bytes(content)
        assert np.array_equal(encode_cached(TEXTS, config)[0], first)


def test_encodings_are_made_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRECEPTOR_CACHE", str(tmp_path / "file"))
    config = CodesConfig(encoder="sentence-transformers", encoder_path=str(tiny_model(tmp_path / "model", "mean_tokens")))
    assert encode_cached(TEXTS, config)[0].shape == (4, 16)


@pytest.mark.parametrize("change", ["cut", "lacking", "another shape"])
def test_damaged_weights_are_refused(change: str, tmp_path: Path) -> None:
    """Left alone, transformers draws what is missing at random."""
    folder = tiny_model(tmp_path, "mean_tokens")
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    name = "encoder.layer.0.output.dense.weight"
    if change == "cut":
        weights.write_bytes(weights.read_bytes()[:500])
    else:
        given = tensors.pop(name)
        save_file(tensors if change == "lacking" else {**tensors, name: given[:-1]}, weights, {"format": "pt"})
    with pytest.raises(PreceptorError, match="sentence encoder"):
        SentenceEncoder(folder, "sentence-transformers")
