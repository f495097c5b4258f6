"""Settings of the item graph and its walks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GraphConfig:
    """How the item graph is built and walked.

    window: two items of a history co-occur when at most this many positions apart; 0: anywhere in the same history.
    directed: an edge leads from the earlier item to the later one only.
    weight: count = distinct users; cosine = count / sqrt(users of a · users of b).
    gamma: sharpness; weights are raised to this power before rows are normalised.
    min_users: fewest distinct users an edge needs.
    top_k: strongest edges an item keeps (0: all); when undirected an edge stays if either end keeps it.
    start: where walks begin: uniform over items that have an edge, or popularity (training interactions) ** start_gamma.
    start_gamma: see start.
    length: items in a walk.
    policy: first-order: the next item depends on the current one only.
    pair_min_users: fewest distinct users with both items of a CF pair.
    pairs_per_item: strongest CF partners (by cosine) an item keeps (0: all); a pair stays if either end keeps it.
    pair_held_out: share of the pairs of two seen items that is held out, and removed from the seen graph.
    floor_walks: walks of the Monte Carlo floor.
    seed: decides walks and held-out pairs.
    """

    window: int = 10
    directed: bool = False
    weight: Literal["count", "cosine"] = "cosine"
    gamma: float = 1.0
    min_users: int = 2
    top_k: int = 50
    start: Literal["uniform", "popularity"] = "uniform"
    start_gamma: float = 1.0
    length: int = 8
    policy: Literal["first-order"] = "first-order"
    pair_min_users: int = 5
    pairs_per_item: int = 100
    pair_held_out: float = 0.05
    floor_walks: int = 20_000
    seed: int = 0
