"""Small graphs with awkward corners, for the tests of this folder."""

import itertools

import numpy as np
import polars as pl

from preceptor.data.log import TrainSplit
from preceptor.generator.policies import first_order, history, node2vec
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import Graph, from_edges


def small_graphs() -> dict[str, Graph]:
    """Directed ones may have dead ends; every one has at least one edge."""
    hub = [(0, i, 1.0) for i in range(1, 9)] + [(i, 0, 1.0) for i in range(1, 9)] + [(1, 2, 50.0), (2, 1, 50.0)]
    ring = [(i, (i + d) % 5, 1.0) for i in range(5) for d in (1, 4)]
    return {
        "one neighbour": from_edges(2, [0, 1], [1, 0], [3.0, 3.0]),
        "isolated items": from_edges(7, [1, 4, 1, 5, 4, 5], [4, 1, 5, 1, 5, 4], [1, 1, 2, 2, 5, 5]),
        "equal weights": from_edges(5, *zip(*ring, strict=True)),
        "heavy hub": from_edges(9, *zip(*hub, strict=True)),
        "dead ends": from_edges(5, [0, 0, 1, 1, 3], [1, 2, 2, 3, 4], [1.0, 2.0, 1.0, 1e-7, 1.0]),
        "triangle and tail": from_edges(4, [0, 1, 0, 2, 1, 2, 2, 3], [1, 0, 2, 0, 2, 1, 3, 2], [1, 1, 2, 2, 3, 3, 4, 4]),
    }


def all_policies() -> dict[str, np.ndarray]:
    """Every policy at ordinary and at extreme parameters, for walks of up to four items."""
    return {
        "first-order": first_order(),
        "first-order, no repeats": first_order(repeats=False),
        "node2vec(0.5, 2)": node2vec(0.5, 2),
        "node2vec(4, 0.25)": node2vec(4, 0.25),
        "node2vec(0.01, 100)": node2vec(0.01, 100),
        "node2vec(100, 0.01)": node2vec(100, 0.01),
        "node2vec(0.01, 0.01)": node2vec(0.01, 0.01),
        "node2vec(100, 100)": node2vec(100, 100),
        "node2vec(0.3, 3), no repeats": node2vec(0.3, 3, repeats=False),
        "history(0.7)": history(0.7, 4),
        "history(0)": history(0.0, 4),
        "history(1), no repeats": history(1.0, 4, repeats=False),
    }


def random_graph(n_items: int, n_edges: int, seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, n_items, (2, n_edges))
    keep = source != target
    return from_edges(n_items, source[keep], target[keep], rng.exponential(size=int(keep.sum())))


def all_walks(tables: WalkTables) -> tuple[np.ndarray, np.ndarray]:
    """Every sequence of items up to the longest length, possible or not."""
    n, longest = len(tables.start), tables.longest
    rows, lengths = [], []
    for length in range(1, longest + 1):
        for walk in itertools.product(range(n), repeat=length):
            rows.append(walk + (-1,) * (longest - length))
            lengths.append(length)
    return np.array(rows, np.int32), np.array(lengths, np.int32)


def split_of(histories: list[list[int]], n_items: int) -> TrainSplit:
    """A training split from histories, oldest item first."""
    user = np.repeat(np.arange(len(histories), dtype=np.int32), [len(h) for h in histories])
    item = np.array([i for h in histories for i in h], np.int32)
    time = np.concatenate([np.arange(len(h)) for h in histories] or [[]]).astype(np.int64)
    items = pl.DataFrame({"item_id": [str(i) for i in range(n_items)]})
    return TrainSplit(items, len(histories), user, item, time)
