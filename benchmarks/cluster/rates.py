"""CPU seconds of each kind of task of a large log, one thread each, and the bytes that its stages leave on disk.

    python -m benchmarks.cluster.rates --run build/scale-market/10/out --out results/cluster/rates.csv

--run: a folder in which benchmarks/scale/market.py has made data, codes, graph and generator. Each task is carried out here
as a worker would, and its CPU time is taken, so that a busy machine disturbs it little. Kernels are compiled before.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["PRECEPTOR_WORKERS"] = "1"  # as in a worker

import numpy as np

from preceptor.codes import item_blocks
from preceptor.codes.config import CodesConfig
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.stage import Shard
from preceptor.generator import bank_tasks, fit
from preceptor.generator import stage as generator
from preceptor.generator.config import GeneratorConfig
from preceptor.graph import row_blocks
from preceptor.graph.config import GraphConfig
from preceptor.graph.cooccurrence import meetings

STAGES = ("data", "codes", "graph", "generator", "curriculum")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("results/cluster/rates.csv"))
    given = parser.parse_args()
    made = {name: artifact.load(given.run / name) for name in STAGES if (given.run / name / "manifest.json").exists()}
    with tempfile.TemporaryDirectory() as home:
        rows = [*_graph(made, Path(home)), *_codes(made, Path(home)), *_generator(made, Path(home)), *_bytes(made)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with open(given.out, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, ("what", "amount", "unit", "cpu_seconds", "bytes"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(given.out.read_text(encoding="utf-8"))


def _row(what: str, amount: float, unit: str, cpu: float | None = None, size: int | None = None) -> dict[str, Any]:
    return {
        "what": what,
        "amount": amount,
        "unit": unit,
        "cpu_seconds": "" if cpu is None else round(cpu, 2),
        "bytes": "" if size is None else size,
    }


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _carried_out(shard: Shard, home: Path) -> tuple[float, int]:
    """CPU seconds of a task, and bytes of its file."""
    folder = home / shard.name
    seconds = _cpu(lambda: shard.work(*shard.arguments, folder))
    return seconds, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _inputs(made: dict[str, Artifact]) -> dict[str, Artifact]:
    return {**made, "train": made["data"].part("train")}


def _graph(made: dict[str, Artifact], home: Path) -> Iterator[dict[str, Any]]:
    """A block of all items, and one of a single item: what every task costs."""
    config, train = GraphConfig(**made["graph"].manifest["config"]), made["data"].path / "train"
    split = bank_tasks.Source(train, None).split()
    for count, asked in row_blocks.COUNTS.items():
        how = asked(config, split)
        work = int(meetings(split, how.get("window", 0), how.get("directed", False)).sum())
        for name, items in (("warm", (0, 1)), ("one item", (0, 1)), ("all items", (0, split.n_items))):
            seconds, size = _carried_out(
                Shard(f"{count}-{name}", row_blocks.count_block, (count, config, train, 0, items)), home
            )
            if name == "one item":
                yield _row(f"graph: open and index the log ({count})", len(split.item), "interactions", seconds)
            elif name == "all items":
                yield _row(f"graph: rows of {count}", work, "meetings", seconds, size)


def _codes(made: dict[str, Artifact], home: Path) -> Iterator[dict[str, Any]]:
    """A block of texts, and a block of embeddings."""
    codes, items = made["codes"], made["data"].file(f"train/{item_blocks.ITEMS}")
    config = CodesConfig(**codes.manifest["config"])
    n = min(int(codes.counts["items"]), item_blocks.WORDS)
    for name, work, arguments in (
        ("codes: texts to embeddings (tfidf)", item_blocks.encode_block, (config, items, 0, 0, n)),
        (f"codes: embeddings to codes ({config.tokeniser})", item_blocks.assign_block, (0, 0, n)),
    ):
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        for part in ("encoder", "tokeniser", "embeddings.npy"):
            (folder / part).symlink_to(codes.path.absolute() / part)
        seconds = _cpu(lambda work=work, arguments=arguments, folder=folder: work(*arguments, folder))  # type: ignore[misc]
        yield _row(name, n, "items", seconds, sum(p.stat().st_size for p in (folder / "blocks").iterdir()))


def _generator(made: dict[str, Artifact], home: Path) -> Iterator[dict[str, Any]]:
    """A graph of the bank, on average over those of the law of all items; what a worker opens before its first."""
    config, inputs = GeneratorConfig(**made["generator"].manifest["config"]), _inputs(made)
    tasks = [shard for shard in generator.shards(config, inputs) if shard.name.startswith("all-")]
    interactions = len(inputs["train"].array("item"))
    opened = tasks[0].arguments[0]
    yield _row(
        "generator: open the log, find the events", interactions, "interactions", _cpu(lambda: bank_tasks.opened(*opened))
    )
    _carried_out(tasks[0], home / "warm")
    found = [_carried_out(task, home) for task in tasks]
    yield _row(
        f"generator: a graph of {len(tasks)}, and what it gives the events",
        interactions,
        "interactions",
        float(np.mean([seconds for seconds, _ in found])),
        int(np.mean([size for _, size in found])),
    )
    laws = [len(made["generator"].json(f"{part}/law/specs")) for part in ("all", "seen")]
    yield _row("generator: graphs that stay, of both laws", sum(laws), "graphs")
    yield _row("generator: graphs at other cuts in time", 3 * laws[0], "graphs")
    yield _row("generator: graphs to choose from, of both laws", 2 * len(tasks), "graphs")
    source, settings = opened[:2]
    spec = fit.specs_of(source.split(), settings)[0]
    seconds, size = _carried_out(Shard("graph", bank_tasks.graph_block, (source, settings, spec, "graph")), home)
    yield _row("generator: a graph of the whole log", interactions, "interactions", seconds, size)


def _bytes(made: dict[str, Artifact]) -> Iterator[dict[str, Any]]:
    interactions = len(made["data"].array("train/item"))
    for name, found in made.items():
        size = sum(facts["bytes"] for facts in found.manifest["files"].values())
        yield _row(f"{name}: files of the stage", interactions, "training interactions", None, size)


if __name__ == "__main__":
    main()
