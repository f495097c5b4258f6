"""The stage `graph`: the item graph, the one without held-out items and pairs, and the CF pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import blocks
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.data.log import TrainSplit
from preceptor.graph import row_blocks
from preceptor.graph.config import GraphConfig, check
from preceptor.graph.item_graph import build_graph
from preceptor.graph.pairs import find_pairs


def build(config: GraphConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/graph from the training part and the codes' held-out items.

    Files: all/ and seen/ (graphs; seen is induced without held-out items and held-out pairs), pairs.npy, pair_users.npy,
    pair_baskets.npy, pair_split.npy, item_users.npy, item_baskets.npy, n_baskets.npy.
    """
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
    counted = row_blocks.counted(row_blocks.shards(config, inputs), config, split, folder)
    chosen = (config.pair_min_users, config.pairs_per_item, config.pair_held_out, config.seed, config.pair_basket)
    pairs = find_pairs(split, unseen, *chosen, found=counted("pairs"))
    pairs.save(folder)
    embeddings = inputs["codes"].array("embeddings") if config.text_neighbours else None
    whole = build_graph(split, config, embeddings, counted("graph"))
    blocks.forget(folder)
    graphs = {"all": whole, "seen": whole.induced(~unseen, pairs.held_out)}
    members = {"all": np.ones(split.n_items, bool), "seen": ~unseen}
    counts: dict[str, Any] = {
        "pairs": len(pairs.items),
        "baskets": pairs.n_baskets,
        "pairs_by_split": np.bincount(pairs.split, minlength=4).tolist(),
    }
    for name, graph in graphs.items():
        graph.save(folder / name)
        counts[name] = {
            "items": int(members[name].sum()),
            "edges": graph.n_edges,
            "isolated": int((members[name] & ~graph.connected).sum()),
            "dead_ends": int((graph.connected & (graph.degree == 0)).sum()),
        }
    rewritten = "" if config.null == "none" else f", {config.null} (a null: it holds no recommendation)"
    say(f"graph: {whole.n_edges:,} edges{rewritten}, {len(pairs.items):,} pairs")
    return counts


def cost(config: GraphConfig, inputs: Inputs) -> Cost:
    """Training interactions."""
    return Cost(len(inputs["train"].array("item")) if "train" in inputs else None, "interactions")


STAGE = Stage(
    name="graph",
    version=4,
    section="graph",
    needs=("data.train", "codes"),
    build=build,
    check=check,
    cost=cost,
    resumable=True,
    shards=row_blocks.shards,
)
