"""The stage `generator`: the samplers of synthetic histories on both graphs, and their known floors."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.core.tables.generator import Floor
from preceptor.data.log import TrainSplit
from preceptor.generator import floor
from preceptor.generator.config import GeneratorConfig, check
from preceptor.generator.sampler import build_tables
from preceptor.generator.walk_tables import save_tables
from preceptor.graph.graph import Graph

GRAPHS = ("all", "seen")


def build(config: GeneratorConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/generator: all/ and seen/ (the sampler on each graph), floor.json (a report for each)."""
    split = TrainSplit.load(inputs["train"].path)
    floors: dict[str, Floor] = {}
    for name in GRAPHS:
        tables = build_tables(Graph.load(inputs["graph"].path / name), split, config)
        save_tables(tables, folder / name)
        floors[name] = Floor(**floor.report(tables, config.seed, f"graph/floor/{name}", config.floor_walks))
    write_atomic(folder / "floor.json", canonical(floors))
    shown = {name: floors[name].floor_nats_per_item for name in GRAPHS}
    say(f"generator: {config.policy} walks, floor {shown['seen']:.3f} nats per item on seen items")
    return {"floor_nats_per_item": shown}


def cost(config: GeneratorConfig, inputs: Inputs) -> Cost:
    """Items of the histories from which the floors are computed."""
    return Cost(len(GRAPHS) * config.floor_walks * config.length, "items")


STAGE = Stage(
    name="generator", version=1, section="generator", needs=("data.train", "graph"), build=build, check=check, cost=cost
)
