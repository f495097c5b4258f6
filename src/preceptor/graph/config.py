"""Settings of the item graph and its pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preceptor.core.checks import at_least, one_of, positive, require, share

WEIGHTS = ("count", "cosine", "lift", "rp3beta")
NULLS = ("none", "rewired", "relabelled")


@dataclass(frozen=True)
class GraphConfig:
    """How the item graph is built, and which pairs of items are kept.

    window: two items of a history co-occur when at most this many positions apart; 0: anywhere in the same history.
    directed: an edge leads from the earlier item to the later one only.
    decay: a meeting g positions apart counts decay ** (g − 1).
    weight: count, cosine, lift or rp3beta (weights.py).
    shrinkage: weights are multiplied by strength / (strength + shrinkage).
    alpha, beta: exponents of rp3beta.
    gamma: sharpness; weights are raised to this power before rows are normalised.
    min_users: fewest distinct users an edge needs.
    top_k: strongest edges an item keeps (0: all); when undirected an edge stays if either end keeps it.
    text_neighbours: edges an item that has none gets to its nearest items by text embedding (0: none).
    pair_basket: where two items of a CF pair meet: user (a whole history) or session (needs session_id in the log).
    pair_min_users: fewest distinct users with both items of a CF pair, whatever its baskets are.
    pairs_per_item: strongest CF partners (by cosine) an item keeps (0: all); a pair stays if either end keeps it.
    pair_held_out: share of the pairs of two seen items that is held out, and removed from the seen graph.
    null: none, or a graph without recommendation in it, as a control: rewired (edge targets swapped) or relabelled (items
        permuted), see nulls.py.
    seed: decides held-out pairs and nulls.
    keep_counts: keep the counts of all pairs (graph/counts), from which `preceptor run --since` counts a grown log by its
        changes. Needs decay 1 and another weight than rp3beta.
    since: folder of the graph of a run that this one goes on from (RUN/graph; `preceptor run --since` sets it): pairs of known
        items stay held out or not, and counts that it has kept are counted on. docs/refresh.md.
    """

    window: int = 10
    directed: bool = False
    decay: float = 1.0
    weight: Literal["count", "cosine", "lift", "rp3beta"] = "cosine"
    shrinkage: float = 0.0
    alpha: float = 1.0
    beta: float = 0.5
    gamma: float = 1.0
    min_users: int = 2
    top_k: int = 50
    text_neighbours: int = 0
    pair_basket: Literal["user", "session"] = "user"
    pair_min_users: int = 5
    pairs_per_item: int = 100
    pair_held_out: float = 0.05
    null: Literal["none", "rewired", "relabelled"] = "none"
    seed: int = 0
    keep_counts: bool = False
    since: str = ""


SINCE_REFRESH = ("keep_counts", "since")  # fields that enter a key only where they are not at their default


def check(config: GraphConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "graph",
        config,
        {
            "window": (config.window >= 0, "0 (whole history) or more"),
            "decay": (0 < config.decay <= 1, "above 0, at most 1"),
            "weight": one_of(config.weight, *WEIGHTS),
            "shrinkage": at_least(config.shrinkage, 0),
            "alpha": at_least(config.alpha, 0),
            "beta": at_least(config.beta, 0),
            "gamma": positive(config.gamma),
            "min_users": at_least(config.min_users, 1),
            "top_k": (config.top_k >= 0, "0 (all) or more"),
            "text_neighbours": (config.text_neighbours >= 0, "0 (none) or more"),
            "pair_basket": one_of(config.pair_basket, "user", "session"),
            "pair_min_users": at_least(config.pair_min_users, 1),
            "pairs_per_item": (config.pairs_per_item >= 0, "0 (all) or more"),
            "pair_held_out": share(config.pair_held_out, whole=False),
            "null": one_of(config.null, *NULLS),
            "keep_counts": (
                not config.keep_counts or (config.decay == 1 and config.weight != "rp3beta"),
                "false with decay below 1 or weight rp3beta: their strengths change for pairs without a new meeting",
            ),
        },
    )
