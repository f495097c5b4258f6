"""The counts of the stage `graph` by blocks of items: what each item keeps for itself, counted by tasks on any machine.

The union of what either end of a pair keeps is made where the blocks are put together. A task opens the whole log,
memory-mapped, and indexes it (two passes); so blocks are large, and `MOST` of each count at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import blocks, workers
from preceptor.core.stage import Inputs, Shard
from preceptor.data.log import TrainSplit
from preceptor.graph import item_graph, pairs
from preceptor.graph.config import GraphConfig
from preceptor.graph.cooccurrence import Cooccurrence, kept_rows, meetings, united

# Meetings of a block: seconds to tens of seconds of a core. A market of 10 M rows has 529 and 155 million, one block each.
EACH = {"pairs": 1 << 31, "graph": 1 << 29}
MOST = 32
Found = Cooccurrence | None
COUNTS: dict[str, Callable[[GraphConfig, TrainSplit], dict[str, Any]]] = {
    "pairs": lambda config, split: pairs.counting(config.pair_min_users, config.pairs_per_item),
    "graph": item_graph.counting,
}


def shards(config: GraphConfig, inputs: Inputs) -> list[Shard]:
    """One for each block of items of each count; none where each count is one block. Pairs by session are counted whole."""
    train = inputs["train"].path
    split = TrainSplit.load(train)
    found = []
    for count in ("pairs", "graph") if config.pair_basket == "user" else ("graph",):
        asked = COUNTS[count](config, split)
        work = meetings(split, asked.get("window", 0), asked.get("directed", False))
        cut = blocks.by_work(work, EACH[count], MOST)
        if len(cut) > 1:
            found += [Shard(f"{count}-{k:03d}", count_block, (count, config, train, k, items)) for k, items in enumerate(cut)]
    return found


def counted(tasks: Sequence[Shard], config: GraphConfig, split: TrainSplit, folder: Path) -> Callable[[str], Found]:
    """Have the blocks counted where tasks go to other machines, or where some are made already. Returns what gives a count by
    its name, "pairs" or "graph"; None where it isn't cut, for threads of this process share the log and are as fast."""
    names = [shard.name for shard in tasks]
    if not tasks or not (workers.elsewhere() or blocks.some(folder, names)):
        return lambda count: None
    blocks.carry_out(tasks, folder, "graph")

    def found(count: str) -> Found:
        own = [name for name in names if name.startswith(f"{count}-")]
        return _joined(folder, own, COUNTS[count](config, split)) if own else None

    return found


def count_block(count: str, config: GraphConfig, train: Path, number: int, items: tuple[int, int], folder: Path) -> None:
    """A task: count a block of items, and write what each keeps for itself."""
    split = TrainSplit.load(train)
    found = kept_rows(split, **COUNTS[count](config, split), threads=1, items=items)
    arrays = {"sizes": np.diff(found.indptr), "indices": found.indices, "users": found.users}
    if found.strength is not found.users:
        arrays["strength"] = found.strength
    blocks.save(folder, f"{count}-{number:03d}", arrays)


def _joined(folder: Path, names: Sequence[str], asked: dict[str, Any]) -> Cooccurrence:
    found = blocks.joined(folder, names)
    indptr = np.concatenate([[0], np.cumsum(found["sizes"])])
    rows = Cooccurrence(indptr, found["indices"], found["users"], found.get("strength", found["users"]))
    return united(rows, asked.get("directed", False), asked["top_k"])
