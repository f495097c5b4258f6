"""Stage graph: the item graphs, their samplers and floors, and the CF pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.artifact import Artifact, canonical, make, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.data.log import TrainSplit
from preceptor.generator import floor
from preceptor.generator.walk_tables import save_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.graph.item_graph import build_graph, build_tables
from preceptor.graph.pairs import find_pairs
from preceptor.graph.weights import NAMES

VERSION = 3
POLICIES = ("first-order", "node2vec", "history")


def run(config: GraphConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/graph from the training part and the codes' held-out items.

    Files: all/ and seen/ (graph and sampler tables; seen is induced without held-out items and held-out pairs), pairs.npy,
    pair_users.npy, pair_baskets.npy, pair_split.npy, item_users.npy, item_baskets.npy, n_baskets.npy, floor.json (a report for
    each graph).
    """
    _check(config)

    def build(folder: Path) -> Mapping[str, Any]:
        split = TrainSplit.load(inputs["train"].path)
        unseen = inputs["codes"].array("held_out", mmap=False).astype(bool)
        if len(unseen) != split.n_items:
            raise PreceptorError(
                "Codes and training part disagree",
                where=inputs["codes"].path,
                found=f"{len(unseen)} items",
                expected=f"{split.n_items} items",
                remedy="make the codes again",
            )
        pairs = find_pairs(
            split, unseen, config.pair_min_users, config.pairs_per_item, config.pair_held_out, config.seed, config.pair_basket
        )
        pairs.save(folder)
        embeddings = inputs["codes"].array("embeddings") if config.text_neighbours else None
        whole = build_graph(split, config, embeddings)
        graphs = {"all": whole, "seen": whole.induced(~unseen, pairs.held_out)}
        members = {"all": np.ones(split.n_items, bool), "seen": ~unseen}
        floors: dict[str, Any] = {}
        counts: dict[str, Any] = {
            "pairs": len(pairs.items),
            "baskets": pairs.n_baskets,
            "pairs_by_split": np.bincount(pairs.split, minlength=4).tolist(),
        }
        for name, graph in graphs.items():
            floors[name] = _write(folder / name, name, graph, split, config)
            counts[name] = {
                "items": int(members[name].sum()),
                "edges": graph.n_edges,
                "isolated": int((members[name] & ~graph.connected).sum()),
                "dead_ends": int((graph.connected & (graph.degree == 0)).sum()),
            }
        write_atomic(folder / "floor.json", canonical(floors))
        shown = floors["seen"]["floor_nats_per_item"]
        say(f"graph: {whole.n_edges:,} edges, {len(pairs.items):,} pairs, floor {shown:.3f} nats per item on seen items")
        return counts

    return make("graph", VERSION, config, inputs, out, build)


def _write(folder: Path, name: str, graph: Graph, split: TrainSplit, config: GraphConfig) -> dict[str, Any]:
    """Save a graph with its sampler and return its floor."""
    tables = build_tables(graph, split, config)
    save_tables(tables, folder)  # the graph's own arrays among them
    return floor.report(tables, config.seed, f"graph/floor/{name}", config.floor_walks)


def _check(config: GraphConfig) -> None:
    allowed = {
        "window": (config.window >= 0, "0 (whole history) or more"),
        "gamma": (config.gamma > 0, "a positive number"),
        "min_users": (config.min_users >= 1, "1 or more"),
        "top_k": (config.top_k >= 0, "0 (all) or more"),
        "length": (config.length >= 1, "1 or more"),
        "decay": (0 < config.decay <= 1, "above 0, at most 1"),
        "shrinkage": (config.shrinkage >= 0, "0 or more"),
        "text_neighbours": (config.text_neighbours >= 0, "0 (none) or more"),
        "lengths": (config.lengths in ("fixed", "histories"), "fixed | histories"),
        "weight": (config.weight in NAMES, " | ".join(NAMES)),
        "policy": (config.policy in POLICIES, " | ".join(POLICIES)),
        "start": (config.start in ("uniform", "popularity"), "uniform | popularity"),
        "pair_basket": (config.pair_basket in ("user", "session"), "user | session"),
        "pair_held_out": (0 <= config.pair_held_out < 1, "a share from 0 to below 1"),
        "floor_walks": (config.floor_walks >= 2, "2 or more"),
    }
    for name, (good, expected) in allowed.items():
        if not good:
            raise PreceptorError("Bad graph setting", where=f"graph.{name}", found=getattr(config, name), expected=expected)
