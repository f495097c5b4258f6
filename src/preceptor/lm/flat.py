"""A model's parameters as two long vectors: clipping and the optimiser then make one pass over each, and no call per parameter.

The model's own parameters become views, in their own order. So weights that follow one another, such as those of queries, keys
and values, are one matrix in memory too, which `lm/kernels.py` multiplies with at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Flat:
    """Two parameters, `matrices` and `vectors`, that hold all numbers of a model's, with gradients likewise."""

    def __init__(self, model: nn.Module) -> None:
        all_of_them = list(model.parameters())
        self.matrices = _join([p for p in all_of_them if p.ndim > 1])
        self.vectors = _join([p for p in all_of_them if p.ndim <= 1])
        self.parts = {"matrices": self.matrices, "vectors": self.vectors}


def _join(parameters: Sequence[nn.Parameter]) -> nn.Parameter:
    whole = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    whole.grad = torch.zeros_like(whole)
    at = 0
    for p in parameters:
        end = at + p.numel()
        p.data = whole.data[at:end].view(p.shape)
        p.grad = whole.grad[at:end].view(p.shape)
        at = end
    return whole
