"""A head fused with its cross-entropy, in chunks of rows: the full logits matrix never exists.

At a million parameters the head of a language model is a quarter of a training step, most of it moving an [N, V] matrix
through memory five times. Here a chunk of rows stays in cache while its logits, loss and both gradients are made.
Shapes: N rows (tokens, positions), W width, V outcomes (vocabulary, items). The one module here that imports torch.
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 256  # rows: at V = 2,560 a chunk of fp32 logits is 2.6 MB


def fused_cross_entropy(
    hidden_NW: torch.Tensor, weight_VW: torch.Tensor, targets_N: torch.Tensor, chunk: int = CHUNK
) -> torch.Tensor:
    """Mean cross-entropy (nats) of `hidden @ weight.T` against the targets; differentiable in hidden and weight.

    Equal to `F.cross_entropy(hidden @ weight.T, targets)` up to rounding; logits and sums in fp32, products in hidden's dtype.
    """
    loss: torch.Tensor = _Fused.apply(hidden_NW, weight_VW, targets_N, chunk)
    return loss


@torch.no_grad()
def token_losses(hidden_NW: torch.Tensor, weight_VW: torch.Tensor, targets_N: torch.Tensor, chunk: int = CHUNK) -> torch.Tensor:
    """Cross-entropy of every row in nats, float32 [N], without gradients."""
    out_N = torch.empty(len(targets_N), dtype=torch.float32, device=hidden_NW.device)
    weight_VW = weight_VW.to(hidden_NW.dtype)
    for a in range(0, len(targets_N), chunk):
        logits = (hidden_NW[a : a + chunk] @ weight_VW.T).float()
        picked = logits.gather(1, targets_N[a : a + chunk, None]).squeeze(1)
        out_N[a : a + chunk] = torch.logsumexp(logits, 1) - picked
    return out_N


class _Fused(torch.autograd.Function):
    """Makes both gradients in the forward pass (they need the softmax, which is there) and scales them in the backward."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, chunk: int) -> torch.Tensor:
        n = len(targets)
        needs = hidden.requires_grad or weight.requires_grad
        low = weight.detach().to(hidden.dtype)
        grad_hidden = torch.empty_like(hidden) if needs else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs else None
        total = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for a in range(0, n, chunk):
            h, t = hidden[a : a + chunk].detach(), targets[a : a + chunk, None]
            logits = (h @ low.T).float()
            logits -= logits.amax(1, keepdim=True)
            picked = logits.gather(1, t)
            p = logits.exp_()
            sums = p.sum(1, keepdim=True)
            total += (sums.log() - picked).sum()
            if grad_hidden is not None and grad_weight is not None:
                p.div_(sums * n)
                p.scatter_add_(1, t, torch.full_like(sums, -1.0 / n))
                p = p.to(h.dtype)
                torch.mm(p, low, out=grad_hidden[a : a + chunk])
                if h.dtype == torch.float32:
                    grad_weight.addmm_(p.T, h)
                else:
                    grad_weight += p.T @ h
        ctx.gradients = (grad_hidden, grad_weight, weight.dtype)
        return (total / n).float()

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        grad_hidden, grad_weight, dtype = ctx.gradients
        scale = grad_outputs[0]
        return grad_hidden * scale.to(grad_hidden.dtype), (grad_weight * scale).to(dtype), None, None
