"""SASRec (Kang & McAuley, arXiv 1808.09781): a causal transformer over a user's items, scored by the item embeddings.

Shapes: B sequences, L positions, D width, H heads, I items. Sequences are padded on the right: with causal attention no
padding is ever seen by a real position, so no mask but the causal one is needed.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from preceptor.ranking.config import Recipe
from preceptor.ranking.dropout import Dropout
from preceptor.ranking.initial import initialise


class SASRec(nn.Module):
    """Pre-norm blocks of causal self-attention and a position-wise layer of the same width, as in the original.

    Departures, each of which the original's successors share: GELU for ReLU, queries normed like keys and values, no dropout
    on attention weights. Items and positions are learned embeddings; scores are hidden · item (tied).
    """

    def __init__(self, n_items: int, recipe: Recipe, seed: int) -> None:
        super().__init__()
        d = recipe.dim
        self.length = recipe.length
        self.items_ID = nn.Parameter(torch.empty(n_items, d))
        self.positions_LD = nn.Parameter(torch.empty(recipe.length, d))
        self.blocks = nn.ModuleList(_Block(d, recipe.heads) for _ in range(recipe.layers))
        self.norm = nn.LayerNorm(d)
        self.dropout = Dropout(recipe.dropout, seed)
        initialise(self, seed, "sasrec")

    def forward(self, items_BL: Tensor) -> Tensor:
        """Hidden states [B, L, D] after each position; items_BL: int64, any valid item as padding on the right."""
        scale = math.sqrt(self.items_ID.shape[1])  # inputs of unit variance, though scores want small embeddings
        x_BLD = F.embedding(items_BL, self.items_ID) * scale + self.positions_LD[: items_BL.shape[1]]
        x_BLD = self.dropout(x_BLD)
        for block in self.blocks:
            x_BLD = block(x_BLD, self.dropout)
        return self.norm(x_BLD)


class _Block(nn.Module):
    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mix = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x_BLD: Tensor, dropout: Dropout) -> Tensor:
        batch, length, dim = x_BLD.shape
        q, k, v = (
            t.view(batch, length, self.heads, dim // self.heads).transpose(1, 2)
            for t in self.qkv(self.norm_attention(x_BLD)).chunk(3, dim=-1)
        )
        mixed_BHLd = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BLD = x_BLD + dropout(self.out(mixed_BHLd.transpose(1, 2).reshape(batch, length, dim)))
        return x_BLD + dropout(self.down(F.gelu(self.up(self.norm_mix(x_BLD)))))
