"""Training losses: cross-entropy over the whole catalogue in chunks, and the original one-negative loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK_LOGITS = 1 << 19  # logits held at a time: 2 MiB of float32 stay in the cache of a core


def full_cross_entropy(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, chunk: int | None = None) -> Tensor:
    """Mean over N positions of −log softmax(hidden · itemsᵀ)[target], nats; the loss of arXiv 2309.07602.

    Logits are made `chunk` positions at a time (default: about CHUNK_LOGITS of them) and turned into gradients at once, so
    memory is chunk·I beside the gradients, and no logit is computed twice. N = positions, D = width, I = items.
    """
    if chunk is None:
        chunk = max(1, CHUNK_LOGITS // len(items_ID))
    return _FullCrossEntropy.apply(hidden_ND, items_ID, target_N, chunk)  # type: ignore[no-untyped-call]


def one_negative_bce(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, negative_N: Tensor) -> Tensor:
    """Mean over positions of −log σ(s⁺) − log(1 − σ(s⁻)): the loss of the original SASRec, with one drawn negative a position.

    It is here because published gains are often over this baseline, which full cross-entropy beats by much.
    """
    positive_N = (hidden_ND * F.embedding(target_N, items_ID)).sum(1)
    wrong_N = (hidden_ND * F.embedding(negative_N, items_ID)).sum(1)
    return (F.softplus(-positive_N) + F.softplus(wrong_N)).mean()


class _FullCrossEntropy(torch.autograd.Function):
    """Forward keeps the gradients instead of the logits; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, chunk: int) -> Tensor:
        n = len(hidden_ND)
        grad_hidden, grad_items = torch.empty_like(hidden_ND), torch.zeros_like(items_ID)
        total = torch.zeros((), dtype=torch.float64)
        for begin in range(0, n, chunk):
            hidden, target = hidden_ND[begin : begin + chunk], target_N[begin : begin + chunk, None]
            logits = hidden @ items_ID.T
            own = logits.gather(1, target)
            top = logits.amax(1, keepdim=True)
            weights = logits.sub_(top).exp_()
            mass = weights.sum(1, keepdim=True)
            total += (mass.log() + top - own).sum(dtype=torch.float64)
            # d loss / d logits = (softmax − one-hot) / n, in place of the logits
            weights.div_(mass * n)
            weights.scatter_add_(1, target, torch.full_like(own, -1.0 / n))
            torch.mm(weights, items_ID, out=grad_hidden[begin : begin + chunk])
            grad_items.addmm_(weights.T, hidden)
        ctx.save_for_backward(grad_hidden, grad_items)
        return (total / n).to(hidden_ND.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:  # type: ignore[override]
        grad_hidden, grad_items = ctx.saved_tensors
        return grad_hidden * grad, grad_items * grad, None, None
