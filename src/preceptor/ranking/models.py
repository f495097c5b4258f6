"""The models that are trained here, by name, and how a trained one scores the catalogue."""

from __future__ import annotations

import numpy as np
import torch

from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Targets
from preceptor.ranking.config import Recipe
from preceptor.ranking.evaluate import histories_of
from preceptor.ranking.gru4rec import GRU4Rec
from preceptor.ranking.sasrec import SASRec

NextItemModel = SASRec | GRU4Rec  # items [B, L] to hidden states [B, L, D] that are scored by items_ID; reads `length` items
_MODELS: dict[str, type[SASRec] | type[GRU4Rec]] = {"sasrec": SASRec, "gru4rec": GRU4Rec}


def build(n_items: int, recipe: Recipe, seed: int, device: str = "cpu") -> NextItemModel:
    """A recipe's model with fresh weights, the same on every device. device: cpu or cuda.

    Raises PreceptorError where torch sees no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise PreceptorError(
            "No GPU", where="device", found="torch sees none", expected="cpu here", remedy="leave the device out, or say cpu"
        )
    return _MODELS[recipe.model](n_items, recipe, seed).to(device)


def weights_of(model: NextItemModel) -> dict[str, torch.Tensor]:
    """A model's tensors by name, on the CPU, as they are written."""
    return {name: p.cpu() for name, p in model.state_dict().items()}


class ModelScorer:
    """Scores the catalogue with a trained model from the last `length` items of each history."""

    def __init__(self, model: NextItemModel) -> None:
        self.model = model

    @torch.no_grad()
    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        self.model.eval()
        device = self.model.items_ID.device
        place, items = histories_of(targets, rows, self.model.length)
        size = np.bincount(place, minlength=len(rows))
        padded = np.zeros((len(rows), size.max()), dtype=np.int64)
        padded[place, np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)] = items
        hidden_BLD = self.model(torch.from_numpy(padded).to(device))
        last_BD = hidden_BLD[torch.arange(len(rows), device=device), torch.from_numpy(size - 1).to(device)]
        return (last_BD @ self.model.items_ID.T).cpu().numpy()
