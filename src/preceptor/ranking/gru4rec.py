"""GRU4Rec (Hidasi et al., arXiv 1511.06939): a recurrent network over a user's items, scored by the item embeddings.

Shapes: B sequences, L positions, D width, I items. Sequences are padded on the right: a state never sees what comes after it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preceptor.ranking.config import Recipe
from preceptor.ranking.dropout import Dropout
from preceptor.ranking.initial import initialise


class GRU4Rec(nn.Module):
    """`recipe.layers` gated recurrent layers of width D, one on the other, dropout before each; `recipe.heads` isn't read.

    Departures from the original: whole histories instead of sessions side by side, item embeddings that also score (tied),
    a norm on the last states as in SASRec here, and the losses of `ranking.losses` in place of BPR and TOP1.
    """

    def __init__(self, n_items: int, recipe: Recipe, seed: int) -> None:
        super().__init__()
        d = recipe.dim
        self.length = recipe.length
        self.items_ID = nn.Parameter(torch.empty(n_items, d))
        self.layers = nn.ModuleList(nn.GRU(d, d, batch_first=True) for _ in range(recipe.layers))
        self.norm = nn.LayerNorm(d)
        self.dropout = Dropout(recipe.dropout, seed)
        initialise(self, seed, "gru4rec")

    def forward(self, items_BL: Tensor) -> Tensor:
        """Hidden states [B, L, D] after each position; items_BL: int64, any valid item as padding on the right."""
        x_BLD = F.embedding(items_BL, self.items_ID) * math.sqrt(self.items_ID.shape[1])
        for layer in self.layers:
            x_BLD, _ = layer(self.dropout(x_BLD))
        return self.norm(x_BLD)
