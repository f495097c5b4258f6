"""The stage `ranking`: train on synthetic, test on real, from the artifacts of data, graph and generator."""

from __future__ import annotations

from pathlib import Path

from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.core.tables.ranking import ArmMean, Look, Paired, RankedModel, SliceMean, Trial
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.made import moved
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking.config import RankingConfig, check
from preceptor.ranking.jobs import Source
from preceptor.ranking.trials import TRAINED
from preceptor.ranking.tstr import run as run_comparison

_SECOND = "leave_last_out"


def build(config: RankingConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/ranking.

    Where the data stage left a leave-last-out split beside the temporal one, the recipes frozen on the temporal split are
    trained and tested on it too, with histories drawn from a graph, or graphs, of its own training part
    (graph-leave-last-out/).
    """
    data, graph = inputs["data"], inputs["graph"]
    histories = GeneratorConfig(**inputs["generator"].manifest["config"])
    law = inputs["generator"].path / "all" / "law"
    drawn_from = law if histories.law == "mixture" else graph.path / "all"
    sources = [Source(data.json("summary")["kind"], str(data.path), str(drawn_from), histories)]
    if (data.path / _SECOND).is_dir():
        home = folder / "graph-leave-last-out"
        train = TrainSplit.load(data.path / _SECOND / "train")
        if histories.law == "mixture":
            moved(law, train).save(home)
        else:
            build_graph(train, GraphConfig(**graph.manifest["config"])).save(home)
        sources.append(Source("leave-last-out", str(data.path / _SECOND), str(home), histories))
    counts = run_comparison(sources, config, folder)
    for name, found in counts.items():
        say(f"ranking: {name}: {found['targets']:,} test targets of {found['users']:,} users, tested once")
    return counts


def cost(config: RankingConfig, inputs: Inputs) -> Cost:
    """Predicted positions of all training runs, at most: a run may stop early."""
    splits = 2 if "data" in inputs and (inputs["data"].path / _SECOND).is_dir() else 1
    runs = len(TRAINED) * (config.trials + config.seeds * splits - 1)
    return Cost(runs * config.max_updates * config.positions, "positions")


STAGE = Stage(
    name="ranking",
    version=5,
    section="ranking",
    needs=("data", "graph", "generator"),
    build=build,
    check=check,
    cost=cost,
    resumable=True,
    tables=(ArmMean, Paired, SliceMean, Trial, Look, RankedModel),
)
