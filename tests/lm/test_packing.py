"""Packed documents can be kept apart: then each has the states that it has alone."""

from pathlib import Path

import pytest
import torch

from lm.bases import base
from preceptor.lm.checkpoints import hidden_states, load_model
from preceptor.lm.packing import document_mask

EOS = 0


def test_a_token_sees_its_own_document_up_to_itself() -> None:
    seen, at = document_mask(torch.tensor([[EOS, 5, 6, EOS, 7]]), EOS)
    assert at.tolist() == [[0, 1, 2, 0, 1]]
    assert seen[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_states_are_those_of_each_document_alone(tmp_path: Path, family: str) -> None:
    model = load_model(base(tmp_path / "base", family))
    first, second = [EOS, 5, 6, 9], [EOS, 7, 8]
    row = torch.tensor([first + second])
    with torch.no_grad():
        packed = hidden_states(model, row, document_mask(row, EOS))[0]
        alone = torch.cat([hidden_states(model, torch.tensor([d]))[0] for d in (first, second)])
        across = hidden_states(model, row)[0]
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(across[len(first) :], alone[len(first) :], atol=1e-3)
