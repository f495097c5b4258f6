"""The law of a study: fitted to a training split, kept in a folder, moved to another split."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
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
from preceptor.generator.mixture import Mixture

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
    found = document.listing(folder / "specs.json")
    specs = tuple(GraphSpec(**spec) for spec in found)
    mixture = Mixture.load(folder)
    return dataclasses.replace(
        mixture, graphs=rebuilt(split, specs), popularity=split.popularity, members=members_of(split, None)
    )
