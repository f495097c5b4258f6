"""What the components of a bank give the next items of a training log: the tables from which weights are fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import component_graphs, em, events, exposure, likelihood
from preceptor.generator.components import GraphSpec
from preceptor.generator.fit_config import FitConfig
from preceptor.graph.graph import Graph

# laws of the last item that every mixture is compared with, each with its best share of the priors
REFERENCES = {
    "smoothed bigram": GraphSpec("count", window=1, directed=True, top_k=0),
    "first order (cosine, window 10, top 50)": GraphSpec("cosine", window=10, min_users=2, top_k=50),
}


@dataclass(frozen=True)
class Column:
    """A graph and the memories that it is read through. plain: it is taken as counted, whatever the objective."""

    spec: GraphSpec
    decays: tuple[float, ...]
    plain: bool = False


@dataclass(frozen=True)
class Evidence:
    """What the components give the events. table: of candidates × memories; references: of REFERENCES, their memory.

    user, event_weight: [E]. outside: as in Fitted.
    """

    table: em.Table
    references: em.Table
    user: np.ndarray
    event_weight: np.ndarray
    outside: dict[str, int]


def gather(
    found: events.EventSet,
    specs: tuple[GraphSpec, ...],
    config: FitConfig,
    repeats: bool,
    longest: int,
    inverse: np.ndarray | None,
    split: TrainSplit,
    embeddings: np.ndarray | None,
    references: bool = True,
    known: Callable[[int], Iterator[tuple[int, np.ndarray, np.ndarray]]] | None = None,
) -> Evidence:
    """The table of likelihoods, fold by fold, a graph at a time.

    known: of a fold, by its number, each place in `columns`, and what its column gives the events; None: it is found here.
    """
    asked = columns(specs, config, references)
    n_memories = len(config.decays)
    signal, alive, prior, user, weight, reference = [], [], [], [], [], []
    outside = {"repeat": 0, "new": 0}
    for k, fold in enumerate(found.folds):
        popularity = fold.inner.popularity
        members, good = candidates(fold, embeddings, repeats)
        outside["new"] += int((~members[fold.events.item]).sum())
        outside["repeat"] += int((~good & members[fold.events.item]).sum())
        chosen = events.select(fold.events, np.flatnonzero(good))
        s, a = np.zeros((len(chosen), len(specs) * n_memories)), np.zeros((len(chosen), len(specs) * n_memories), bool)
        other = len(asked) - len(specs)
        r, ra = np.zeros((len(chosen), other)), np.zeros((len(chosen), other), bool)
        item_inverse = None if inverse is None else exposure.of_items(fold.inner, inverse[rows_of(split, found, fold)])
        if known is None:
            made = _here(fold.inner, asked, embeddings, (longest, chosen, members, repeats, item_inverse))
        else:
            made = known(k)
        for place, value, lives in made:
            if place >= len(specs):
                r[:, [place - len(specs)]], ra[:, [place - len(specs)]] = value, lives
                continue
            own = slice(place * n_memories, (place + 1) * n_memories)
            s[:, own], a[:, own] = value, lives
        signal.append(s)
        alive.append(a)
        reference.append((r, ra))
        prior.append(likelihood.prior_densities(popularity, config.alphas, chosen, members, repeats))
        user.append(chosen.user)
        weight.append(np.ones(len(chosen)) if inverse is None else inverse[chosen.end])
    users = np.concatenate(user)
    if not len(users):
        raise PreceptorError(
            "No next item of the training part is a candidate of its generator",
            found=", ".join(f"{count} {reason}" for reason, count in outside.items()),
            expected="items that other training interactions have met before",
        )
    w = np.concatenate(weight)
    if config.balance == "user":
        _, number = np.unique(users, return_inverse=True)
        w = w / np.bincount(number, weights=w)[number]
    priors = np.concatenate(prior)
    ref = em.Table(np.concatenate([r for r, _ in reference]), np.concatenate([a for _, a in reference]), priors)
    return Evidence(em.Table(np.concatenate(signal), np.concatenate(alive), priors), ref, users, w / w.mean(), outside)


def _here(
    inner: TrainSplit, asked: list[Column], embeddings: np.ndarray | None, given: tuple[Any, ...]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(place, density, whether it has mass) of each column; given: the rest of `column_of`."""
    for place, graph in component_graphs.graphs(inner, tuple(column.spec for column in asked), embeddings):
        found = column_of(graph, asked[place], *given)
        del graph  # before the next one is counted
        yield place, *found


def columns(specs: tuple[GraphSpec, ...], config: FitConfig, references: bool = True) -> list[Column]:
    """What is gathered: each candidate under all memories, then REFERENCES."""
    other = [Column(spec, (0.0,), plain=True) for spec in REFERENCES.values()] if references else []
    return [*(Column(spec, config.decays) for spec in specs), *other]


def column_of(
    graph: Graph,
    column: Column,
    longest: int,
    chosen: Targets,
    members: np.ndarray,
    repeats: bool,
    item_inverse: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What a column gives the events: `likelihood.densities` of its graph, reweighed where the objective asks for it."""
    weighed = graph if column.plain or item_inverse is None else exposure.reweighed(graph, item_inverse)
    return likelihood.densities(weighed, column.decays, longest, chosen, members, repeats)


def candidates(fold: events.Fold, embeddings: np.ndarray | None, repeats: bool) -> tuple[np.ndarray, np.ndarray]:
    """The items that the law of a fold's graphs can give, bool [I], and which of its events ask for one, bool [events]."""
    members = members_of(fold.inner, embeddings)
    return members, events.inside(fold.events, members, repeats)


def members_of(split: TrainSplit, embeddings: np.ndarray | None) -> np.ndarray:
    """The items that a law of this log can give: those with an interaction, and untouched ones that have text rows."""
    touched = split.popularity > 0
    return touched if embeddings is None else touched | (np.abs(embeddings).sum(axis=1) > 0)


def rows_of(split: TrainSplit, found: events.EventSet, fold: events.Fold) -> np.ndarray:
    """Rows of the split that a fold's inner part keeps, bool [n]."""
    if found.timed:
        return np.asarray(split.time) < found.cut
    return np.isin(split.user, fold.inner.user)
