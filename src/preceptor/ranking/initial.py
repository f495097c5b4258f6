"""First weights of the ranking models, from a generator of our own."""

from __future__ import annotations

import math

import torch
from torch import nn

from preceptor.core.rng import purpose_key


def initialise(model: nn.Module, seed: int, purpose: str) -> None:
    """Fill a model's parameters: normal matrices with deviation 1/√fan-in (embeddings: 1/√width), biases 0, norms 1.

    purpose: tells apart the models that share a seed.
    """
    generator = torch.Generator().manual_seed(int(purpose_key(seed, purpose) >> 1))
    for name, p in model.named_parameters():
        if "bias" in name:
            nn.init.zeros_(p)
        elif p.dim() == 1:
            nn.init.ones_(p)
        else:
            nn.init.normal_(p, std=1 / math.sqrt(p.shape[1]), generator=generator)
