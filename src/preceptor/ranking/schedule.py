"""The budgets of a training run. Light, so that a study can be planned where nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.ranking.config import RankingConfig


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

    @property
    def updates(self) -> int:
        """Updates of a run through every budget: the trunk of the last, and the decay of each."""
        return self.trunk(self.budgets[-1]) + sum(b - self.trunk(b) for b in self.budgets)

    def trunk(self, budget: int) -> int:
        """Updates at the constant rate within a budget."""
        return budget - max(1, round(self.decay * budget))


def whole(config: RankingConfig) -> Schedule:
    """The budgets of an arm's first run."""
    return Schedule(config.first, config.doublings)


def trial(config: RankingConfig) -> Schedule:
    """A trial's budgets: the first and, where there is one, the second. Short runs alone favour settings that regularise too
    little (results/tstr)."""
    return Schedule(config.first, min(1, config.doublings))
