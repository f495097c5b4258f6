"""The bank's graphs as tasks, one per graph: what it gives the events of a log, and the graphs of the law that was chosen.

These graphs are most of the choice of a law (125 of 138 CPU seconds at 10 million interactions, cuts in time included); the
choice of weights reads at most `max_events` rows and takes one second. A task opens the training part, makes its
events anew from the same keys, and leaves a column of the table of likelihoods, a megabyte, or a graph.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core import blocks, disk, workers
from preceptor.core.artifact import canonical
from preceptor.core.stage import Shard
from preceptor.data.log import TrainSplit
from preceptor.generator import component_graphs, events, exposure
from preceptor.generator.components import GraphSpec
from preceptor.generator.evidence import Column, candidates, column_of, rows_of
from preceptor.generator.fit_config import FitConfig
from preceptor.graph.graph import Graph

LEAST = 2_000_000  # interactions: the law of fewer is chosen where it is, in the time that a few tasks take to start
Found = Callable[[int], Iterator[tuple[int, np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Source:
    """A training part on disk. codes: the folder that says which items are held out and left away; None: all are there."""

    train: Path
    codes: Path | None

    def split(self) -> TrainSplit:
        """The training part."""
        split = TrainSplit.load(self.train)
        if self.codes is None:
            return split
        return events.without_items(split, disk.load_array(self.codes / "held_out.npy").astype(bool))


@dataclass(frozen=True)
class Tasks:
    """The tasks of one law. part: what it is called; folder: of the stage."""

    source: Source
    settings: FitConfig
    part: str
    folder: Path

    def columns(
        self, found: events.EventSet, share: float, cap: int, columns: Sequence[Column], repeats: bool, longest: int
    ) -> list[Shard]:
        """One for each column of each fold of the events."""
        asked = (self.source, self.settings, share, cap, found.timed)
        shards = []
        for fold in range(len(found.folds)):
            for column in columns:
                name = f"{self.part}-{share:g}-{fold}-{_digest([column, cap])}"
                shards.append(Shard(name, column_block, (asked, fold, column, repeats, longest, name)))
        return shards

    def known(self, tasks: Sequence[Shard], folds: int) -> Found | None:
        """Have columns made where tasks go to other machines, or where some are there. Returns what gives those of a fold, by
        place; None where they are to be made here, a graph at a time."""
        names = [task.name for task in tasks]
        if not (workers.elsewhere() or blocks.some(self.folder, names)):
            return None
        blocks.carry_out(tasks, self.folder, f"graphs of {self.part}")
        width = len(names) // folds

        def found(fold: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
            for place, name in enumerate(names[fold * width : (fold + 1) * width]):
                block = blocks.load(self.folder, name)
                yield place, block["value"], block["alive"]

        return found

    def graphs(self, specs: Sequence[GraphSpec], kept: Path | None = None) -> tuple[Graph, ...] | None:
        """The graphs of the whole training part, memory-mapped below `kept`; None where they are to be made here."""
        tasks = []
        for spec in specs:
            name = f"{self.part}-graph-{_digest(spec)}"
            tasks.append(Shard(name, graph_block, (self.source, self.settings, spec, name)))
        names = [task.name for task in tasks]
        if not (workers.elsewhere() or blocks.some(self.folder, names)):
            return None
        blocks.carry_out(tasks, self.folder, f"law of {self.part}")
        found = (Graph(**blocks.load(self.folder, name)) for name in names)
        return tuple(graph if kept is None else graph.kept(kept / f"{k:02d}") for k, graph in enumerate(found))


def _digest(what: object) -> str:
    return hashlib.sha256(canonical(what).encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=1)
def opened(
    source: Source, settings: FitConfig, share: float, cap: int, timed: bool
) -> tuple[TrainSplit, events.EventSet, np.ndarray | None]:
    """What the tasks of a worker share: the training part, its events, and the inverse exposure of its rows."""
    split = source.split()
    return split, events.events(split, share, cap, settings.seed, timed), exposure.asked(split, settings)


def column_block(
    asked: tuple[Source, FitConfig, float, int, bool],
    number: int,
    column: Column,
    repeats: bool,
    longest: int,
    name: str,
    folder: Path,
) -> None:
    """A task: what a graph of the bank gives the events of a fold. asked: of `opened`."""
    split, found, inverse = opened(*asked)
    fold = found.folds[number]
    members, good = candidates(fold, None, repeats)
    chosen = events.select(fold.events, np.flatnonzero(good))
    weight = None if inverse is None else exposure.of_items(fold.inner, inverse[rows_of(split, found, fold)])
    graph = component_graphs.one(fold.inner, column.spec)
    value, alive = column_of(graph, column, longest, chosen, members, repeats, weight)
    blocks.save(folder, name, {"value": value, "alive": alive})


def graph_block(source: Source, settings: FitConfig, spec: GraphSpec, name: str, folder: Path) -> None:
    """A task: a graph of the whole training part."""
    split = source.split()
    graph, inverse = component_graphs.one(split, spec), exposure.asked(split, settings)
    if inverse is not None:
        graph = exposure.reweighed(graph, exposure.of_items(split, inverse))
    blocks.save(folder, name, {"indptr": graph.indptr, "indices": graph.indices, "weight": graph.weight})
