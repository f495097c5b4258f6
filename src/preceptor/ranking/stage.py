"""The stage `ranking`: train on synthetic, test on real, from the artifacts of data, graph and generator."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from preceptor.core import artifact
from preceptor.core.artifact import file_digest
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Shard, Stage, without_defaults
from preceptor.core.tables import row
from preceptor.core.tables.ranking import Answer, ArmMean, ArmRun, Budget, Paired, SliceMean, Trial
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.made import moved
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking import schedule
from preceptor.ranking.config import RankingConfig, check

if TYPE_CHECKING:
    from preceptor.ranking.jobs import Source

_SECOND = "leave_last_out"


def build(config: RankingConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/ranking.

    Where the data stage left a leave-last-out split beside the temporal one, and `second_split` asks for it, the settings
    frozen on the temporal split are trained and tested on it too, with histories drawn from a graph, or graphs, of its own
    training part (graph-leave-last-out/).
    """
    from preceptor.ranking import tstr

    counts = tstr.run(sources_of(config, inputs, folder), config, folder)
    for name, found in counts.items():
        say(f"ranking: {name}: {found['targets']:,} test targets of {found['users']:,} users, tested once")
        if found["left_out"]:
            say(f"ranking: {name}: left out, the catalogue being too large: {', '.join(found['left_out'])}")
    for answer in row.read(folder, Answer):
        say(f"ranking: {answer.split}: {answer.sentences[0]}")
    return counts


def sources_of(config: RankingConfig, inputs: Inputs, folder: Path) -> list[Source]:
    """The splits that are compared; what a second one needs is made below `folder`."""
    from preceptor.ranking.jobs import Source

    data, graph = inputs["data"], inputs["graph"]
    histories = GeneratorConfig(**inputs["generator"].manifest["config"])
    law = inputs["generator"].path / "all" / "law"
    drawn_from = law if histories.law == "mixture" else graph.path / "all"
    sources = [Source(data.json("summary")["kind"], str(data.path), str(drawn_from), histories)]
    if config.second_split and (data.path / _SECOND).is_dir():
        home = folder / "graph-leave-last-out"
        train = TrainSplit.load(data.path / _SECOND / "train")
        if histories.law == "mixture":
            moved(law, train).save(home)
        else:
            build_graph(train, GraphConfig(**graph.manifest["config"])).save(home)
        sources.append(Source("leave-last-out", str(data.path / _SECOND), str(home), histories))
    return sources


def shards(config: RankingConfig, inputs: Inputs) -> list[Shard]:
    """One for each trained arm, and one for each baseline."""
    from preceptor.ranking.tstr import each_one

    made = {name: str(found.path) for name, found in inputs.items()}
    first = sources_of(dataclasses.replace(config, second_split=False), inputs, Path())[0]
    return [Shard(name, _shard, (name, config, made), config.threads) for name in each_one(first, config)]


def _shard(name: str, config: RankingConfig, made: Mapping[str, str], folder: Path) -> None:
    from preceptor.ranking.tstr import run_one

    inputs = {key: artifact.load(Path(path)) for key, path in made.items()}
    with tempfile.TemporaryDirectory() as home:
        run_one(name, sources_of(config, inputs, Path(home)), config, folder)


def cost(config: RankingConfig, inputs: Inputs) -> Cost:
    """Predicted positions of all training runs, at most: an arm that converges early stops."""
    splits = 2 if config.second_split and "data" in inputs and (inputs["data"].path / _SECOND).is_dir() else 1
    trial = schedule.trial(config).updates if config.trials > 1 else 0
    whole, last = schedule.whole(config).updates, config.first << config.doublings
    updates = len(config.arms) * (config.trials * trial + splits * (whole + (config.seeds - 1) * last))
    return Cost(updates * config.positions, "positions")


def key(config: RankingConfig, inputs: Inputs) -> Key:
    """The config, with the digests of the files that a person gives in place of their paths."""
    paths = {name: getattr(config, name) for name in ("baseline", "impressions")}
    files = {name: file_digest(Path(path)) for name, path in paths.items() if path is not None and Path(path).is_file()}
    return Key({**without_defaults(config, ("impressions", "device")), **files}, dict(inputs))


STAGE = Stage(
    name="ranking",
    version=9,
    section="ranking",
    needs=("data", "graph", "generator"),
    build=build,
    check=check,
    key=key,
    cost=cost,
    resumable=True,
    shards=shards,
    tables=(ArmMean, Paired, SliceMean, Trial, ArmRun, Budget, Answer),
)
