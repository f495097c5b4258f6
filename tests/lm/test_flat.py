"""Parameters as two vectors: the model is what it was, and what is done to a vector is done to the model."""

from pathlib import Path

import torch

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB
from preceptor.lm.checkpoints import load_model, new_model, save_model
from preceptor.lm.flat import Flat
from preceptor.lm.ladder import rung


def test_vectors_hold_the_models_own_numbers() -> None:
    model, twin = (new_model(rung(CONFIG, 2, VOCAB, CONTEXT), CONTEXT, EOS, 0, 0) for _ in range(2))
    flat = Flat(model)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    assert sum(p.numel() for p in flat.parts.values()) == sum(p.numel() for p in twin.parameters())
    flat.matrices.data.mul_(2)
    flat.vectors.grad.fill_(3)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(p, 2 * q if p.ndim > 1 else q)
        assert bool((p.grad == (3 if p.ndim == 1 else 0)).all())


def test_a_checkpoint_of_it_opens_as_any_other(tmp_path: Path) -> None:
    model = new_model(rung(CONFIG, 2, VOCAB, CONTEXT), CONTEXT, EOS, 0, 0)
    save_model(model, tmp_path, tmp_path / "apart")
    Flat(model)
    save_model(model, tmp_path, tmp_path / "flat")
    assert (tmp_path / "flat/model.safetensors").read_bytes() == (tmp_path / "apart/model.safetensors").read_bytes()
    opened = load_model(tmp_path / "flat")
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), opened.parameters(), strict=True))
