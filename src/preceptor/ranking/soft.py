"""Cross-entropy against a distribution over the catalogue, mixed with the item that came: a known law as the teacher.

A drawn target is one sample of the law; the law itself is all samples at once, so its gradient has no sampling noise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from preceptor.ranking.losses import chunk_for


def soft_cross_entropy(
    hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, law_NI: Tensor, share: float, chunk: int | None = None
) -> Tensor:
    """Mean over positions of −Σ_x t(x)·log softmax(hidden · itemsᵀ)[x], nats; t = share·law + (1 − share)·target.

    law_NI: float16 or float32, each row sums to 1 (what float16 lost is put back by scaling). Logits are made `chunk` positions
    at a time and turned into gradients at once, as in `losses.full_cross_entropy`.
    """
    if chunk is None:
        chunk = chunk_for(items_ID)
    return _SoftCrossEntropy.apply(hidden_ND, items_ID, target_N, law_NI, share, chunk)  # type: ignore[no-untyped-call]


class _SoftCrossEntropy(torch.autograd.Function):
    """Forward keeps the gradients instead of the logits; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, law_NI: Tensor, share: float, chunk: int
    ) -> Tensor:
        n = len(hidden_ND)
        grad_hidden, grad_items = torch.empty_like(hidden_ND), torch.zeros_like(items_ID)
        total = torch.zeros((), dtype=torch.float64, device=hidden_ND.device)
        for begin in range(0, n, chunk):
            hidden, target = hidden_ND[begin : begin + chunk], target_N[begin : begin + chunk, None]
            wanted = law_NI[begin : begin + chunk].float()
            wanted *= share / wanted.sum(1, keepdim=True)
            wanted.scatter_add_(1, target, torch.full_like(target, 1.0 - share, dtype=wanted.dtype))
            logits = hidden @ items_ID.T
            own = (logits * wanted).sum(1, keepdim=True)
            top = logits.amax(1, keepdim=True)
            weights = logits.sub_(top).exp_()
            mass = weights.sum(1, keepdim=True)
            total += (mass.log() + top - own).sum(dtype=torch.float64)
            # d loss / d logits = (softmax − t) / n, in place of the logits
            weights.div_(mass).sub_(wanted).div_(n)
            torch.mm(weights, items_ID, out=grad_hidden[begin : begin + chunk])
            grad_items.addmm_(weights.T, hidden)
        ctx.save_for_backward(grad_hidden, grad_items)
        return (total / n).to(hidden_ND.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        grad_hidden, grad_items = ctx.saved_tensors
        return grad_hidden * grad, grad_items * grad, None, None, None, None
