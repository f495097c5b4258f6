"""Synthetic histories as a teacher, drawn fresh for ever: none is ever seen twice. What each trained arm learns from."""

from __future__ import annotations

import dataclasses

import numpy as np

from preceptor.data.rows import Training
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.histories import Sampler, sample
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.sampler import build_tables, sampler_of
from preceptor.graph.graph import Graph
from preceptor.ranking.histories import Batch, RealHistories
from preceptor.ranking.teach import Halves, Plain, Samples, Source


class WalkHistories:
    """Update u takes the next walks of (seed, purpose) after those of update u − 1. Walks of one item teach nothing and are
    left out of the batch."""

    def __init__(self, tables: Sampler, positions: int, seed: int, purpose: str = "ranking") -> None:
        self._tables, self._seed, self._purpose = tables, seed, purpose
        self._rows = max(1, positions // max(tables.longest - 1, 1))

    def batch(self, update: int) -> Batch:
        items, lengths = sample(self._tables, self._seed, self._purpose, update * self._rows, self._rows, threads=1)
        whole = lengths >= 2
        width = max(int(lengths.max()), 2)
        return np.maximum(items[whole, :width], 0), lengths[whole]


def tables_for(drawn_from: Graph | Mixture, train: Training, histories: GeneratorConfig, length: int) -> Sampler:
    """The sampler of a study's histories as a model of `length` positions wants them: at most length + 1 items.

    Start, policy, p, q, decay, repeats and the share of priors are those of `histories`; walks all have length + 1 items.
    """
    if isinstance(drawn_from, Mixture):
        return sampler_of(drawn_from, train, dataclasses.replace(histories, length=length + 1))
    return build_tables(drawn_from, train, dataclasses.replace(histories, length=length + 1, lengths="fixed"))


def teacher(
    arm: str,
    train: Training,
    drawn_from: Graph | Mixture | None,
    histories: GeneratorConfig,
    length: int,
    positions: int,
    seed: int,
) -> Source:
    """What an arm is taught from: real histories, those of the generator, or half of each lesson from either.

    drawn_from: the graph of the walks, or the fitted law; needed by all arms but real.
    """
    if arm == "real":
        return Plain(RealHistories(train, length, positions, seed))
    if drawn_from is None:
        raise ValueError(f"{arm} needs a graph or a law to draw histories from")
    half = positions // 2 if arm == "real+synthetic" else 0
    tables = tables_for(drawn_from, train, histories, length)
    if isinstance(tables, MixtureTables):
        drawn: Source = Samples(tables, positions - half, seed)
    else:
        drawn = Plain(WalkHistories(tables, positions - half, seed))
    return Halves(Plain(RealHistories(train, length, half, seed)), drawn) if half else drawn
