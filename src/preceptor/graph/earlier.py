"""The graph of the run that a refresh goes on from: its log, its items, its held-out pairs, its kept counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.data.log import TrainSplit
from preceptor.graph import counts
from preceptor.graph.config import GraphConfig
from preceptor.graph.counts import Counts
from preceptor.graph.pairs import BOTH_SEEN, TRAIN

KEPT = "counts"  # folder of the stage


@dataclass(frozen=True)
class Earlier:
    """A finished stage `graph`, with the training part that it was made of."""

    graph: Artifact
    train: Artifact

    @classmethod
    def load(cls, folder: str | Path) -> Earlier:
        """Open RUN/graph, or that of an arm, and the training part beside it. Raises PreceptorError where one is missing."""
        graph = artifact.load(Path(folder))
        if graph.manifest["stage"] != "graph":
            raise PreceptorError(
                "Not the graph of a run",
                where=folder,
                found=f"the stage {graph.manifest['stage']}",
                expected="RUN/graph",
            )
        wanted = graph.manifest["inputs"]["train"]
        homes = [Path(folder).absolute().parent, Path(folder).absolute().parent.parent.parent]  # of an arm: RUN/arms/NAME
        for home in homes:
            if (home / "data" / artifact.MANIFEST).exists():
                train = artifact.load(home / "data").part("train")
                if train.digest == wanted:
                    return cls(graph, train)
        raise PreceptorError(
            "The log of the run to go on from isn't there",
            where=homes[0] / "data",
            expected="the training part that its graph was made of",
            remedy="run that study again, or make a full run",
        )

    def place(self, new_ids: list[str]) -> np.ndarray:
        """int64 [old items]: the number of each old item among these, those that are gone numbered on after all of them."""
        number = {item: k for k, item in enumerate(new_ids)}
        old_ids = TrainSplit.load(self.train.path).items["item_id"].to_list()
        place = np.array([number.get(item, -1) for item in old_ids], np.int64)
        gone = np.flatnonzero(place < 0)
        place[gone] = len(new_ids) + np.arange(len(gone))
        return place

    def draw(self, place: np.ndarray, n_items: int) -> KeptDraw:
        """Which pairs of known items are held out."""
        pairs = np.asarray(self.graph.array("pairs"))
        held_out = place[pairs[np.asarray(self.graph.array("pair_split")) == BOTH_SEEN]]
        held_out = held_out[(held_out < n_items).all(axis=1)]
        known = np.zeros(n_items, np.bool_)
        known[place[place < n_items]] = True
        return KeptDraw(known, np.unique(held_out.min(axis=1) * n_items + held_out.max(axis=1)))


@dataclass(frozen=True)
class KeptDraw:
    """The held-out draw of an earlier run. known: bool [I]; held_out: int64, low · I + high of its pairs, ascending."""

    known: np.ndarray
    held_out: np.ndarray

    def over(self, items: np.ndarray, part: np.ndarray) -> np.ndarray:
        """The split of pairs (int32 [P, 2], low first), in which pairs of known items are held out where they were.

        Others of known items are trained on: as edges of the earlier graph they may have been.
        """
        was = np.isin(items[:, 0].astype(np.int64) * len(self.known) + items[:, 1], self.held_out)
        drawn = self.known[items].all(axis=1) & ((part == TRAIN) | (part == BOTH_SEEN))
        return np.where(drawn, np.where(was, BOTH_SEEN, TRAIN), part).astype(part.dtype)


def kept_counts(
    config: GraphConfig, split: TrainSplit, earlier: Earlier | None, place: np.ndarray | None, folder: Path
) -> Mapping[str, Counts]:
    """Write the counts of the graph's window and of whole histories, below `folder`; by changes where an earlier run kept its.

    Returns them as "graph" and "pairs" (without it where pairs meet in sessions).
    """
    asked: dict[str, tuple[int, bool]] = {"graph": (config.window, config.directed)}
    if config.pair_basket == "user":
        asked["pairs"] = (0, False)
    if earlier is not None:
        _refuse_others(config, earlier)
        if not (earlier.graph.path / KEPT).is_dir():
            say("graph: the run to go on from kept no counts (graph.keep_counts); the log is counted anew")
            earlier = None
    found: dict[tuple[int, bool], Counts] = {}
    for way in dict.fromkeys(asked.values()):
        home = folder / KEPT / _name(*way)
        if earlier is None or place is None:
            found[way] = counts.count(split, *way, home)
        else:
            old = Counts.load(earlier.graph.path / KEPT / _name(*way))
            found[way] = counts.refresh(old, TrainSplit.load(earlier.train.path), split, place, *way, home)
    return {name: found[way] for name, way in asked.items()}


def _refuse_others(config: GraphConfig, earlier: Earlier) -> None:
    """Counts of another window or direction are of no use."""
    theirs: Mapping[str, Any] = earlier.graph.manifest["config"]
    for name in ("window", "directed", "pair_basket"):
        if theirs[name] != getattr(config, name):
            raise PreceptorError(
                "The run to go on from has counted otherwise",
                where=f"graph.{name}",
                found=getattr(config, name),
                expected=f"{theirs[name]}, as in {earlier.graph.path}",
                remedy=f"set graph.{name} so, or make a full run",
            )


def _name(window: int, directed: bool) -> str:
    return (f"window-{window}" if window else "whole") + ("-directed" if directed else "")
