"""Training until more of it changes nothing: each budget is a finished run, and doubling it must not matter.

Warm-up, a constant rate, and a linear decay to 0 over the last share of the budget (warm-up–stable–decay, arXiv 2404.06395).
The constant part is one trunk; budgets B, 2B, 4B … branch off it for their decay alone, so a doubled budget costs little
more than its own updates.

The rule: if doubling a budget changes the validation loss by less than one standard error (clustered by user), the arm has
converged. If it has become worse by more, the arm turned (it overfits), and the shorter budget is taken. If it is still getting
better at the last budget that is allowed, there is no verdict.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from preceptor.core.errors import PreceptorError
from preceptor.ranking import losses, models
from preceptor.ranking.config import Recipe
from preceptor.ranking.losses import NextItemLoss
from preceptor.ranking.models import NextItemModel
from preceptor.ranking.teach import Source, lesson_loss

CONVERGED, TURNED, NO_VERDICT = "converged", "turned", "no verdict"


@dataclass(frozen=True)
class Schedule:
    """first: the least budget, in updates. doublings: how often it may be doubled. least: how often it is in any case.

    decay: share of a budget over which the rate falls to 0. looks: updates of the trunk after which `watch` is called.
    """

    first: int = 400
    doublings: int = 2
    least: int = 1
    decay: float = 0.2
    looks: tuple[int, ...] = ()

    @property
    def budgets(self) -> tuple[int, ...]:
        return tuple(self.first << k for k in range(self.doublings + 1))

    def trunk(self, budget: int) -> int:
        """Updates at the constant rate within a budget."""
        return budget - max(1, round(self.decay * budget))


@dataclass(frozen=True)
class Finished:
    """A run that ended at its budget. nats: mean validation loss; error: its standard error, clustered by user.

    change: nats that doubling up to this budget gained (NaN for the first); change_error: its own, paired standard error.
    loss: mean training loss over the decay. updates, seconds: spent by then on trunk and branches; seconds without validation.
    """

    budget: int
    nats: float
    error: float
    change: float
    change_error: float
    loss: float
    updates: int
    seconds: float


@dataclass(frozen=True)
class Converged:
    """model: at the end of the chosen budget. ends: one for each budget that was run. verdict: see the module."""

    model: NextItemModel
    budget: int
    verdict: str
    ends: tuple[Finished, ...] = field(repr=False)


def train(
    recipe: Recipe,
    source: Source,
    n_items: int,
    schedule: Schedule,
    seed: int,
    validate: Callable[[NextItemModel], np.ndarray],
    user: np.ndarray,
    watch: Callable[[int, NextItemModel], None] = lambda _update, _model: None,
    popularity: np.ndarray | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    decay: float = 0.0,
    device: str = "cpu",
) -> Converged:
    """Train on one budget after the other until the rule ends it.

    validate: loss of each validation target, float [targets], NaN where it has none; user: [targets]. popularity: training
    interactions of each item, which the logit-adjusted loss needs. weights: where the model begins, in place of fresh ones.
    decay: of the weights towards 0 (AdamW); 0 is Adam. device: cpu or cuda, on which the model stays. Gradients are clipped at
    norm 1. Raises PreceptorError where a run's
    loss is not finite.
    """
    model = models.build(n_items, recipe, seed, device)
    if weights is not None:
        model.load_state_dict(dict(weights))
    optimiser = _adam(model, recipe, decay)
    prior = None if popularity is None else losses.log_prior(popularity)

    def loss_of(update: int) -> NextItemLoss:
        return losses.of_update(recipe.loss, seed, update, prior)

    seconds, updates, done = 0.0, 0, 0
    ends: list[Finished] = []
    kept: list[NextItemModel] = []
    reached: list[np.ndarray] = []
    verdict = NO_VERDICT
    for k, budget in enumerate(schedule.budgets):
        turn = schedule.trunk(budget)
        stops = sorted({*(look for look in schedule.looks if done < look <= turn), turn})
        for stop in stops:
            began = time.perf_counter()
            _run(model, optimiser, recipe, source, range(done, stop), None, loss_of)
            seconds, updates, done = seconds + time.perf_counter() - began, updates + stop - done, stop
            if stop in schedule.looks:
                watch(stop, model)
        began = time.perf_counter()
        branch = copy.deepcopy(model)
        branch_optimiser = _adam(branch, recipe, decay)
        branch_optimiser.load_state_dict(copy.deepcopy(optimiser.state_dict()))
        loss = _run(branch, branch_optimiser, recipe, source, range(turn, budget), (turn, budget), loss_of)
        seconds, updates = seconds + time.perf_counter() - began, updates + budget - turn
        if not np.isfinite(loss):
            raise PreceptorError("Training diverged", where=f"update {budget}", found=loss, remedy="lower the learning rate")
        kept.append(branch.eval())
        reached.append(np.asarray(validate(branch), np.float64))
        mean, error = clustered(reached[-1], user)
        change, change_error = clustered(reached[-2] - reached[-1], user) if k else (np.nan, np.nan)
        ends.append(Finished(budget, mean, error, change, change_error, loss, updates, seconds))
        if k >= schedule.least and (verdict := judge(ends)) != NO_VERDICT:
            break
    chosen = choose(ends)
    return Converged(kept[chosen], ends[chosen].budget, verdict, tuple(ends))


def judge(ends: list[Finished]) -> str:
    """The verdict on the last doubling."""
    last = ends[-1]
    if not np.isfinite(last.change):
        return NO_VERDICT
    if abs(last.change) < last.error:
        return CONVERGED
    return TURNED if last.change < 0 else NO_VERDICT


def choose(ends: list[Finished]) -> int:
    """Number of the budget with the least validation loss, the shorter one where equal."""
    return min(range(len(ends)), key=lambda k: (ends[k].nats, k))


def clustered(values: np.ndarray, user: np.ndarray) -> tuple[float, float]:
    """Mean over targets and its standard error, users being the clusters; NaN values are left out."""
    good = np.isfinite(values)
    values, user = values[good], user[good]
    if not len(values):
        return float("nan"), float("nan")
    mean = float(values.mean())
    _, number = np.unique(user, return_inverse=True)
    of_user = np.bincount(number, weights=values - mean)
    n = len(of_user)
    return mean, float(np.sqrt((of_user**2).sum() * n / max(n - 1, 1)) / len(values))


def _adam(model: NextItemModel, recipe: Recipe, decay: float) -> torch.optim.Adam:
    parameters, betas = list(model.parameters()), (0.9, 0.98)
    if decay:
        return torch.optim.AdamW(parameters, lr=recipe.learning_rate, betas=betas, weight_decay=decay, fused=True)
    return torch.optim.Adam(parameters, lr=recipe.learning_rate, betas=betas, fused=True)


def _run(
    model: NextItemModel,
    optimiser: torch.optim.Adam,
    recipe: Recipe,
    source: Source,
    updates: range,
    decay: tuple[int, int] | None,
    loss_of: Callable[[int], NextItemLoss],
) -> float:
    """Updates number `updates`; the rate falls to 0 from the first to the second number of `decay`. Returns the mean loss."""
    parameters = list(model.parameters())
    total, seen = 0.0, 0
    model.train()
    for update in updates:
        rate = recipe.learning_rate * min(1.0, (update + 1) / max(recipe.warmup, 1))
        if decay is not None:
            rate *= (decay[1] - update) / (decay[1] - decay[0] + 1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, counted = lesson_loss(model, source.lesson(update), loss_of(update))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        total, seen = total + loss.item() * counted, seen + counted
    return total / max(seen, 1)
