"""The updates of a training run, one after the other: until a number, or until the time is over (`core.deadline`)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from preceptor.core import deadline
from preceptor.ranking.config import Recipe
from preceptor.ranking.losses import NextItemLoss
from preceptor.ranking.models import NextItemModel
from preceptor.ranking.teach import Source, lesson_loss


@dataclass
class Learner:
    """A model on its way. decay: of the weights towards 0 (AdamW); 0 is Adam. done: updates made.

    seconds: spent on the updates made here, of the processor; on a GPU by the clock.
    total, seen: loss over the positions of the updates made here.
    """

    model: NextItemModel
    optimiser: torch.optim.Adam
    recipe: Recipe
    source: Source
    loss_of: Callable[[int], NextItemLoss]
    done: int = 0
    seconds: float = 0.0
    total: float = 0.0
    seen: int = 0

    @property
    def loss(self) -> float:
        """Mean loss of the updates made here."""
        return self.total / max(self.seen, 1)

    def branch(self, decay: float) -> Learner:
        """A copy that begins here."""
        model = copy.deepcopy(self.model)
        optimiser = adam(model, self.recipe, decay)
        optimiser.load_state_dict(copy.deepcopy(self.optimiser.state_dict()))
        return Learner(model, optimiser, self.recipe, self.source, self.loss_of, self.done)

    def run(self, end: int, falls: tuple[int, int] | None = None, until: float | None = None) -> None:
        """Updates up to number `end`; the rate falls to 0 from the first to the second number of `falls`.

        Raises deadline.OutOfTime between two updates, where `until` is over.
        """
        clock = time.process_time if next(self.model.parameters()).device.type == "cpu" else time.perf_counter
        began = clock()
        try:
            self.model.train()
            while self.done < end:
                if deadline.over(until):
                    raise deadline.OutOfTime("The time is over", found=f"update {self.done:,} of {end:,}, saved")
                self._update(falls)
        finally:
            self.seconds += clock() - began

    def _update(self, falls: tuple[int, int] | None) -> None:
        update = self.done
        rate = self.recipe.learning_rate * min(1.0, (update + 1) / max(self.recipe.warmup, 1))
        if falls is not None:
            rate *= (falls[1] - update) / (falls[1] - falls[0] + 1)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss, counted = lesson_loss(self.model, self.source.lesson(update), self.loss_of(update))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.model.parameters()), 1.0)
        self.optimiser.step()
        self.done, self.total, self.seen = update + 1, self.total + loss.item() * counted, self.seen + counted

    def state(self) -> dict[str, Any]:
        """All that the next update depends on, and the sums."""
        own = {name: getattr(self, name) for name in ("done", "seconds", "total", "seen")}
        weights = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        return {**own, **weights, "calls": self.model.dropout.calls}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        for name in ("done", "seconds", "total", "seen"):
            setattr(self, name, state[name])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.model.dropout.calls = state["calls"]


def adam(model: NextItemModel, recipe: Recipe, decay: float) -> torch.optim.Adam:
    """The optimiser of a run that begins."""
    parameters, betas = list(model.parameters()), (0.9, 0.98)
    if decay:
        return torch.optim.AdamW(parameters, lr=recipe.learning_rate, betas=betas, weight_decay=decay, fused=True)
    return torch.optim.Adam(parameters, lr=recipe.learning_rate, betas=betas, fused=True)
