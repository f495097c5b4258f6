"""Rows of added tokens: drawn in the way asked for, old rows and old logits kept, and trained alone where that is asked."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lm.bases import KNOWN, base
from lm.toy import CONFIG, EOS, VOCAB
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.stream import Stream
from preceptor.lm import stage
from preceptor.lm.checkpoints import head, load_model, table
from preceptor.lm.grid import WAYS, size_of
from preceptor.lm.learner import Learner
from preceptor.lm.new_rows import extend, padded, text_rows
from preceptor.lm.start import make_model

torch.set_num_threads(1)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("way", [w for w in WAYS if w != "directions"])
def test_logits_of_old_tokens_are_what_they_were(tmp_path: Path, stream: Stream, family: str, tied: bool, way: str) -> None:
    folder = base(tmp_path / "base", family, tied)
    ids = torch.arange(1, 17)[None]
    model = load_model(folder)
    with torch.no_grad():
        before = model(input_ids=ids).logits
        assert extend(model, KNOWN, 64, 0, way=way, stream=stream) == 64 - KNOWN
        after = model(input_ids=ids).logits
    assert after.shape[-1] == 64 == model.config.vocab_size
    torch.testing.assert_close(after[..., :KNOWN], before, rtol=0, atol=1e-6)
    assert (table(model, "input").data_ptr() == head(model).data_ptr()) == tied


def test_padding_of_the_base_is_drawn_anew(tmp_path: Path) -> None:
    """Rows beyond the tokenizer were never trained: the first codes must not get them."""
    folder = base(tmp_path / "base", rows=64)
    model = load_model(folder)
    before = table(model, "input").detach().clone()
    assert extend(model, KNOWN, VOCAB, 0) == VOCAB - KNOWN
    after = table(model, "input").detach()
    assert len(after) == 64
    assert torch.equal(after[:KNOWN], before[:KNOWN])
    assert not (after[KNOWN:VOCAB] == before[KNOWN:VOCAB]).all(1).any()


def test_covariance_is_the_old_rows_own(tmp_path: Path) -> None:
    model = load_model(base(tmp_path / "base", known=400))
    with torch.no_grad():  # all old rows lie near one line
        table(model, "input").copy_(torch.randn(400, 1) @ torch.ones(1, 16) + 0.01 * torch.randn(400, 16))
    extend(model, 400, 1400, 0, way="covariance")
    new = table(model, "input").detach()[400:]
    new = new - new.mean(0)
    along = (new @ torch.ones(16) / 4) ** 2
    assert along.sum() / (new**2).sum() > 0.99
    assert along.mean().sqrt() == pytest.approx(0.4, rel=0.15)  # a tenth of the old rows' 4


def test_rows_of_texts_are_weighted_means_of_their_words(tmp_path: Path) -> None:
    """Three items: codes 20, 21, 22; word 1 is in each text and says nothing, words 2 and 3 in one or two."""
    folder = tmp_path / "sources"
    folder.mkdir()
    documents = [[1, 20, 2, EOS], [1, 21, 3, EOS], [1, 22, 2, 3, EOS]]
    np.save(folder / "item-text_tokens.npy", np.concatenate(documents).astype(np.uint16))
    np.save(folder / "item-text_offsets.npy", np.cumsum([0, *map(len, documents)]))
    stream = Stream.__new__(Stream)
    stream.folder, stream.first_code, stream.n_latents, stream.eos = tmp_path, 20, 4, EOS
    known = torch.eye(20)
    rows, has = text_rows(stream, known)
    assert has.tolist() == [True, True, True, False]
    torch.testing.assert_close(rows[0], known[2])
    torch.testing.assert_close(rows[1], known[3])
    torch.testing.assert_close(rows[2], (known[2] + known[3]) / 2)


def test_directions_carry_texts_to_codes_that_have_none(tmp_path: Path, stream: Stream) -> None:
    model = load_model(base(tmp_path / "base"))
    (tmp_path / "codes" / "tokeniser").mkdir(parents=True)
    decoder = np.random.default_rng(0).standard_normal((stream.n_latents, 6)).astype(np.float32)
    save_file({"decoder": decoder}, tmp_path / "codes" / "tokeniser" / "sae.safetensors")
    extend(model, KNOWN, VOCAB, 0, way="directions", stream=stream, directions=str(tmp_path / "codes"))
    with pytest.raises(PreceptorError, match=r"lm\.directions"):
        extend(load_model(tmp_path / "base"), KNOWN, VOCAB, 0, way="directions", stream=stream, directions=str(tmp_path))


def learner(stream: Stream, folder: Path, **changes: object) -> Learner:
    settings = {"base": str(folder), "new_rows_first": 4, "pad_vocabulary": 64, "lr": 1e-2} | changes
    config = dataclasses.replace(CONFIG, **settings)  # type: ignore[arg-type]
    size = size_of(config, 2, VOCAB, stream.context)
    assert size.vocab == padded(VOCAB, 64) == 64
    return Learner(config, size, stream, make_model(config, size, stream, 0), 1, KNOWN)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize("tied", [True, False])
def test_first_phase_trains_new_rows_and_not_a_bit_else(tmp_path: Path, stream: Stream, family: str, tied: bool) -> None:
    one = learner(stream, base(tmp_path / "base", family, tied))
    before = {k: v.clone() for k, v in one.model.state_dict().items()}
    one.train_until(4, tmp_path / "s", lambda n: None)
    for name, x in one.model.state_dict().items():
        if "embed_tokens" in name or "lm_head" in name:
            assert torch.equal(x[:KNOWN], before[name][:KNOWN])
            assert (x[KNOWN:VOCAB] != before[name][KNOWN:VOCAB]).any(1).all()
        else:
            assert torch.equal(x, before[name]), name
    one.train_until(5, tmp_path / "s", lambda n: None)
    after = one.model.state_dict()
    assert not torch.equal(after["model.embed_tokens.weight"][:KNOWN], before["model.embed_tokens.weight"][:KNOWN])


def test_first_phase_is_taken_up_bit_for_bit(tmp_path: Path, stream: Stream) -> None:
    folder = base(tmp_path / "base")
    straight, first, second = (learner(stream, folder) for _ in range(3))
    straight.train_until(7, tmp_path / "s", lambda n: None)
    first.train_until(2, tmp_path / "s", lambda n: None)
    first.save(tmp_path / "half")
    second.restore(tmp_path / "half")
    second.train_until(7, tmp_path / "s", lambda n: None)
    straight.save(tmp_path / "a")
    second.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_settings_at_their_defaults_are_no_part_of_the_key(made: Artifact) -> None:
    """Runs made before there were such settings stay up to date."""
    plain = stage.STAGE.key(CONFIG, {"curriculum": made}).config
    assert set(plain) == {f.name for f in dataclasses.fields(CONFIG)} - {*stage.SINCE_CONTINUAL, "report_to"}
    other = stage.STAGE.key(dataclasses.replace(CONFIG, accumulate=2), {"curriculum": made}).config
    assert set(other) - set(plain) == {"accumulate"}


def test_key_says_where_padding_was_drawn_anew(tmp_path: Path, made: Artifact) -> None:
    for rows, said in ((KNOWN, None), (64, KNOWN)):
        folder = base(tmp_path / f"{rows}", rows=rows)
        key = stage.STAGE.key(dataclasses.replace(CONFIG, base=str(folder)), {"curriculum": made})
        assert key.config.get("first_new_row") == said
        json.dumps(key.config)


def test_settings_of_a_base_are_refused_without_one() -> None:
    with pytest.raises(PreceptorError, match=r"lm\.new_rows_first"):
        stage.STAGE.check(dataclasses.replace(CONFIG, new_rows_first=2))
