"""What is measured beside the weights of a law: nats of its components, of groups and of references, intervals, coverage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from preceptor.core import workers
from preceptor.core.tables.generator import LawRow, WeightRow
from preceptor.data.log import Targets
from preceptor.generator import likelihood
from preceptor.generator.choice import Chosen, cross_fitted, interval_of_mean, resampled
from preceptor.generator.components import GraphSpec, memory_name
from preceptor.generator.em import Table, fit_weights
from preceptor.generator.evidence import REFERENCES, Evidence
from preceptor.generator.mixture import Mixture

_ROWS = 4096  # of the edges that are merged at a time


@dataclass(frozen=True)
class Context:
    """seed, resamples, drop, singles: as in FitConfig; pseudo: events of the Dirichlet prior."""

    seed: int
    resamples: int
    drop: float
    pseudo: float
    singles: bool = True


def figures(
    evidence: Evidence,
    chosen: Chosen,
    specs: tuple[GraphSpec, ...],
    decays: tuple[float, ...],
    alphas: tuple[float, ...],
    context: Context,
) -> dict[str, Any]:
    """nats, lo, hi, user_nats, coverage, laws and weights of `Fitted`."""
    table, user, w = evidence.table, evidence.user, evidence.event_weight
    loss = cross_fitted(table, user, w, context.pseudo, context.drop, seed=context.seed)
    nats, lo, hi = interval_of_mean(loss, user, w)
    _, number = np.unique(user, return_inverse=True)
    by_user = float(np.mean(np.bincount(number, weights=loss) / np.bincount(number)))
    kept = table.columns(chosen.kept)
    covered = float(w @ (kept.signal > 0).any(axis=1) / w.sum())
    laws = [LawRow("mixture", "mixture", nats, lo, hi, float(chosen.weights.signal.sum()), covered, 0.0, 0.0, 0.0)]
    laws += _laws(evidence, specs, decays, alphas, context, loss)
    weights = _weights(evidence, kept, chosen, specs, decays, alphas, context)
    return {
        "nats": nats,
        "lo": lo,
        "hi": hi,
        "user_nats": by_user,
        "coverage": covered,
        "laws": tuple(laws),
        "weights": tuple(weights),
    }


def effective_edges(mixture: Mixture, events: Targets) -> float:
    """exp(entropy of the (source, target) pair that a draw of the signal uses after the events' histories).

    Equal edges of components count once. That a draw leaves out the history is minded in the sources, not within a row.
    """
    use = [np.zeros(graph.n_items) for graph in mixture.graphs]
    each = np.full(len(events), 1.0 / max(len(events), 1))
    for part in mixture.parts:
        use[part.graph] += part.weight * likelihood.source_use(
            mixture.graphs[part.graph], part.memory.decay, part.memory.longest, events, mixture.members, mixture.repeats, each
        )
    total = sum(float(u.sum()) for u in use)
    if total == 0:
        return 0.0
    entropy, n = 0.0, len(mixture.members)
    for first in range(0, n, _ROWS):
        last = min(n, first + _ROWS)
        merged = sparse.csr_matrix((last - first, n))
        for graph, u in zip(mixture.graphs, use, strict=True):
            edges = slice(graph.indptr[first], graph.indptr[last])
            share = np.repeat(u[first:last] / total, np.diff(graph.indptr[first : last + 1]))
            data = share * (graph.weight[edges] / 2.0**31)
            indptr = graph.indptr[first : last + 1] - graph.indptr[first]
            merged = merged + sparse.csr_matrix((data, graph.indices[edges], indptr), shape=(last - first, n))
        p = merged.data[merged.data > 0]
        entropy -= float(p @ np.log(p))
    return float(np.exp(entropy))


def _laws(
    evidence: Evidence,
    specs: tuple[GraphSpec, ...],
    decays: tuple[float, ...],
    alphas: tuple[float, ...],
    context: Context,
    own: np.ndarray,
) -> list[LawRow]:
    """References, groups and, where asked for, single components, each with its best share of the priors; cross-fitted.

    own: cross-fitted nats of the mixture on the events, with which each law is compared.
    """
    names = [(spec, decay) for spec in specs for decay in decays]
    groups: dict[str, list[int]] = {}
    for c, (spec, decay) in enumerate(names):
        groups.setdefault(f"all {spec.kind}", []).append(c)
        groups.setdefault(f"all {memory_name(decay)}", []).append(c)
    plain = np.array([alpha in (0.0, 1.0) for alpha in alphas])
    asked = [("unigram", "reference", _only(evidence.table, [], plain)), ("priors", "reference", _only(evidence.table, []))]
    asked += [(name, "reference", _only(evidence.references, [c])) for c, name in enumerate(REFERENCES)]
    asked += [(name, "group", _only(evidence.table, members)) for name, members in groups.items()]
    if context.singles:
        asked += [
            (f"{spec.name}, {memory_name(decay)}", "component", _only(evidence.table, [c]))
            for c, (spec, decay) in enumerate(names)
        ]
    with ThreadPoolExecutor(workers.count()) as pool:
        return list(pool.map(lambda law: _law(law[0], law[1], law[2], evidence, context, own), asked))


def _only(table: Table, columns: list[int], priors: np.ndarray | None = None) -> Table:
    found = table.columns(np.array(columns, np.int64))
    return found if priors is None or not priors.any() else Table(found.signal, found.alive, found.prior[:, priors])


def _law(name: str, kind: str, table: Table, evidence: Evidence, context: Context, own: np.ndarray) -> LawRow:
    w = evidence.event_weight
    weights = fit_weights(table, w, context.pseudo, tolerance=1e-5)
    loss = cross_fitted(table, evidence.user, w, context.pseudo, start=weights, seed=context.seed)
    share = float(weights.signal.sum())
    covered = float(w @ (table.signal > 0).any(axis=1) / w.sum())
    nats, apart = (interval_of_mean(x, evidence.user, w) for x in (loss, loss - own))
    return LawRow(name, kind, *nats, share, covered, *apart)


def _weights(
    evidence: Evidence,
    kept: Table,
    chosen: Chosen,
    specs: tuple[GraphSpec, ...],
    decays: tuple[float, ...],
    alphas: tuple[float, ...],
    context: Context,
) -> list[WeightRow]:
    drawn = resampled(
        kept, evidence.user, chosen.weights, context.resamples, evidence.event_weight, context.pseudo, context.seed
    )
    rows = []

    def add(level: str, name: str, value: float, samples: np.ndarray) -> None:
        lo, hi = np.quantile(samples, [0.025, 0.975]) if len(samples) else (np.nan, np.nan)
        rows.append(WeightRow(level, name, float(value), float(lo), float(hi)))

    graph, memory = chosen.kept // len(decays), chosen.kept % len(decays)
    signal = chosen.weights.signal
    of_drawn = drawn.signal.reshape(len(drawn.signal), len(signal))
    of_prior = drawn.prior.reshape(len(drawn.prior), len(alphas))
    for c in range(len(signal)):
        add("component", f"{specs[graph[c]].name}, {memory_name(decays[memory[c]])}", signal[c], of_drawn[:, c])
    kinds = np.array([specs[g].kind for g in graph])
    for kind in sorted(set(kinds.tolist())):
        add("group", kind, signal[kinds == kind].sum(), of_drawn[:, kinds == kind].sum(axis=1))
    for m in sorted(set(memory.tolist())):
        add("memory", memory_name(decays[m]), signal[memory == m].sum(), of_drawn[:, memory == m].sum(axis=1))
    for q, alpha in enumerate(alphas):
        add("prior", f"popularity^{alpha:g}" if alpha else "uniform", chosen.weights.prior[q], of_prior[:, q])
    add("prior", "all priors", chosen.weights.prior.sum(), of_prior.sum(axis=1))
    return rows
