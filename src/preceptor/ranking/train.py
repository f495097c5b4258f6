"""Training of a sequential model with early stopping on validation NDCG@10; one thread, float32, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from preceptor.core import metrics, rng
from preceptor.data.log import Targets
from preceptor.ranking.config import RankingConfig, Recipe
from preceptor.ranking.evaluate import histories_of, rank_targets
from preceptor.ranking.histories import Histories
from preceptor.ranking.losses import full_cross_entropy, one_negative_bce
from preceptor.ranking.sasrec import SASRec


@dataclass(frozen=True)
class Fitted:
    """A trained model (its best state), the update of that state, validation metrics there, and the curve."""

    model: SASRec
    update: int
    validation: dict[str, float]
    curve: list[dict[str, float]]


def fit(
    recipe: Recipe,
    histories: Histories,
    n_items: int,
    validation: Targets,
    mask_history: bool,
    config: RankingConfig,
    seed: int,
    watch: Callable[[dict[str, float]], None] = lambda _: None,
) -> Fitted:
    """Train SASRec on `histories` until validation NDCG@10 stops rising or max_updates is reached.

    Adam with linear warm-up, gradients clipped at norm 1. The state with the best validation NDCG@10 is kept; the curve holds
    a row {update, positions, loss, recall@10, ndcg@10} per look, its loss the mean since the look before.
    """
    model = SASRec(n_items, recipe, seed)
    negatives = rng.generator(seed, "ranking/negatives") if recipe.loss == "bce" else None
    parameters = list(model.parameters())
    optimiser = torch.optim.Adam(parameters, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    curve: list[dict[str, float]] = []
    best: dict[str, Any] | None = None
    best_row: dict[str, float] = {}
    seen, loss_sum, loss_positions, stale = 0, 0.0, 0, 0
    for update in range(1, config.max_updates + 1):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * min(1.0, update / max(recipe.warmup, 1))
        model.train()
        loss, positions = batch_loss(model, *histories.batch(update - 1), negatives)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        seen, loss_positions = seen + positions, loss_positions + positions
        loss_sum += loss.item() * positions
        if update % config.eval_every and update != config.max_updates:
            continue
        if not np.isfinite(loss_sum):  # diverged: the best state so far stands
            break
        rank = rank_targets(SASRecScorer(model), validation, mask_history).rank
        row = {
            "update": update,
            "positions": seen,
            "loss": loss_sum / loss_positions,
            "recall@10": float(metrics.recall(rank, 10).mean()),
            "ndcg@10": float(metrics.ndcg(rank, 10).mean()),
        }
        loss_sum, loss_positions = 0.0, 0
        curve.append(row)
        watch(row)
        if best is None or row["ndcg@10"] > best_row["ndcg@10"]:
            best, best_row, stale = {k: v.clone() for k, v in model.state_dict().items()}, row, 0
        else:
            stale += 1
            if stale >= config.patience:
                break
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    chosen = best_row or {"update": 0, "recall@10": 0.0, "ndcg@10": 0.0}
    return Fitted(model, int(chosen["update"]), {k: chosen[k] for k in ("recall@10", "ndcg@10")}, curve)


def batch_loss(
    model: SASRec, items: np.ndarray, lengths: np.ndarray, negatives: np.random.Generator | None = None
) -> tuple[torch.Tensor, int]:
    """Mean loss over the predicted positions of a batch, and their number. Item t + 1 is predicted from items 0 … t.

    Full cross-entropy, or the one-negative loss where a generator of `negatives` is given: uniform over the other items.
    """
    items_BL = torch.from_numpy(items.astype(np.int64))
    hidden_BLD = model(items_BL[:, :-1])
    real = torch.from_numpy(np.flatnonzero(np.arange(1, items.shape[1]) < lengths[:, None]))
    hidden_ND = hidden_BLD.reshape(-1, hidden_BLD.shape[-1])[real]
    target_N = items_BL[:, 1:].reshape(-1)[real]
    if negatives is None:
        return full_cross_entropy(hidden_ND, model.items_ID, target_N), len(real)
    n_items = len(model.items_ID)
    step_N = torch.from_numpy(negatives.integers(1, max(n_items, 2), len(real)))  # never 0: never the target itself
    return one_negative_bce(hidden_ND, model.items_ID, target_N, (target_N + step_N) % n_items), len(real)


class SASRecScorer:
    """Scores the catalogue with a trained model from the last `length` items of each history."""

    def __init__(self, model: SASRec) -> None:
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
