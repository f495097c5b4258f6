"""node2vec (Grover & Leskovec 2016) as a law of the next item, for scores.py: scored as every other law, never sampled.

After the items t, v the weight of an edge v → x is that of the graph, times 1/p for x = t, 1 where x is a neighbour of t, 1/q
elsewhere. (p, q) of GRID and the share of the priors are those with the fewest nats on the events of the training part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from preceptor.core import metrics
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import dense, em, events, likelihood, score
from preceptor.generator import fit as fitting
from preceptor.generator.evidence import REFERENCES, members_of
from preceptor.generator.mixture import Mixture
from preceptor.graph.graph import Graph

GRID = ((1.0, 1.0), (1.0, 2.0), (0.5, 2.0), (2.0, 2.0), (2.0, 0.5), (4.0, 1.0))
SPEC = REFERENCES["first order (cosine, window 10, top 50)"]


@dataclass(frozen=True)
class Node2vec:
    """The fitted law. prior: a mixture without parts, what is mixed in; share: of the signal, which goes to the prior too
    where v has no edge to a candidate."""

    p: float
    q: float
    graph: Graph
    prior: Mixture
    share: float

    @property
    def name(self) -> str:
        return f"node2vec (p {self.p:g}, q {self.q:g})"

    def score(self, targets: Targets) -> score.Scored:
        """As `generator.score.score`."""
        members, repeats = self.prior.members, self.prior.repeats
        inside = events.inside(targets, members, repeats)
        nats, rank = np.full(len(targets), np.nan), np.empty(len(targets), np.int32)
        for rows, p in dense.law_rows(self.prior, targets):
            open_ = dense.candidates(self.prior, targets, rows)
            for place, t in enumerate(rows):
                items, worth = _row(self.graph, targets, t, self.p, self.q, open_[place])
                if len(items):
                    p[place] *= 1 - self.share
                    p[place, items] += self.share * worth
            wanted = targets.item[rows]
            found = p[np.arange(len(rows)), wanted]
            nats[rows] = np.where(inside[rows], -np.log(np.maximum(found, 1e-300)), np.nan)
            p[~open_] = -np.inf
            rank[rows] = metrics.ranks(p, wanted)
        return score.Scored(nats, rank, inside)


def fit(split: TrainSplit, found: events.EventSet, config: fitting.FitConfig, repeats: bool) -> Node2vec:
    """(p, q), share and priors by likelihood on the events; the graph then from all of the training part."""
    signal = {pair: [] for pair in GRID}
    alive, prior = [], []
    for fold in found.folds:
        members = members_of(fold.inner, None)
        chosen = events.select(fold.events, np.flatnonzero(events.inside(fold.events, members, repeats)))
        graph = fitting.rebuilt(fold.inner, (SPEC,))[0]
        wanted = chosen.item
        for t in range(len(chosen)):
            open_ = members.copy()
            if not repeats:
                open_[chosen.history(t)] = False
            for p, q in GRID:
                items, worth = _row(graph, chosen, t, p, q, open_)
                signal[p, q].append(worth[items == wanted[t]].sum())
            alive.append(len(items) > 0)
        prior.append(likelihood.prior_densities(fold.inner.popularity, config.alphas, chosen, members, repeats))
    dead = np.array(alive)[:, None]
    tables = {pair: em.Table(np.array(s)[:, None], dead, np.concatenate(prior)) for pair, s in signal.items()}
    fits = {pair: em.fit_weights(table, None, 0.0, tolerance=1e-5) for pair, table in tables.items()}
    best = min(fits, key=lambda pair: fits[pair].nats)
    share = float(fits[best].signal[0])
    only = replace(fits[best], signal=np.zeros(0), prior=fits[best].prior / fits[best].prior.sum())
    law = fitting.assembled(split, (), (), [], config.alphas, only, 1, repeats)
    return Node2vec(*best, fitting.rebuilt(split, (SPEC,))[0], law, share)


def _row(graph: Graph, targets: Targets, t: int, p: float, q: float, open_: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates that the last item has edges to, and their probabilities; the first move of a history is first order."""
    v = targets.sequence[targets.end[t] - 1]
    own = slice(graph.indptr[v], graph.indptr[v + 1])
    items, worth = graph.indices[own], graph.weight[own].astype(np.float64)
    if targets.end[t] - targets.start[t] > 1:
        before = targets.sequence[targets.end[t] - 2]
        near = graph.indices[graph.indptr[before] : graph.indptr[before + 1]]
        worth = worth * np.where(items == before, 1 / p, np.where(np.isin(items, near), 1.0, 1 / q))
    kept = open_[items]
    items, worth = items[kept], worth[kept]
    return items, worth / worth.sum() if len(items) else worth
