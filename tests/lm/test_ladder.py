"""The ladder's formulas are the models' true sizes."""

import dataclasses

import pytest

from preceptor.core.errors import PreceptorError
from preceptor.core.tables.lm import Rung
from preceptor.core.tables.row import columns
from preceptor.lm.checkpoints import new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.ladder import SOURCES, rung


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_stated_parameters_are_the_models(depth: int) -> None:
    size = rung(LMConfig(), depth, vocab=100, context=64)
    model = new_model(size, context=64, eos=0, seed=0, trunk=0)
    total = sum(p.numel() for p in model.parameters())
    assert size.params_total == total
    assert size.params == total - model.get_input_embeddings().weight.numel()


def test_every_column_has_a_source() -> None:
    assert set(columns(Rung)) == set(SOURCES)


def test_width_without_whole_heads_is_refused() -> None:
    with pytest.raises(PreceptorError, match="head_dim"):
        rung(dataclasses.replace(LMConfig(), head_dim=24), 2, 100, 64)
