"""The model a run starts from: a rung of the ladder, or a given base with rows for the curriculum's tokens."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from preceptor.core.rng import generator
from preceptor.core.tables.lm import Rung
from preceptor.curriculum.stream import Stream
from preceptor.lm.base import first_new_row
from preceptor.lm.checkpoints import RESIDUAL, load_model, new_model
from preceptor.lm.config import LMConfig
from preceptor.lm.new_rows import extend, padded


def make_model(config: LMConfig, size: Rung, stream: Stream, trunk: int) -> PreTrainedModel:
    """The model with which the run (size, trunk) begins."""
    if not config.base:
        return new_model(size, stream.context, stream.eos, config.seed, trunk)
    return extended(config, stream, trunk, load_base(config, trunk))


def load_base(config: LMConfig, trunk: int) -> PreTrainedModel:
    """The base as it is given, or with every weight drawn anew where the config says `scratch`."""
    model = load_model(config.base)
    if config.scratch:
        _draw(model, config.seed, trunk)
    return model


def extended(config: LMConfig, stream: Stream, trunk: int, model: PreTrainedModel) -> PreTrainedModel:
    """The base with rows for the stream's tokens, in place."""
    size = padded(stream.vocab_size, config.pad_vocabulary)
    extend(model, first_new_row(config.base), size, config.seed, trunk, config.new_rows, stream, config.directions)
    return model


@torch.no_grad()
def _draw(model: PreTrainedModel, seed: int, trunk: int) -> None:
    """Weights as the ladder's: normal matrices with the model's own spread, those into the residual stream less; norms one."""
    spread = float(getattr(model.config, "initializer_range", 0.02) or 0.02)
    depth = int(model.config.num_hidden_layers)
    for name, p in model.named_parameters():
        if p.ndim < 2:
            p.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        scale = spread / (2 * depth) ** 0.5 if name.endswith(RESIDUAL) else spread
        draws = generator(seed, f"lm/scratch/{name}", trunk).standard_normal(tuple(p.shape), dtype="float32")
        p.copy_(torch.from_numpy(draws * scale))
