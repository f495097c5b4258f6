"""The stage `graph`: the item graph, the one without held-out items and pairs, and the CF pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import blocks
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Shard, Stage, without_defaults
from preceptor.data.log import TrainSplit
from preceptor.graph import row_blocks
from preceptor.graph.config import SINCE_REFRESH, GraphConfig, check
from preceptor.graph.cooccurrence import Cooccurrence, item_users
from preceptor.graph.earlier import Earlier, kept_counts
from preceptor.graph.item_graph import build_graph
from preceptor.graph.pairs import find_pairs


def build(config: GraphConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/graph from the training part and the codes' held-out items.

    Files: all/ and seen/ (graphs; seen is induced without held-out items and held-out pairs), pairs.npy, pair_users.npy,
    pair_baskets.npy, pair_split.npy, item_users.npy, item_baskets.npy, n_baskets.npy; with `keep_counts` also counts/.
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
    earlier = Earlier.load(config.since) if config.since else None
    place = earlier.place(split.items["item_id"].to_list()) if earlier is not None else None
    draw = earlier.draw(place, split.n_items).over if earlier is not None and place is not None else None
    counted = _counted(config, inputs, split, earlier, place, folder)
    chosen = (config.pair_min_users, config.pairs_per_item, config.pair_held_out, config.seed, config.pair_basket)
    pairs = find_pairs(split, unseen, *chosen, found=counted("pairs"), kept=draw)
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


def _counted(
    config: GraphConfig, inputs: Inputs, split: TrainSplit, earlier: Earlier | None, place: np.ndarray | None, folder: Path
) -> Callable[[str], Cooccurrence | None]:
    """What gives the pairs of a count by its name, "pairs" or "graph"; None where it is still to be counted."""
    if not config.keep_counts:
        return row_blocks.counted(row_blocks.shards(config, inputs), config, split, folder)
    kept, users_of = kept_counts(config, split, earlier, place, folder), item_users(split)

    def strongest(count: str) -> Cooccurrence | None:
        if count not in kept:
            return None
        asked = dict(row_blocks.COUNTS[count](config, split))
        only = {name: asked[name] for name in ("weighting", "min_users", "top_k")}
        return kept[count].strongest(users_of=users_of, directed=asked.get("directed", False), **only)

    return strongest


def key(config: GraphConfig, inputs: Inputs) -> Key:
    """The config; the graph that it goes on from, and its log, are inputs known by content."""
    own = without_defaults(config, SINCE_REFRESH)
    if not config.since:
        return Key(own, dict(inputs))
    earlier = Earlier.load(config.since)
    return Key(own | {"since": "given"}, {**inputs, "since": earlier.graph, "since_train": earlier.train})


def shards(config: GraphConfig, inputs: Inputs) -> list[Shard]:
    """Blocks of items of each count; none where counts are kept, which one process writes block by block."""
    return [] if config.keep_counts else row_blocks.shards(config, inputs)


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
    key=key,
    cost=cost,
    resumable=True,
    shards=shards,
)
