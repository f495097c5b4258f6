"""Training until more of it changes nothing: each budget is a finished run, and doubling it must not matter.

Warm-up, a constant rate, and a linear decay to 0 over the last share of the budget (warm-up–stable–decay, arXiv 2404.06395).
The constant part is one trunk; budgets B, 2B, 4B … branch off it for their decay alone, so a doubled budget costs little
more than its own updates.

The rule: if doubling a budget changes the validation loss by less than one standard error (clustered by user), the arm has
converged. If it has become worse by more, the arm turned (it overfits), and the shorter budget is taken. If it is still getting
better at the last budget that is allowed, there is no verdict. The verdict is that of doubling the budget that is taken, which
may be shorter by more than one doubling where some are made in any case.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from preceptor.core import deadline, memory
from preceptor.core.artifact import write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.ranking import losses, models
from preceptor.ranking.config import Recipe
from preceptor.ranking.losses import NextItemLoss
from preceptor.ranking.models import NextItemModel
from preceptor.ranking.schedule import Schedule
from preceptor.ranking.teach import Source
from preceptor.ranking.updates import Learner, adam

CONVERGED, TURNED, NO_VERDICT = "converged", "turned", "no verdict"


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
    keep: Path | None = None,
) -> Converged:
    """Train on one budget after the other until the rule ends it.

    validate: loss of each validation target, float [targets], NaN where it has none; user: [targets]. popularity: training
    interactions of each item, which the logit-adjusted loss needs. weights: where the model begins, in place of fresh ones.
    decay: of the weights towards 0 (AdamW); 0 is Adam. device: cpu or cuda, on which the model stays. Gradients are clipped at
    norm 1. keep: a file in which the run is saved where the time is over (`core.deadline`, whose OutOfTime is raised then); the
    same call goes on from it, to the same weights, validates finished budgets again, and removes it at its end. None: the time
    isn't looked at. Raises PreceptorError where a run's loss is not finite.
    """
    model = models.build(n_items, recipe, seed, device)
    if weights is not None:
        model.load_state_dict(dict(weights))
    prior = None if popularity is None else losses.log_prior(popularity)

    def loss_of(update: int) -> NextItemLoss:
        return losses.of_update(recipe.loss, seed, update, prior)

    trunk = Learner(model, adam(model, recipe, decay), recipe, source, loss_of)
    branch: Learner | None = None
    branches = 0.0  # seconds of those that have ended
    ends: list[Finished] = []
    kept: list[NextItemModel] = []
    reached: list[np.ndarray] = []
    until = None if keep is None else deadline.given()
    if keep is not None and keep.exists():
        state = torch.load(keep, map_location=device, weights_only=True)
        trunk.load(state["trunk"])
        branches, ends = state["branches"], [Finished(**end) for end in state["ends"]]
        for held in state["kept"]:
            kept.append(models.build(n_items, recipe, seed, device).eval())
            kept[-1].load_state_dict(held)
            reached.append(np.asarray(validate(kept[-1]), np.float64))
        if state["branch"] is not None:
            branch = trunk.branch(decay)
            branch.load(state["branch"])
    verdict = NO_VERDICT
    for k, budget in list(enumerate(schedule.budgets))[len(ends) :]:
        turn = schedule.trunk(budget)
        try:
            if branch is None:
                for stop in sorted({*(look for look in schedule.looks if trunk.done < look <= turn), turn}):
                    trunk.run(stop, until=until)
                    if stop in schedule.looks:
                        watch(stop, trunk.model)
                branch = trunk.branch(decay)
            branch.run(budget, (turn, budget), until)
        except deadline.OutOfTime as over:
            assert keep is not None
            finished = {"branches": branches, "ends": [asdict(end) for end in ends], "kept": [m.state_dict() for m in kept]}
            content = io.BytesIO()
            torch.save({"trunk": trunk.state(), "branch": branch and branch.state(), **finished}, content)
            keep.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(keep, content.getvalue())
            remedy = "run the same command again: it goes on from there"
            raise deadline.OutOfTime(over.problem, where=keep, found=over.found, remedy=remedy) from None
        branches += branch.seconds
        if not np.isfinite(branch.loss):
            raise PreceptorError(
                "Training diverged", where=f"update {budget}", found=branch.loss, remedy="lower the learning rate"
            )
        kept.append(branch.model.eval())
        reached.append(np.asarray(validate(branch.model), np.float64))
        mean, error = clustered(reached[-1], user)
        change, change_error = clustered(reached[-2] - reached[-1], user) if k else (np.nan, np.nan)
        updates = trunk.done + sum(b - schedule.trunk(b) for b in schedule.budgets[: k + 1])
        ends.append(Finished(budget, mean, error, change, change_error, branch.loss, updates, trunk.seconds + branches))
        branch = None
        memory.release()
        if k >= schedule.least and (verdict := judge(ends)) != NO_VERDICT:
            break
    if keep is not None:
        keep.unlink(missing_ok=True)
    chosen = choose(ends)
    if verdict != NO_VERDICT and chosen + 1 < len(ends):
        verdict = judge(ends[: chosen + 2])
    return Converged(kept[chosen], ends[chosen].budget, verdict, tuple(ends))


def judge(ends: list[Finished]) -> str:
    """The verdict on the last doubling of these."""
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
