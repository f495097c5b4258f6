"""Training losses: cross-entropy over the whole catalogue in chunks, plain or logit-adjusted, and the original one.

Shapes: N positions, D width, I items.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from preceptor.core import rng
from preceptor.core.cross_entropy import fused_cross_entropy

CHUNK_LOGITS = {"cpu": 1 << 19, "cuda": 1 << 27}  # held at a time: 2 MiB of float32 stay in the cache of a core; 512 MiB
CHUNK_POSITIONS = 128  # at least: products of fewer rows are slow (5 rows at 100,000 items take 4 times as long)

NextItemLoss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (hidden [N, D], items [I, D], targets [N]) → mean loss


def of_update(name: str, seed: int, update: int, log_prior_I: Tensor | None = None) -> NextItemLoss:
    """The loss `full`, `bce` or `adjusted` (which needs the items' log-shares) as update number `update` uses it."""
    if name == "bce":
        # of each update its own: a branch draws what the trunk would have drawn
        negatives = rng.generator(seed, f"ranking/negatives/{update}")

        def bce(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor) -> Tensor:
            n_items = len(items_ID)
            drawn_N = negatives.integers(1, max(n_items, 2), len(target_N))  # never 0: never the target itself
            step_N = torch.from_numpy(drawn_N).to(target_N.device)
            return one_negative_bce(hidden_ND, items_ID, target_N, (target_N + step_N) % n_items)

        return bce
    if name == "adjusted":
        if log_prior_I is None:
            raise ValueError("the logit-adjusted loss needs the items' log-shares")
        return lambda hidden_ND, items_ID, target_N: logit_adjusted_cross_entropy(hidden_ND, items_ID, target_N, log_prior_I)
    return full_cross_entropy


def full_cross_entropy(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, chunk: int | None = None) -> Tensor:
    """Mean over N positions of −log softmax(hidden · itemsᵀ)[target], nats; the loss of arXiv 2309.07602.

    Logits are made `chunk` positions at a time (default: `chunk_for`) and turned into gradients at once, so
    memory is chunk·I beside the gradients, and no logit is computed twice.
    """
    return fused_cross_entropy(hidden_ND, items_ID, target_N, chunk or chunk_for(items_ID))


def chunk_for(items_ID: Tensor) -> int:
    """Positions whose logits are held at a time: about CHUNK_LOGITS of the items' device, and no fewer than CHUNK_POSITIONS."""
    return max(CHUNK_POSITIONS, CHUNK_LOGITS.get(items_ID.device.type, CHUNK_LOGITS["cpu"]) // len(items_ID))


def logit_adjusted_cross_entropy(
    hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, log_prior_I: Tensor, chunk: int | None = None
) -> Tensor:
    """Mean over positions of −log softmax(hidden · itemsᵀ + log prior)[target], nats (Menon et al., ICLR 2021, τ = 1).

    Scores leave the prior out, so a model ranks by what a history says beyond popularity. The prior is one more column of the
    items, met by a constant 1 in every hidden state, so that the chunked loss serves both.
    """
    ones_N1 = hidden_ND.new_ones((len(hidden_ND), 1))
    wide_items = torch.cat([items_ID, log_prior_I[:, None].to(items_ID)], dim=1)
    return full_cross_entropy(torch.cat([hidden_ND, ones_N1], dim=1), wide_items, target_N, chunk)


def log_prior(popularity: np.ndarray) -> Tensor:
    """log of each item's share of the training interactions, one added to each; float32 [I]."""
    counts = popularity.astype(np.float64) + 1
    return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))


def one_negative_bce(hidden_ND: Tensor, items_ID: Tensor, target_N: Tensor, negative_N: Tensor) -> Tensor:
    """Mean over positions of −log σ(s⁺) − log(1 − σ(s⁻)): the loss of the original SASRec, with one drawn negative a position.

    It is here because published gains are often over this baseline, which full cross-entropy beats by much.
    """
    positive_N = (hidden_ND * F.embedding(target_N, items_ID)).sum(1)
    wrong_N = (hidden_ND * F.embedding(negative_N, items_ID)).sum(1)
    return (F.softplus(-positive_N) + F.softplus(wrong_N)).mean()
