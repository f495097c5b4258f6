"""Checkpoints open in transformers unaided; initial weights and new rows are what was asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3ForCausalLM

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB, tokenizer
from preceptor.core.errors import PreceptorError
from preceptor.lm.checkpoints import head, hidden_states, load_model, new_model, save_model
from preceptor.lm.ladder import model_config, rung
from preceptor.lm.new_rows import extend

SIZE = rung(CONFIG, 2, VOCAB, CONTEXT)


def test_saved_folder_opens_with_auto_classes_and_gives_the_same_logits(tmp_path: Path) -> None:
    model = new_model(SIZE, CONTEXT, EOS, seed=0, trunk=0).eval()
    tokenizer(tmp_path / "tokenizer")
    save_model(model, tmp_path / "tokenizer", tmp_path / "saved")
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "saved").eval()
    words = AutoTokenizer.from_pretrained(tmp_path / "saved")
    ids = torch.tensor([words.encode("w5 w9 w1 w47")])
    assert ids.tolist() == [[5, 9, 1, 47]]
    with torch.no_grad():
        ours = hidden_states(model, ids) @ head(model).T
        torch.testing.assert_close(again(input_ids=ids).logits, ours)
    assert (tmp_path / "saved" / "model.safetensors").exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_weights_depend_on_seed_and_trunk_alone() -> None:
    a = new_model(SIZE, CONTEXT, EOS, 1, 0).state_dict()
    torch.manual_seed(99)
    b = new_model(SIZE, CONTEXT, EOS, 1, 0).state_dict()
    c = new_model(SIZE, CONTEXT, EOS, 1, 1).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["model.embed_tokens.weight"], c["model.embed_tokens.weight"])
    table = a["model.embed_tokens.weight"]
    assert abs(float(table.std()) / SIZE.init - 1) < 0.1


def test_the_library_state_of_random_numbers_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    new_model(SIZE, CONTEXT, EOS, 1, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_initialised_and_old_ones_kept(tied: bool) -> None:
    config = model_config(SIZE, CONTEXT, EOS)
    config.tie_word_embeddings = tied
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(config)
    old_in, old_out = model.get_input_embeddings().weight.clone(), head(model).clone()
    assert extend(model, VOCAB, VOCAB + 10, seed=0) == 10
    for old, new in ((old_in, model.get_input_embeddings().weight), (old_out, head(model))):
        assert new.shape == (VOCAB + 10, SIZE.width)
        assert torch.equal(new[:VOCAB], old)
        spread = ((new[VOCAB:] - old.mean(0)).std() / old.std()).detach()
        assert 0.05 < float(spread) < 0.2
    assert (model.get_input_embeddings().weight.data_ptr() == head(model).data_ptr()) == tied
    assert model.config.vocab_size == VOCAB + 10
    assert extend(model, VOCAB + 10, VOCAB, seed=0) == 0


def test_absent_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match="No checkpoint"):
        load_model(tmp_path / "nothing")


@pytest.mark.parametrize(("name", "said"), [("model.norm.weight", "missing"), ("", "unexpected: more")])
def test_other_tensors_than_the_config_says_are_named(tmp_path: Path, name: str, said: str) -> None:
    folder = tmp_path / "saved"
    save_model(new_model(SIZE, CONTEXT, EOS, 0, 0), tmp_path / "none", folder)
    tensors = load_file(folder / "model.safetensors")
    if name:
        del tensors[name]
    else:
        tensors["more"] = np.ones(2, np.float32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(PreceptorError, match=said):
        load_model(folder)


def test_init_scale_follows_fan_in() -> None:
    state = new_model(SIZE, CONTEXT, EOS, 0, 0).state_dict()
    down = state["model.layers.0.mlp.down_proj.weight"].numpy()
    expected = SIZE.init * np.sqrt(SIZE.width / SIZE.ffn) / np.sqrt(2 * SIZE.depth)
    assert abs(down.std() / expected - 1) < 0.1
