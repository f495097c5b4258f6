"""Small mixtures with awkward corners, for the tests of this folder."""

from __future__ import annotations

import itertools

import numpy as np

from graph.graphs import random_graph, small_graphs
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.graph.graph import Graph, from_edges

LAST, FADING, ALL = Memory(0.0, 1), Memory(0.6, 2), Memory(1.0, 50)
LENGTHS = np.array([0, 0, 1.0, 2.0, 3.0])


def mixture(
    graphs: tuple[Graph, ...],
    parts: list[tuple[int, Memory, float]],
    priors: list[tuple[float, float]],
    repeats: bool = False,
    members: np.ndarray | None = None,
) -> Mixture:
    n = graphs[0].n_items
    popularity = np.arange(n, dtype=np.int64)[::-1]  # the last item was never met
    everyone = np.ones(n, bool) if members is None else members
    names = tuple(f"graph {g}" for g in range(len(graphs)))
    return Mixture(
        graphs, names, tuple(Part(*p) for p in parts), tuple(Prior(*p) for p in priors), popularity, everyone, repeats
    )


def small_mixtures() -> dict[str, MixtureTables]:
    """Every corner in five or six items, histories of two to four."""
    dead = small_graphs()["dead ends"]
    ring = small_graphs()["equal weights"]
    sparse = from_edges(5, [0, 4], [4, 0], [1.0, 1.0])
    pair = from_edges(5, [0, 1, 2, 3, 0], [1, 0, 3, 2, 2], [1.0, 1.0, 1.0, 1.0, 1e-3])
    three = (dead, ring, sparse)
    parts = [(0, LAST, 0.2), (1, FADING, 0.3), (1, ALL, 0.15), (2, ALL, 0.1)]
    priors = [(0.7, 0.15), (0.0, 0.1)]
    some = np.array([True, True, False, True, True])
    whole, again = mixture(three, parts, priors), mixture(three, parts, priors, repeats=True)
    restricted = mixture(three, parts, priors, members=some)
    made = {
        "whole": (whole, None),
        "signal": (whole, 0.0),
        "between": (whole, 0.1),
        "whole, repeats": (again, None),
        "signal, repeats": (again, 0.0),
        "members": (restricted, None),
        "members, signal": (restricted, 0.0),
        "one part": (mixture((pair,), [(0, FADING, 1.0)], []), None),
        "one part, repeats": (mixture((dead,), [(0, ALL, 1.0)], [], repeats=True), None),
        "sparse parts, no prior": (mixture((pair, sparse), [(0, LAST, 0.5), (1, ALL, 0.5)], []), None),
        "sparse parts, between": (mixture((pair, sparse), [(0, LAST, 0.5), (1, ALL, 0.2)], [(1.0, 0.3)]), 0.05),
        "prior only": (mixture((ring,), [], [(1.0, 0.6), (0.0, 0.4)]), None),
        "two members": (mixture((ring,), [(0, LAST, 0.5)], [(1.0, 0.5)], members=np.arange(5) < 2), None),
    }
    return {name: mixture_tables(m, np.arange(5) + 1.0, LENGTHS, share) for name, (m, share) in made.items()}


def large_mixture(items: int = 300, repeats: bool = False) -> Mixture:
    """Three graphs, six parts, two priors; a tenth of the items aren't members."""
    graphs = tuple(random_graph(items, 12 * items, seed) for seed in range(3))
    memories = (LAST, Memory(0.8, 10), ALL)
    parts = [(g, m, 0.1 + 0.02 * g) for g in range(3) for m in memories[: 1 + g]]
    return mixture(graphs, parts, [(0.5, 0.1), (0.0, 0.05)], repeats, np.arange(items) % 10 > 0)


def all_histories(tables: MixtureTables) -> tuple[np.ndarray, np.ndarray]:
    """Every sequence of items up to the longest length, possible or not."""
    n, longest = len(tables.start), tables.longest
    rows, lengths = [], []
    for length in range(1, longest + 1):
        for items in itertools.product(range(n), repeat=length):
            rows.append(items + (-1,) * (longest - length))
            lengths.append(length)
    return np.array(rows, np.int32), np.array(lengths, np.int32)
