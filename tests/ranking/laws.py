"""A small law and its split, shared by the tests of what is taught from it."""

from __future__ import annotations

import numpy as np

from fixtures import tiny_split
from preceptor.data.log import Split
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph


def law_and_split(signal: float = 0.8) -> tuple[Mixture, Split]:
    split = tiny_split()
    graph = build_graph(split.train, GraphConfig(min_users=1))
    parts = (Part(0, Memory(0.0, 1), signal / 2), Part(0, Memory(1.0, 8), signal / 2))
    priors = (Prior(1.0, 0.9 * (1 - signal)), Prior(0.0, 0.1 * (1 - signal)))
    members = split.train.popularity > 0
    return Mixture((graph,), ("cosine",), parts, priors, split.train.popularity, members, False), split


def lengths_up_to(longest: int) -> np.ndarray:
    return np.r_[0.0, 0.0, np.ones(longest - 1)]
