"""How many edges a sampler's histories are about: exp(entropy of the (source, target) pair that a draw used)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from preceptor.core.artifact import Artifact
from preceptor.generator.histories import load
from preceptor.generator.policies import FIRST_ORDER
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import TOTAL


def effective_edges(generator: Artifact) -> float | None:
    """Of a fitted mixture what its fit says, equal edges of its graphs merged; of first-order walks from their law."""
    known = generator.counts["seen"].get("effective_edges")
    return float(known) if known is not None else of_walks(Path(generator.path) / "seen")


def of_walks(folder: Path) -> float | None:
    """exp(H(source) + H(target | source)) over all steps of first-order walks, exactly; None for other
    walks, and for those without repeats."""
    tables = first_order(folder)
    if tables is None:
        return None
    p = leaving(tables)
    some = p > 0
    return math.exp(float(-(p[some] * np.log(p[some])).sum() + p @ tables.graph.row_entropy()))


def first_order(folder: Path) -> WalkTables | None:
    """The tables of first-order walks with repeats; None of any other law."""
    tables = load(folder)
    if not isinstance(tables, WalkTables):
        return None
    policy, repeats = tables.policy[:2]
    return tables if policy == FIRST_ORDER and repeats else None


def leaving(tables: WalkTables) -> np.ndarray:
    """Which share [I] of the steps of first-order walks leaves each item."""
    graph = tables.graph
    goes_on = 1 - np.cumsum(np.asarray(tables.length, np.float64) / TOTAL)  # of a walk of t items, at t
    here, source = np.asarray(tables.start, np.float64) / TOTAL, np.zeros(graph.n_items)
    for t in range(1, tables.longest):
        source += here * (graph.degree > 0) * max(goes_on[t], 0.0)
        here = np.bincount(graph.indices, here[graph.source] * (np.asarray(graph.weight) / TOTAL), graph.n_items)
    return np.asarray(source / source.sum())
