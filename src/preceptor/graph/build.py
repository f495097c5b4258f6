"""From a training split to the item graph."""

from __future__ import annotations

import numpy as np

from preceptor.data.log import TrainSplit
from preceptor.graph.config import GraphConfig
from preceptor.graph.cooccurrence import cooccurrence, item_users
from preceptor.graph.graph import Graph, from_weights
from preceptor.graph.weights import Weighting


def build_graph(split: TrainSplit, config: GraphConfig) -> Graph:
    """The item graph of a whole training split."""
    weighting = weighting_of(config, split)
    found = cooccurrence(split, weighting, config.window, config.directed, min_users=config.min_users, top_k=config.top_k)
    users = item_users(split)
    weight = weighting.weight(found.strength, users[found.source], users[found.indices])
    largest = weight.max(initial=1.0)
    return from_weights(found.indptr, found.indices, (weight / largest) ** config.gamma)


def weighting_of(config: GraphConfig, split: TrainSplit) -> Weighting:
    """The edge weight that a config names; N counts users with training interactions."""
    return Weighting(config.weight, n_users=len(np.unique(split.user)))


def start_weights(split: TrainSplit, config: GraphConfig) -> np.ndarray:
    """Weights of the first item of a walk, float64 [I]: 1, or popularity ** start_gamma."""
    if config.start == "uniform":
        return np.ones(split.n_items)
    return split.popularity.astype(np.float64) ** config.start_gamma
