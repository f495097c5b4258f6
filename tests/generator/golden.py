"""What tests/generator/golden.json holds: digests of a thousand walks under each policy, on every small graph."""

import hashlib

import numpy as np

from graph.graphs import all_policies, small_graphs
from preceptor.generator.walk_tables import walk_tables
from preceptor.generator.walks import sample


def values() -> dict[str, dict[str, str]]:
    return {name: {policy: _digest(graph, policy) for policy in all_policies()} for name, graph in small_graphs().items()}


def _digest(graph, policy: str) -> str:  # type: ignore[no-untyped-def]
    lengths = np.array([0.0, 0.1, 0.2, 0.3, 0.4])
    items, ends = sample(walk_tables(graph, np.ones(graph.n_items), lengths, all_policies()[policy]), 0, "golden", 0, 1000)
    return hashlib.sha256(items.astype("<i4").tobytes() + ends.astype("<i4").tobytes()).hexdigest()[:16]
