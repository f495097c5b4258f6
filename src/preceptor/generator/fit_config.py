"""How a generator is chosen: the settings of the fit. Standard library only, but for what the graphs are described by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preceptor.generator import bank
from preceptor.generator.choice import DROP
from preceptor.generator.components import MEMORIES, GraphSpec
from preceptor.generator.policies import LONGEST_HISTORY


@dataclass(frozen=True)
class FitConfig:
    """How a generator is chosen.

    graphs: the candidates; empty: the default bank. decays, alphas: the memories each is read through, the priors.
    min_users: fewest distinct users an edge of the default bank needs.
    objective: likelihood, or unbiased (events and meetings count 1/e, e the exposure; `exposure`).
    beta: unbiased without given propensities: e = popularity ** beta, an assumption that the log can't check. clip: the
        largest weight of an event, in means.
    balance: every event counts the same (target), or every user (user).
    share: timed logs: the share of the training rows that comes before the events. timed: None: find out.
    repeats: whether items may come again; None: if at least 1 in 1,000 training interactions is a repeat.
    longest: the most history items that are read; the longest training history where that is shorter.
    max_events: events beyond are a keyed sample. drop: components of less weight are left out.
    resamples: of the users, for intervals. singles: whether every single component is measured too.
    seed: of samples, folds and resamples.
    """

    graphs: tuple[GraphSpec, ...] = ()
    decays: tuple[float, ...] = MEMORIES
    alphas: tuple[float, ...] = bank.ALPHAS
    min_users: int = 1
    objective: Literal["likelihood", "unbiased"] = "likelihood"
    beta: float | None = None
    clip: float = 10.0
    balance: Literal["target", "user"] = "target"
    share: float = 0.9
    timed: bool | None = None
    repeats: bool | None = None
    longest: int = LONGEST_HISTORY
    max_events: int = 20_000
    drop: float = DROP
    resamples: int = 100
    singles: bool = True
    seed: int = 0
