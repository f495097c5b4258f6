"""What tests/generator/golden.json holds: digests of a thousand walks or histories of each small sampler."""

import hashlib

import numpy as np

from generator.mixtures import small_mixtures
from graph.graphs import all_policies, small_graphs
from preceptor.generator import mixture_histories, walks
from preceptor.generator.walk_tables import walk_tables


def values() -> dict[str, dict[str, str]]:
    made = {name: {policy: _walks(graph, policy) for policy in all_policies()} for name, graph in small_graphs().items()}
    return {**made, "mixtures": {name: _digest(*_histories(tables)) for name, tables in small_mixtures().items()}}


def _walks(graph, policy: str) -> str:  # type: ignore[no-untyped-def]
    tables = walk_tables(graph, np.ones(graph.n_items), np.array([0.0, 0.1, 0.2, 0.3, 0.4]), all_policies()[policy])
    return _digest(*walks.sample(tables, 0, "golden", 0, 1000))


def _histories(tables):  # type: ignore[no-untyped-def]
    items, lengths, component = mixture_histories.sample_with_components(tables, 0, "golden", 0, 1000)
    return items, lengths, component.astype(np.int32)


def _digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(a.astype("<i4").tobytes() for a in arrays)).hexdigest()[:16]
