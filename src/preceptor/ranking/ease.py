"""EASE (Steck, WWW 2019): the linear item-item model with a closed form, a strong baseline that is not sequential.

B = I − P/diag(P), P = (XᵀX + λ·1)^−1, X the users × items matrix of whether they met. An item's score is Σ_j B[j, x] over the
history's items j. B is dense: 4·I² bytes, 1.6 GB at 20,000 items, and three times that while it is made.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.ranking.baselines import ItemSimilarity

MOST_ITEMS = 20_000
RIDGES = (30.0, 100.0, 300.0, 1000.0)  # what trials choose from, in users


class Ease(ItemSimilarity):
    """ridge: λ, in users. decay: an item j steps back in the history counts decay ** j (1: the original)."""

    def __init__(self, train: TrainSplit, ridge: float, decay: float = 1.0) -> None:
        super().__init__(ease_weights(train, ridge), decay)


def ease_weights(train: TrainSplit, ridge: float) -> np.ndarray:
    """B, float32 [I, I], source in rows, 0 on the diagonal. Raises PreceptorError beyond MOST_ITEMS items."""
    if train.n_items > MOST_ITEMS:
        raise PreceptorError(
            "EASE inverts a dense matrix of items",
            found=f"{train.n_items:,} items",
            expected=f"at most {MOST_ITEMS:,}",
            remedy="leave EASE out, or restrict the catalogue",
        )
    ones = np.ones(len(train.item), np.float32)
    met = sparse.csr_matrix((ones, (train.user, train.item)), shape=(train.n_users, train.n_items))
    met.data[:] = 1.0
    gram = (met.T @ met).toarray()
    gram[np.diag_indices_from(gram)] += np.float32(ridge)
    # torch's threads are set by the job, numpy's by the process: the last digits depend on them
    factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(gram))
    if failed:  # ridge > 0 makes it positive definite but for rounding
        raise PreceptorError("EASE's matrix can't be inverted", found=f"λ = {ridge:g}", remedy="raise λ")
    inverse: np.ndarray = torch.cholesky_inverse(factor).numpy()
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices_from(inverse)] = 0.0
    return inverse
