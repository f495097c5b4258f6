"""From a training split and a config to the item graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from preceptor.data.log import TrainSplit
from preceptor.graph import nulls
from preceptor.graph.config import GraphConfig
from preceptor.graph.cooccurrence import Cooccurrence, cooccurrence, item_users
from preceptor.graph.graph import Graph, from_edges, from_weights
from preceptor.graph.weights import Weighting


def build_graph(
    split: TrainSplit, config: GraphConfig, embeddings: np.ndarray | None = None, found: Cooccurrence | None = None
) -> Graph:
    """The item graph of a whole training split, or its null. embeddings [I, d] are needed for text_neighbours only.

    found: what `cooccurrence` gives for `counting(config, split)`, where it is counted already.
    """
    graph = _from_log(split, config, embeddings, found)
    if config.null == "rewired":
        return nulls.rewired(graph, config.seed)
    return nulls.relabelled(graph, config.seed)[0] if config.null == "relabelled" else graph


def text_edges(embeddings: np.ndarray, lonely: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges both ways between each item in `lonely` (bool [I]) and its k nearest items by cosine, if that is positive.

    Returns (source, target, cosine); ties go to the lower item. An item between two lonely ones is met once a direction.
    """
    x = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    n = len(x)
    keys: list[np.ndarray] = []
    items = np.flatnonzero(lonely)
    for first in range(0, len(items), 1024):
        rows = items[first : first + 1024]
        cosine = (x[rows] @ x.T).astype(np.float64)
        cosine[np.arange(len(rows)), rows] = -np.inf
        near = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        good = np.take_along_axis(cosine, near, axis=1) > 0
        a, b = np.repeat(rows, good.sum(axis=1)), near[good]
        keys.append(np.minimum(a, b) * n + np.maximum(a, b))
    key = np.unique(np.concatenate([np.zeros(0, np.int64), *keys]))
    a, b = key // n, key % n
    worth = np.einsum("ij,ij->i", x[a], x[b]).astype(np.float64)
    source, target = np.concatenate([a, b]), np.concatenate([b, a])
    return source, target, np.maximum(np.concatenate([worth, worth]), 1e-9)


def weighting_of(config: GraphConfig, split: TrainSplit) -> Weighting:
    """The edge weight that a config names; N counts users with training interactions."""
    return Weighting(config.weight, len(np.unique(split.user)), config.shrinkage, config.alpha, config.beta)


def counting(config: GraphConfig, split: TrainSplit) -> dict[str, Any]:
    """How the pairs of a graph are counted: arguments of `cooccurrence`."""
    names = ("window", "directed", "decay", "min_users", "top_k")
    return {"weighting": weighting_of(config, split), **{name: getattr(config, name) for name in names}}


def _from_log(
    split: TrainSplit, config: GraphConfig, embeddings: np.ndarray | None, found: Cooccurrence | None = None
) -> Graph:
    weighting = weighting_of(config, split)
    if found is None:
        found = cooccurrence(split, **counting(config, split))
    weight = weighting.of_rows(found.indptr, found.indices, found.strength, item_users(split))
    if len(weight):  # in place: a graph of a large catalogue has tens of millions of edges
        weight /= weight.max()
        weight **= config.gamma
    np.maximum(weight, np.finfo(np.float64).tiny, out=weight)  # a very sharp gamma may underflow; an edge stays an edge
    if config.text_neighbours and embeddings is not None:
        source, target, worth = text_edges(embeddings, np.diff(found.indptr) == 0, config.text_neighbours)
        usual = float(np.median(weight)) if len(weight) else 1.0
        return from_edges(
            split.n_items,
            np.concatenate([found.source, source]),
            np.concatenate([found.indices, target]),
            np.concatenate([weight, usual * worth]),
        )
    return from_weights(found.indptr, found.indices, weight)
