"""GRU4Rec (Hidasi et al., arXiv 1511.06939): a recurrent network over a user's items, scored by the item embeddings.

Shapes: B sequences, L positions, D width, I items. Sequences are padded on the right: a state never sees what comes after it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preceptor.core.rng import purpose_key
from preceptor.ranking.config import Recipe
from preceptor.ranking.dropout import Dropout


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
        self._initialise(seed)

    def _initialise(self, seed: int) -> None:
        """Normal weights from a generator of our own: biases 0, the norm 1, matrices 1/√fan-in, embeddings 1/√D."""
        generator = torch.Generator().manual_seed(int(purpose_key(seed, "gru4rec") >> 1))
        for name, p in self.named_parameters():
            if "bias" in name:
                nn.init.zeros_(p)
            elif p.dim() == 1:
                nn.init.ones_(p)
            else:
                nn.init.normal_(p, std=1 / math.sqrt(p.shape[1]), generator=generator)

    def forward(self, items_BL: Tensor) -> Tensor:
        """Hidden states [B, L, D] after each position; items_BL: int64, any valid item as padding on the right."""
        x_BLD = F.embedding(items_BL, self.items_ID) * math.sqrt(self.items_ID.shape[1])
        for layer in self.layers:
            x_BLD, _ = layer(self.dropout(x_BLD))
        return self.norm(x_BLD)
