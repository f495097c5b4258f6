"""The stage `generator`: the law of synthetic histories, chosen inside the training part, its samplers and known floors."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import artifact, blocks
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Shard, Stage, without_defaults
from preceptor.core.tables.generator import CutRow, Floor, LawRow, WeightRow
from preceptor.data.log import TrainSplit
from preceptor.generator import bank_tasks, events, fit, floor, histories, made, packed_cells
from preceptor.generator.bank_tasks import Source, Tasks
from preceptor.generator.config import GeneratorConfig, check
from preceptor.generator.mixture import Mixture
from preceptor.generator.sampler import build_tables, sampler_of
from preceptor.graph.graph import Graph
from preceptor.graph.pairs import BOTH_SEEN

GRAPHS = ("all", "seen")


def build(config: GeneratorConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/generator: all/, seen/ and unseen/ (a sampler each), floor.json (a report for the first two).

    unseen/ is among held-out items alone, and missing where no edge joins two. The mixture's law is in all/law and seen/law:
    fitted to the whole training part, and anew to the part without held-out items, from whose graphs held-out pairs are
    taken away.
    """
    split = TrainSplit.load(inputs["train"].path)
    floors: dict[str, Floor] = {}
    counts: dict[str, Any] = {"law": config.law}
    for name, tables, facts in _samplers(config, inputs, split, folder):
        counts[name] = facts
        if tables is None:
            continue
        histories.save(tables, folder / name)
        del tables  # what follows reads the files
        if name not in GRAPHS:
            continue
        drawn = floor.report(histories.load(folder / name), config.seed, f"graph/floor/{name}", config.floor_walks)
        floors[name] = Floor(**drawn)
    write_atomic(folder / "floor.json", canonical(floors))
    blocks.forget(folder)
    shown = {name: floors[name].floor_nats_per_item for name in GRAPHS}
    of = "the mixture" if config.law == "mixture" else f"{config.policy} walks"
    say(f"generator: floor of {of} {shown['seen']:.3f} nats per item on seen items")
    return {**counts, "floor_nats_per_item": shown}


def _samplers(
    config: GeneratorConfig, inputs: Inputs, split: TrainSplit, folder: Path
) -> Iterator[tuple[str, histories.Sampler | None, dict[str, Any]]]:
    """(name, sampler, counts) of graph-all, graph-seen and the held-out items."""
    unseen = inputs["codes"].array("held_out", mmap=False).astype(bool)
    if config.law == "paper":
        for name in GRAPHS:
            yield name, build_tables(Graph.load(inputs["graph"].path / name), split, config), {}
        among = Graph.load(inputs["graph"].path / "all").induced(unseen)
        yield "unseen", build_tables(among, split, config) if among.n_edges else None, _among(unseen, [among])
        return
    min_users = int(inputs["graph"].manifest["config"]["min_users"])
    pairs = inputs["graph"].array("pairs")
    held_out = np.asarray(pairs[np.asarray(inputs["graph"].array("pair_split")) == BOTH_SEEN])
    with _scratch(folder / ".graphs") as kept:  # one graph is in memory at a time
        fitted, tasks = None, None
        for name in GRAPHS:
            part = split if name == "all" else made.seen_part(split, unseen)
            if fitted is None or unseen.any():  # with nothing held out, the law of the seen part is the law of all
                fitted, tasks = None, _tasks(config, inputs, name, folder)
                fitted = made.fit_law(part, config, min_users, tasks, kept / name, _earlier(config, name))
            if name == "seen":
                inner = made.within(fitted.mixture, ~unseen, held_out, kept / "among")
                fitted = dataclasses.replace(fitted, mixture=inner)
            for note in fitted.notes:
                say(f"  {name}: {note}")
            made.save_law(fitted, part, config, folder / name / "law", min_users, name == "all", tasks)
            law = fitted.mixture
            if config.walks:
                law = made.with_walks(law, Graph.load(inputs["graph"].path / name), config)
                law.save(folder / name / "law")
            facts = {
                "nats_per_next_item": fitted.nats,
                "coverage": fitted.coverage,
                "prior_share": law.prior_share,
                "effective_edges": None if config.walks else fitted.effective_edges,
            }
            say(
                f"  {name}: {fitted.nats:.3f} nats per next item [{fitted.lo:.3f}, {fitted.hi:.3f}] inside the training part, "
                f"{law.prior_share:.0%} prior, {fitted.coverage:.0%} of next items have an edge"
            )
            if config.walks:
                say(f"  {name}: {config.walks:.0%} of what is drawn are walks; the figures are those of the mixture alone")
            yield name, sampler_of(law, part, config), facts
    apart = made.within(Mixture.load(folder / "all" / "law"), unseen)
    some = any(graph.n_edges for graph in apart.graphs)
    yield "unseen", sampler_of(apart, split, config) if some else None, _among(unseen, apart.graphs)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A folder that is empty now, whatever a build that was killed left there, and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _among(unseen: np.ndarray, graphs: Sequence[Graph]) -> dict[str, int]:
    """Held-out items, and how many of them have no edge to another."""
    touched = np.any([graph.connected for graph in graphs], axis=0)
    return {"items": int(unseen.sum()), "isolated": int((unseen & ~touched).sum())}


def shards(config: GeneratorConfig, inputs: Inputs) -> list[Shard]:
    """One for each graph of the bank and each fold of the events, of the law of all items and of that without held-out ones;
    none for a log below `bank_tasks.LEAST`."""
    found: list[Shard] = []
    for name in GRAPHS if inputs["codes"].array("held_out").any() else GRAPHS[:1]:
        tasks = _tasks(config, inputs, name, Path())
        if tasks is None:
            continue
        split, settings = tasks.source.split(), tasks.settings
        asked = events.events(split, settings.share, settings.max_events, settings.seed, settings.timed)
        repeats, longest = fit.repeats_of(split, settings)[0], fit.longest_of(split, settings)
        found += fit.shards(tasks, asked, fit.specs_of(split, settings), settings, repeats, longest)
    return found


def _tasks(config: GeneratorConfig, inputs: Inputs, name: str, folder: Path) -> Tasks | None:
    """The tasks of one law; None where the log is too small for any, and where walks are drawn from one graph."""
    train, codes = inputs["train"], inputs["codes"]
    if config.law != "mixture" or len(train.array("item")) < bank_tasks.LEAST:
        return None
    seen = name == "seen" and bool(codes.array("held_out").any())
    min_users = int(inputs["graph"].manifest["config"]["min_users"])
    settings = made.settings_of(config, min_users, _earlier(config, name))
    return Tasks(Source(train.path, codes.path if seen else None), settings, name, folder)


def _earlier(config: GeneratorConfig, name: str) -> Path | None:
    """The folder of the law that a law goes on from."""
    return Path(config.since) / name / "law" if config.since else None


def key(config: GeneratorConfig, inputs: Inputs) -> Key:
    """The config and all inputs; the generator that it goes on from is an input known by content.

    Where cells aren't packed, the key says so: before 0.2 such catalogues had others.
    """
    own, more = without_defaults(config, ("since", "walks")), dict(inputs)
    if config.since:
        own, more = own | {"since": "given"}, more | {"since": artifact.load(Path(config.since))}
    if config.law == "mixture" and len(inputs["codes"].array("held_out")) >= 1 << packed_cells.PACKED_BITS:
        own |= {"cells": "linked"}
    return Key(own, more)


def cost(config: GeneratorConfig, inputs: Inputs) -> Cost:
    """Next items on which laws are fitted, at most; of walks, items of the histories from which the floors are computed."""
    if config.law == "mixture":
        known = len(inputs["train"].array("item")) if "train" in inputs else None
        return Cost(None if known is None else len(GRAPHS) * min(known, config.max_events), "next items")
    return Cost(len(GRAPHS) * config.floor_walks * config.length, "items")


STAGE = Stage(
    name="generator",
    version=4,
    section="generator",
    needs=("data.train", "codes", "graph"),
    build=build,
    check=check,
    key=key,
    cost=cost,
    resumable=True,
    shards=shards,
    below={f"{name}/law": (LawRow, WeightRow, CutRow) for name in GRAPHS},
)
