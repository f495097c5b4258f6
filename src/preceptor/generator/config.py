"""Settings of the histories: one configuration that curriculum, ranking and audit share. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preceptor.core.checks import at_least, one_of, positive, require

POLICIES = ("first-order", "node2vec", "history")


@dataclass(frozen=True)
class GeneratorConfig:
    """How histories are drawn from the item graph.

    policy: first-order, node2vec or history (policies.py).
    p, q: return and in-out parameter of node2vec; with both at 1 its walks are first-order ones.
    decay: weight of an item j steps back in history walks is decay ** j.
    start: where histories begin: uniform over items that have an edge, or popularity (training interactions) ** start_gamma.
    start_gamma: see start.
    length: items in a history, or in the longest.
    lengths: fixed, or histories: drawn like the lengths of real histories cut at `length`.
    repeats: whether an item may occur twice in a history.
    floor_walks: histories of the Monte Carlo floor.
    seed: decides the histories.
    """

    policy: Literal["first-order", "node2vec", "history"] = "first-order"
    p: float = 4.0
    q: float = 0.5
    decay: float = 0.5
    start: Literal["uniform", "popularity"] = "uniform"
    start_gamma: float = 1.0
    length: int = 8
    lengths: Literal["fixed", "histories"] = "fixed"
    repeats: bool = True
    floor_walks: int = 20_000
    seed: int = 0


def check(config: GeneratorConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "generator",
        config,
        {
            "policy": one_of(config.policy, *POLICIES),
            "p": positive(config.p),
            "q": positive(config.q),
            "decay": (0 < config.decay <= 1, "above 0, at most 1"),
            "start": one_of(config.start, "uniform", "popularity"),
            "length": at_least(config.length, 1),
            "lengths": one_of(config.lengths, "fixed", "histories"),
            "floor_walks": at_least(config.floor_walks, 2),
        },
    )
