"""From an item graph or a law, and a config, to the sampler of histories."""

from __future__ import annotations

import numpy as np

from preceptor.data.rows import Training
from preceptor.generator import policies
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.graph.graph import Graph


def build_tables(graph: Graph, split: Training, config: GeneratorConfig) -> WalkTables:
    """The sampler that a config describes, on any graph over the same items."""
    return walk_tables(graph, start_weights(split, config), length_weights(split, config), policy_of(config))


def sampler_of(mixture: Mixture, split: Training, config: GeneratorConfig) -> MixtureTables:
    """The sampler of a law that a config describes: start, lengths and the share of the priors."""
    share = config.prior * mixture.prior_share
    return mixture_tables(mixture, start_weights(split, config), length_weights(split, config), share)


def start_weights(split: Training, config: GeneratorConfig) -> np.ndarray:
    """Weights of the first item of a history, float64 [I]: fitted, 1, or popularity ** start_gamma."""
    if config.start == "uniform":
        return np.ones(split.n_items)
    if config.start == "fitted":
        return fitted_start(split)
    return np.maximum(split.popularity, 1).astype(np.float64) ** config.start_gamma


def fitted_start(split: Training) -> np.ndarray:
    """Weights of the first item as training histories begin, float64 [I]: their counts, and κ counts spread by popularity.

    κ is the power of two that makes each first item likeliest by the others (leave-one-out), so every item that was met can
    begin a history, and few histories lean on popularity.
    """
    begins = split.user_indptr[:-1][np.diff(split.user_indptr) > 0]
    first = np.bincount(np.asarray(split.item)[begins], minlength=split.n_items).astype(np.float64)
    share = split.popularity / max(1, split.popularity.sum())
    met = np.flatnonzero(first)
    candidates = 2.0 ** np.arange(21)

    def nats(strength: float) -> float:
        others = (first[met] - 1 + strength * share[met]) / (first.sum() - 1 + strength)
        return float(-(first[met] * np.log(others)).sum())

    return first + min(candidates, key=nats) * share


def length_weights(split: Training, config: GeneratorConfig) -> np.ndarray:
    """Weights of history lengths 0 … length, float64: all on `length`, or histories of each length, longer ones cut."""
    if config.lengths == "fixed":
        return np.eye(config.length + 1)[config.length]
    lengths = np.minimum(np.diff(split.user_indptr), config.length)
    return np.bincount(lengths[lengths > 0], minlength=config.length + 1).astype(np.float64)


def policy_of(config: GeneratorConfig) -> np.ndarray:
    """The policy that a config names, as integers."""
    if config.policy == "node2vec":
        return policies.node2vec(config.p, config.q, config.repeats)
    if config.policy == "history":
        return policies.history(config.decay, config.length, config.repeats)
    return policies.first_order(config.repeats)
