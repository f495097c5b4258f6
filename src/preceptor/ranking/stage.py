"""The stage `ranking`: train on synthetic, test on real, from the artifacts of data and graph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.core.artifact import Artifact, make
from preceptor.core.progress import say
from preceptor.data.log import TrainSplit
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import Source
from preceptor.ranking.tstr import run as run_comparison

VERSION = 2
_SECOND = "leave_last_out"


def run(config: RankingConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/ranking from inputs `data` and `graph`.

    Where the data stage left a leave-last-out split beside the temporal one, the recipes frozen on the temporal split are
    trained and tested on it too, with walks over a graph of its own training part (graph-<split>/).
    """
    data, graph = inputs["data"], inputs["graph"]

    def build(folder: Path) -> Mapping[str, Any]:
        first = Source(data.json("summary")["kind"], str(data.path), str(graph.path / "all"))
        sources = [first]
        if (data.path / _SECOND).is_dir():
            home = folder / "graph-leave-last-out"
            train = TrainSplit.load(data.path / _SECOND / "train")
            build_graph(train, GraphConfig(**graph.manifest["config"])).save(home)
            sources.append(Source("leave-last-out", str(data.path / _SECOND), str(home)))
        counts = run_comparison(sources, config, folder)
        for name, found in counts.items():
            say(f"ranking: {name}: {found['targets']:,} test targets of {found['users']:,} users, tested once")
        return counts

    return make("ranking", VERSION, config, inputs, out, build, resumable=True)
