"""What the components of a bank give the next items of a training log: the tables from which weights are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator import component_graphs, em, events, exposure, likelihood
from preceptor.generator.components import GraphSpec
from preceptor.generator.fit_config import FitConfig

# laws of the last item that every mixture is compared with, each with its best share of the priors
REFERENCES = {
    "smoothed bigram": GraphSpec("count", window=1, directed=True, top_k=0),
    "first order (cosine, window 10, top 50)": GraphSpec("cosine", window=10, min_users=2, top_k=50),
}


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
) -> Evidence:
    """The table of likelihoods, fold by fold, a graph at a time."""
    other = tuple(REFERENCES.values()) if references else ()
    n_memories = len(config.decays)
    signal, alive, prior, user, weight, reference = [], [], [], [], [], []
    outside = {"repeat": 0, "new": 0}
    for fold in found.folds:
        popularity = fold.inner.popularity
        members = members_of(fold.inner, embeddings)
        good = events.inside(fold.events, members, repeats)
        outside["new"] += int((~members[fold.events.item]).sum())
        outside["repeat"] += int((~good & members[fold.events.item]).sum())
        chosen = events.select(fold.events, np.flatnonzero(good))
        s, a = np.zeros((len(chosen), len(specs) * n_memories)), np.zeros((len(chosen), len(specs) * n_memories), bool)
        r, ra = np.zeros((len(chosen), len(other))), np.zeros((len(chosen), len(other)), bool)
        item_inverse = None if inverse is None else exposure.of_items(fold.inner, inverse[_rows(split, found, fold)])
        for place, graph in component_graphs.graphs(fold.inner, (*specs, *other), embeddings):
            at = place - len(specs)
            if at >= 0:
                r[:, [at]], ra[:, [at]] = likelihood.densities(graph, (0.0,), longest, chosen, members, repeats)
                del graph
                continue
            own = slice(place * n_memories, (place + 1) * n_memories)
            weighed = graph if item_inverse is None else exposure.reweighed(graph, item_inverse)
            s[:, own], a[:, own] = likelihood.densities(weighed, config.decays, longest, chosen, members, repeats)
            del graph, weighed  # before the next one is counted
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


def members_of(split: TrainSplit, embeddings: np.ndarray | None) -> np.ndarray:
    """The items that a law of this log can give: those with an interaction, and untouched ones that have text rows."""
    touched = split.popularity > 0
    return touched if embeddings is None else touched | (np.abs(embeddings).sum(axis=1) > 0)


def _rows(split: TrainSplit, found: events.EventSet, fold: events.Fold) -> np.ndarray:
    """Rows of the split that a fold's inner part keeps, bool [n]."""
    if found.timed:
        return np.asarray(split.time) < found.cut
    return np.isin(split.user, fold.inner.user)
