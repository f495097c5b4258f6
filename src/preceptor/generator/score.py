"""A fitted law on real targets: nats per target, ranks, and the regret of its weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from preceptor.core import metrics
from preceptor.data.rows import Targets
from preceptor.generator import em, events, likelihood
from preceptor.generator.dense import candidates, law_rows
from preceptor.generator.mixture import Mixture


@dataclass(frozen=True)
class Scored:
    """nats: −log p of each target, NaN outside X(h). rank: int32, 1 = best, the last rank outside X(h). inside: bool.

    All [targets].
    """

    nats: np.ndarray
    rank: np.ndarray
    inside: np.ndarray

    def recall(self, k: int) -> np.ndarray:
        """Recall@k of each target, those outside X(h) among them (0)."""
        return metrics.recall(self.rank, k)

    def ndcg(self, k: int) -> np.ndarray:
        """NDCG@k of each target, those outside X(h) among them (0)."""
        return metrics.ndcg(self.rank, k)


def score(mixture: Mixture, targets: Targets) -> Scored:
    """Nats and ranks of all targets among the whole catalogue; history items aren't offered where items don't repeat."""
    inside = events.inside(targets, mixture.members, mixture.repeats)
    nats, rank = np.full(len(targets), np.nan), np.empty(len(targets), np.int32)
    for rows, p in law_rows(mixture, targets):
        wanted = targets.item[rows]
        p_wanted = p[np.arange(len(rows)), wanted]
        nats[rows] = np.where(inside[rows], -np.log(np.maximum(p_wanted, 1e-300)), np.nan)
        p[~candidates(mixture, targets, rows)] = -np.inf
        rank[rows] = metrics.ranks(p, wanted)
    return Scored(nats, rank, inside)


def table(mixture: Mixture, targets: Targets) -> em.Table:
    """What each part and prior of the law gives the targets, which are all to be in X(h)."""
    longest = max((part.memory.longest for part in mixture.parts), default=1)
    signal, alive = np.zeros((len(targets), len(mixture.parts))), np.zeros((len(targets), len(mixture.parts)), bool)
    for graph in range(len(mixture.graphs)):
        own = [c for c, part in enumerate(mixture.parts) if part.graph == graph]
        if not own:
            continue
        decays = tuple(mixture.parts[c].memory.decay for c in own)
        signal[:, own], alive[:, own] = likelihood.densities(
            mixture.graphs[graph], decays, longest, targets, mixture.members, mixture.repeats
        )
    alphas = tuple(prior.alpha for prior in mixture.priors)
    extra = alphas if 0.0 in alphas else (*alphas, 0.0)
    prior = likelihood.prior_densities(mixture.popularity, extra, targets, mixture.members, mixture.repeats)
    return em.Table(signal, alive, prior[:, : len(alphas)])


def weights_of(mixture: Mixture) -> em.Weights:
    """The law's weights as `em` has them."""
    return em.Weights(
        np.array([part.weight for part in mixture.parts]), np.array([p.weight for p in mixture.priors]), np.nan, np.nan
    )


def reweighted(mixture: Mixture, weights: em.Weights) -> Mixture:
    """The same components under other weights."""
    parts = tuple(replace(part, weight=float(w)) for part, w in zip(mixture.parts, weights.signal, strict=True))
    priors = tuple(replace(prior, weight=float(w)) for prior, w in zip(mixture.priors, weights.prior, strict=True))
    return replace(mixture, parts=parts, priors=priors)


def regret(mixture: Mixture, targets: Targets) -> float:
    """Nats per target that the same components under weights fitted on these very targets would gain."""
    inside = np.flatnonzero(events.inside(targets, mixture.members, mixture.repeats))
    found = table(mixture, events.select(targets, inside))
    own = -np.log(np.maximum(em.probability(found, weights_of(mixture)), 1e-300)).mean()
    return float(own - em.fit_weights(found, start=weights_of(mixture)).nats)
