"""Training batches from walks over the item graph, drawn fresh for ever: no walk is ever seen twice."""

from __future__ import annotations

import dataclasses

import numpy as np

from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.histories import Sampler, sample
from preceptor.generator.made import sampler_of
from preceptor.generator.mixture import Mixture
from preceptor.generator.sampler import build_tables
from preceptor.graph.graph import Graph
from preceptor.ranking.histories import Batch


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


def tables_for(drawn_from: Graph | Mixture, train: TrainSplit, histories: GeneratorConfig, length: int, start: str) -> Sampler:
    """The sampler of a study's histories as a model of `length` positions wants them: length + 1 items, begun at `start`.

    Policy, p, q, decay, repeats and the share of priors are those of `histories`.
    """
    wanted = dataclasses.replace(histories, length=length + 1, lengths="fixed", start=start)  # type: ignore[arg-type]
    return (sampler_of if isinstance(drawn_from, Mixture) else build_tables)(drawn_from, train, wanted)  # type: ignore[arg-type]
