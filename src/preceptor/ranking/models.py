"""The models that are trained here, by name, and how a trained one scores the catalogue."""

from __future__ import annotations

import numpy as np
import torch

from preceptor.data.log import Targets
from preceptor.ranking.config import Recipe
from preceptor.ranking.evaluate import histories_of
from preceptor.ranking.gru4rec import GRU4Rec
from preceptor.ranking.sasrec import SASRec

NextItemModel = SASRec | GRU4Rec  # items [B, L] to hidden states [B, L, D] that are scored by items_ID; reads `length` items
_MODELS: dict[str, type[SASRec] | type[GRU4Rec]] = {"sasrec": SASRec, "gru4rec": GRU4Rec}


def build(n_items: int, recipe: Recipe, seed: int) -> NextItemModel:
    """A recipe's model with fresh weights."""
    return _MODELS[recipe.model](n_items, recipe, seed)


class ModelScorer:
    """Scores the catalogue with a trained model from the last `length` items of each history."""

    def __init__(self, model: NextItemModel) -> None:
        self.model = model

    @torch.no_grad()
    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        self.model.eval()
        place, items = histories_of(targets, rows, self.model.length)
        size = np.bincount(place, minlength=len(rows))
        padded = np.zeros((len(rows), size.max()), dtype=np.int64)
        padded[place, np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)] = items
        hidden_BLD = self.model(torch.from_numpy(padded))
        last_BD = hidden_BLD[torch.arange(len(rows)), torch.from_numpy(size - 1)]
        return (last_BD @ self.model.items_ID.T).numpy()
