"""A given checkpoint that is damaged or lacks what it must say: an error that names the file, before anything is trained."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lm.bases import base
from lm.toy import CONFIG
from preceptor.core.errors import PreceptorError
from preceptor.lm.base import base_artifact, base_depth, base_rung, first_new_row, padding_rows, token_ids


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture
def copy(given: Path, tmp_path: Path) -> Path:
    return shutil.copytree(given, tmp_path / "model")


def read_all(folder: Path) -> None:
    """Everything that a sweep asks of a base before it trains."""
    config = CONFIG.__class__(**{**vars(CONFIG), "base": str(folder)})
    base_depth(folder), base_rung(config, 64, 32), padding_rows(folder), first_new_row(folder)


def test_a_whole_base_is_read(copy: Path) -> None:
    read_all(copy)


def test_other_files_of_a_hub_folder_do_not_matter(copy: Path) -> None:
    """Before, a README beside the weights was "a file that no manifest names", and no base from a hub could be used."""
    before = base_artifact(copy)
    (copy / "README.md").write_text("# A model\n")
    (copy / "merges.txt").write_text("a b\n")
    after = base_artifact(copy)
    after.verify()
    assert after.digest == before.digest
    with open(copy / "config.json", "a", encoding="utf-8") as f:
        f.write(" ")
    assert base_artifact(copy).digest != before.digest
    with pytest.raises(PreceptorError, match=r"config\.json"):
        after.verify()


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[]", b"null", b"[" * 100_000])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_damaged_json_is_named(file: str, content: bytes, copy: Path) -> None:
    (copy / file).write_bytes(content)
    with pytest.raises(PreceptorError) as caught:
        read_all(copy)
    assert file in str(caught.value.where)


@pytest.mark.parametrize("name", ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"])
@pytest.mark.parametrize("value", [None, 0, -3, "16", 2.5, [], True])
def test_a_size_that_is_none_is_named(name: str, value: Any, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {name: value}))
    with pytest.raises(PreceptorError, match=rf"lacks a size[\s\S]*config\.json[\s\S]*{name}"):
        read_all(copy)


@pytest.mark.parametrize(
    "content", ['{"model": []}', '{"model": {}}', '{"model": {"vocab": {"a": "x"}}}', '{"added_tokens": [1]}']
)
def test_a_tokenizer_without_tokens_is_named(content: str, copy: Path) -> None:
    (copy / "tokenizer.json").write_text(content)
    with pytest.raises(PreceptorError, match=r"lacks its tokens[\s\S]*tokenizer\.json"):
        token_ids(copy)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_cut_weights_are_named(kept: int, copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:kept])
    with pytest.raises(PreceptorError, match=r"Damaged weights[\s\S]*model\.safetensors"):
        read_all(copy)


def test_a_folder_in_place_of_weights_is_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "model.safetensors").mkdir()
    with pytest.raises(PreceptorError, match="Damaged weights"):
        read_all(copy)
