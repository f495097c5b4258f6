"""The law of a study: fitted to a training split, kept in a folder, moved to another split."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document, row
from preceptor.core.tables.generator import CutRow, LawRow, WeightRow
from preceptor.data.log import TrainSplit
from preceptor.generator import earlier_law
from preceptor.generator.bank_tasks import Tasks
from preceptor.generator.components import GraphSpec
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.events import without_items
from preceptor.generator.evidence import members_of
from preceptor.generator.fit import Fitted, cuts, fit, rebuilt
from preceptor.generator.fit_config import FitConfig
from preceptor.generator.mixture import Memory, Mixture, Part
from preceptor.graph.graph import Graph

WALKS = "walks of the section graph"  # what the graph of `with_walks` is called

_FIGURES = (
    "events", "found", "users", "timed", "cut", "outside", "nats", "lo", "hi", "user_nats", "in_sample", "gap", "coverage",
    "effective_edges", "effective_events", "notes",
)  # fmt: skip


def settings_of(config: GeneratorConfig, min_users: int, earlier: Path | None = None) -> FitConfig:
    """How a study's law is chosen. min_users: fewest distinct users behind an edge of any graph of the bank. earlier: the
    folder of a law that it goes on from, whose graphs stay the candidates."""
    return FitConfig(
        graphs=() if earlier is None else earlier_law.graphs(earlier),
        min_users=min_users,
        objective=config.objective,
        beta=config.beta,
        max_events=config.max_events,
        resamples=config.resamples,
        singles=False,
        seed=config.seed,
    )


def fit_law(
    split: TrainSplit,
    config: GeneratorConfig,
    min_users: int,
    tasks: Tasks | None = None,
    folder: Path | None = None,
    earlier: Path | None = None,
) -> Fitted:
    """Choose the law of the next item inside a training split. tasks: as `fit` takes them. folder: where its graphs are kept;
    None: in memory. earlier: as `settings_of` does."""
    return fit(split, settings_of(config, min_users, earlier), tasks=tasks, folder=folder, earlier=earlier)


def seen_part(split: TrainSplit, unseen: np.ndarray) -> TrainSplit:
    """The training split as a language model may know it: without the interactions of held-out items (bool [I])."""
    return without_items(split, unseen)


def within(mixture: Mixture, items: np.ndarray, without: np.ndarray | None = None, folder: Path | None = None) -> Mixture:
    """The law among some items (bool [I]) alone, without edges of unordered pairs (int [P, 2]), under the same weights.

    folder: where its graphs are kept; None: in memory.
    """
    induced = (graph.induced(items, without) for graph in mixture.graphs)
    graphs = tuple(graph if folder is None else graph.kept(folder / f"{k:02d}") for k, graph in enumerate(induced))
    return dataclasses.replace(mixture, graphs=graphs, members=mixture.members & items)


def with_walks(mixture: Mixture, graph: Graph, config: GeneratorConfig) -> Mixture:
    """The law (1 − walks) · mixture + walks · a walk of the config's policy on a graph of the same items.

    Where the walk has no mass its share goes where the mixture sends that of its own parts. It reads as many items as they do,
    and no item twice where the mixture doesn't.
    """
    longest = max((part.memory.longest for part in mixture.parts), default=1)
    decay = config.decay if config.policy == "history" else 0.0
    walk, kept = Part(len(mixture.graphs), Memory(decay, longest), config.walks), 1 - config.walks
    return dataclasses.replace(
        mixture,
        graphs=(*mixture.graphs, graph),
        names=(*mixture.names, WALKS),
        parts=(*(dataclasses.replace(part, weight=kept * part.weight) for part in mixture.parts), walk),
        priors=tuple(dataclasses.replace(prior, weight=kept * prior.weight) for prior in mixture.priors),
    )


def specs_of(folder: Path, mixture: Mixture) -> tuple[GraphSpec, ...]:
    """How the graphs of a kept law are built. PreceptorError where one is the graph of the section `graph`."""
    if WALKS in mixture.names:
        raise PreceptorError(
            "A law with walks in it can't be built anew from other users",
            where="generator.walks",
            expected="0 for what needs that: rankings on a second split, and the audit of privacy",
        )
    return tuple(GraphSpec(**spec) for spec in document.listing(folder / "specs.json"))


def save_law(
    fitted: Fitted,
    split: TrainSplit,
    config: GeneratorConfig,
    folder: Path,
    min_users: int,
    stability: bool = True,
    tasks: Tasks | None = None,
) -> None:
    """Write the law (`Mixture.save`), its graphs' descriptions (specs.json), its figures (fit.json) and tables (*.csv).

    stability: whether weights are also fitted at other cuts in time (cuts.csv, else empty). tasks: as `fit` takes them.
    """
    fitted.mixture.save(folder)
    write_atomic(folder / "specs.json", canonical(list(fitted.specs)))
    write_atomic(folder / "fit.json", canonical({name: getattr(fitted, name) for name in _FIGURES}))
    row.write(folder, LawRow, fitted.laws)
    row.write(folder, WeightRow, fitted.weights)
    row.write(folder, CutRow, cuts(split, fitted, settings_of(config, min_users), tasks=tasks) if stability else ())


def moved(folder: Path, split: TrainSplit) -> Mixture:
    """The law kept in a folder, its graphs built anew from another training split, under the same weights."""
    mixture = Mixture.load(folder)
    specs = specs_of(folder, mixture)
    return dataclasses.replace(
        mixture, graphs=rebuilt(split, specs), popularity=split.popularity, members=members_of(split, None)
    )
