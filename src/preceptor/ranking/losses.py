"""Training losses: cross-entropy over the whole catalogue in chunks, and the original one-negative loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from preceptor.core.cross_entropy import fused_cross_entropy

CHUNK_LOGITS = 1 << 19  # logits held at a time: 2 MiB of float32 stay in the cache of a core


def full_cross_entropy(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, chunk: int | None = None) -> Tensor:
    """Mean over N positions of −log softmax(hidden · itemsᵀ)[target], nats; the loss of arXiv 2309.07602.

    Logits are made `chunk` positions at a time (default: about CHUNK_LOGITS of them) and turned into gradients at once, so
    memory is chunk·I beside the gradients, and no logit is computed twice. N = positions, D = width, I = items.
    """
    return fused_cross_entropy(hidden_ND, items_ID, target_N, chunk or max(1, CHUNK_LOGITS // len(items_ID)))


def one_negative_bce(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, negative_N: Tensor) -> Tensor:
    """Mean over positions of −log σ(s⁺) − log(1 − σ(s⁻)): the loss of the original SASRec, with one drawn negative a position.

    It is here because published gains are often over this baseline, which full cross-entropy beats by much.
    """
    positive_N = (hidden_ND * F.embedding(target_N, items_ID)).sum(1)
    wrong_N = (hidden_ND * F.embedding(negative_N, items_ID)).sum(1)
    return (F.softplus(-positive_N) + F.softplus(wrong_N)).mean()
