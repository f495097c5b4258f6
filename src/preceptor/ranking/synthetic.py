"""Training batches from walks over the item graph, drawn fresh for ever: no walk is ever seen twice."""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.generator.walks import sample
from preceptor.graph.graph import Graph
from preceptor.ranking.histories import Batch

STARTS = ("popularity", "uniform")


class WalkHistories:
    """Update u takes the next walks of (seed, purpose) after those of update u − 1. Walks of one item teach nothing and are
    left out of the batch."""

    def __init__(self, tables: WalkTables, positions: int, seed: int, purpose: str = "ranking") -> None:
        self._tables, self._seed, self._purpose = tables, seed, purpose
        self._rows = max(1, positions // max(tables.longest - 1, 1))

    def batch(self, update: int) -> Batch:
        items, lengths = sample(self._tables, self._seed, self._purpose, update * self._rows, self._rows, threads=1)
        whole = lengths >= 2
        width = max(int(lengths.max()), 2)
        return np.maximum(items[whole, :width], 0), lengths[whole]


def tables_for(graph: Graph, popularity: np.ndarray, length: int, start: str) -> WalkTables:
    """Walk tables of one generator setting: walks of length + 1 items, so that `length` positions are predicted.

    start: "popularity" begins in proportion to training interactions, "uniform" at any item with an edge.
    """
    if start not in STARTS:
        raise PreceptorError("Unknown start of walks", where="ranking.starts", found=start, expected=" or ".join(STARTS))
    weight = popularity.astype(np.float64) if start == "popularity" else np.ones(graph.n_items)
    return walk_tables(graph, weight, length + 1)
