"""The choice of the generator: a mixture of item graphs and priors, fitted by exact likelihood inside a TrainSplit.

Graphs of a part of the log, likelihood on next items that are not in it (`events`), weights by `em`, small components left
out; then the graphs that remain are built anew from all of the TrainSplit, under the same weights. Nothing but the TrainSplit
is read, so the leak rule holds to the byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.stage import Shard
from preceptor.core.tables.generator import CutRow, LawRow, WeightRow
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import bank, component_graphs, earlier_law, em, events, exposure, measure
from preceptor.generator.bank_tasks import Tasks
from preceptor.generator.choice import choose, shrinkage
from preceptor.generator.components import GraphSpec, check_bank
from preceptor.generator.evidence import Evidence, columns, gather, members_of
from preceptor.generator.fit_config import FitConfig
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.policies import LONGEST_HISTORY
from preceptor.graph.graph import Graph

FEW = 200  # events: fewer are spoken of
CUT_EVENTS = 5_000  # at most for each cut in time: groups moved by .05 at most with 60,000 (results/generator, as logs grow)


@dataclass(frozen=True)
class Fitted:
    """A law with what was measured in choosing it. All of it comes from the TrainSplit.

    specs: the graphs that stayed, in the order of `mixture.graphs`. events: on which λ was fitted; found: that there were;
    users: of the events; timed, cut: how they were made. outside: events outside X(h), by reason (repeat, new), counted apart.
    nats, lo, hi: cross-fitted mean of −log p per event, with its 95 % interval over users; user_nats: mean over users of
    their means; in_sample: with the weights as they are. gap: nats that other weights could gain at most.
    coverage: share of the events whose item has an edge from what a part reads. effective_edges: exp(entropy of the
    (source, target) pair that a draw after a real history uses). effective_events: (Σ w)²/Σ w² of their weights.
    laws, weights: tables. notes: what a person should know.
    """

    mixture: Mixture
    specs: tuple[GraphSpec, ...]
    events: int
    found: int
    users: int
    timed: bool
    cut: int | None
    outside: dict[str, int]
    nats: float
    lo: float
    hi: float
    user_nats: float
    in_sample: float
    gap: float
    coverage: float
    effective_edges: float
    effective_events: float
    laws: tuple[LawRow, ...]
    weights: tuple[WeightRow, ...]
    notes: tuple[str, ...]


def fit(
    split: TrainSplit,
    config: FitConfig | None = None,
    embeddings: np.ndarray | None = None,
    propensities: np.ndarray | None = None,
    tasks: Tasks | None = None,
    folder: Path | None = None,
    earlier: Path | None = None,
) -> Fitted:
    """Choose the law of the next item.

    embeddings: float [I, d], gives untouched items text rows. propensities: float [n], of each training interaction, for the
    objective `unbiased`. tasks: of graphs, where these may be made on other machines (neither embeddings nor propensities go
    there). folder: where the law's graphs are kept from the moment they are made; None: in memory. earlier: the folder of a
    law that `made.save_law` wrote, at whose weights the fit begins. Raises PreceptorError for a log without any event, and
    for too few effective ones (unbiased).
    """
    config = config or FitConfig()
    specs = specs_of(split, config, embeddings)
    if config.objective not in ("likelihood", "unbiased"):
        raise PreceptorError("Unknown objective", where="objective", found=config.objective, expected="likelihood or unbiased")
    repeats, noted = repeats_of(split, config)
    longest = longest_of(split, config)
    inverse = exposure.asked(split, config, propensities)
    found = events.events(split, config.share, config.max_events, config.seed, config.timed)
    say(f"generator: {len(found):,} of {found.found:,} next items, {len(specs)} graphs × {len(config.decays)} memories")
    known = None if tasks is None else tasks.known(shards(tasks, found, specs, config, repeats, longest), len(found.folds))
    evidence = gather(found, specs, config, repeats, longest, inverse, split, embeddings, known=known)
    table, user, weight = evidence.table, evidence.user, evidence.event_weight
    n_users, effective = len(np.unique(user)), float(weight.sum() ** 2 / (weight**2).sum())
    if config.objective == "unbiased":
        exposure.refuse_few(effective)
    pseudo = shrinkage(len(user), n_users)
    begin = None if earlier is None else earlier_law.start(earlier, specs, config.decays, config.alphas)
    chosen = choose(table, weight, pseudo, config.drop, start=begin)
    used, places = np.unique(chosen.kept // len(config.decays)), chosen.kept
    kept_specs = tuple(specs[g] for g in used)
    say(f"generator: {len(places)} components in {len(kept_specs)} graphs stay, {chosen.weights.nats:.3f} nats per next item")
    graphs = tasks.graphs(kept_specs, folder) if tasks else None
    if graphs is None:
        graphs = rebuilt(split, kept_specs, inverse, embeddings, folder)
    parts = [(int(np.searchsorted(used, c // len(config.decays))), config.decays[c % len(config.decays)]) for c in places]
    mixture = assembled(split, graphs, kept_specs, parts, config.alphas, chosen.weights, longest, repeats, embeddings)
    context = measure.Context(config.seed, config.resamples, config.drop, pseudo, config.singles)
    figures = measure.figures(evidence, chosen, specs, config.decays, config.alphas, context)
    every = np.concatenate([fold.events.end for fold in found.folds])
    histories = Targets(np.asarray(split.user)[every], np.asarray(split.item), split.user_indptr[split.user[every]], every)
    return Fitted(
        mixture=mixture,
        specs=kept_specs,
        events=len(user),
        found=found.found,
        users=n_users,
        timed=found.timed,
        cut=found.cut,
        outside=evidence.outside,
        in_sample=chosen.weights.nats,
        gap=chosen.weights.gap,
        effective_edges=measure.effective_edges(mixture, histories),
        effective_events=effective,
        notes=(*noted, *_notes(found, evidence, n_users, pseudo, specs, chosen.weights, config)),
        **figures,
    )


def specs_of(split: TrainSplit, config: FitConfig, embeddings: np.ndarray | None = None) -> tuple[GraphSpec, ...]:
    """The graphs to choose from. Raises PreceptorError for a bank that can't be fitted."""
    specs = config.graphs or bank.default_bank(split.n_items, config.min_users, embeddings is not None)
    check_bank(specs, config.decays, config.alphas)
    return specs


def shards(
    tasks: Tasks, found: events.EventSet, specs: tuple[GraphSpec, ...], config: FitConfig, repeats: bool, longest: int
) -> list[Shard]:
    """The tasks that gather what the graphs of a bank give the events."""
    return tasks.columns(found, config.share, config.max_events, columns(specs, config), repeats, longest)


def cuts(
    split: TrainSplit,
    fitted: Fitted,
    config: FitConfig,
    shares: tuple[float, ...] = (0.7, 0.8, 0.9),
    tasks: Tasks | None = None,
) -> list[CutRow]:
    """How the weights of groups move with the cut in time, the components of a fitted law as they are.

    Order-only logs have no cut: share 1, as fitted.
    """
    rows = []
    longest = fitted.mixture.parts[0].memory.longest if fitted.mixture.parts else 1
    places = [(part.graph, config.decays.index(part.memory.decay)) for part in fitted.mixture.parts]
    own = np.array([g * len(config.decays) + m for g, m in places], np.int64)
    kinds = [fitted.specs[g].kind for g, _ in places]
    for share in shares if fitted.timed else (1.0,):
        cap, repeats = min(config.max_events, CUT_EVENTS), fitted.mixture.repeats
        found = events.events(split, share, cap, config.seed, fitted.timed)
        known = None
        if tasks is not None:
            plain = [replace(column, plain=True) for column in columns(fitted.specs, config, references=False)]
            known = tasks.known(tasks.columns(found, share, cap, plain, repeats, longest), len(found.folds))
        evidence = gather(found, fitted.specs, config, repeats, longest, None, split, None, references=False, known=known)
        pseudo = shrinkage(len(evidence.user), len(np.unique(evidence.user)))
        weights = em.fit_weights(evidence.table.columns(own), evidence.event_weight, pseudo, tolerance=1e-5)
        for kind in sorted(set(kinds)):
            at = np.array([k == kind for k in kinds])
            rows.append(CutRow(share, len(evidence.user), kind, float(weights.signal[at].sum())))
        rows.append(CutRow(share, len(evidence.user), "prior", float(weights.prior.sum())))
    return rows


def longest_of(split: TrainSplit, config: FitConfig) -> int:
    """History items that are read: the longest training history, at most config.longest."""
    return max(1, min(config.longest, LONGEST_HISTORY, int(np.diff(split.user_indptr).max(initial=1))))


def assembled(
    split: TrainSplit,
    graphs: tuple[Graph, ...],
    specs: tuple[GraphSpec, ...],
    parts: list[tuple[int, float]],
    alphas: tuple[float, ...],
    weights: em.Weights,
    longest: int,
    repeats: bool,
    embeddings: np.ndarray | None = None,
) -> Mixture:
    """The law of these graphs and weights. parts: (number of the graph, decay) of each signal weight.

    Priors under a thousandth of all priors go to uniform, which stays: items without popularity need it.
    """
    prior = np.where(weights.prior < 1e-3 * weights.prior.sum(), 0.0, weights.prior)
    prior[alphas.index(0.0)] += max(weights.prior.sum() - prior.sum(), 1e-9)
    total = float(weights.signal.sum() + prior.sum())
    return Mixture(
        graphs=graphs,
        names=tuple(spec.name for spec in specs),
        parts=tuple(
            Part(g, Memory(decay, longest), float(w) / total) for (g, decay), w in zip(parts, weights.signal, strict=True)
        ),
        priors=tuple(Prior(alpha, float(w) / total) for alpha, w in zip(alphas, prior, strict=True) if w > 0),
        popularity=split.popularity,
        members=members_of(split, embeddings),
        repeats=repeats,
    )


def rebuilt(
    split: TrainSplit,
    specs: tuple[GraphSpec, ...],
    inverse: np.ndarray | None = None,
    embeddings: np.ndarray | None = None,
    folder: Path | None = None,
) -> tuple[Graph, ...]:
    """The graphs of a whole training part.

    inverse: as `exposure.inverse` gives it, for the objective `unbiased`. folder: where each is kept as soon as it is made, so
    that one is in memory at a time.
    """
    made: dict[int, Graph] = {}
    own = None if inverse is None else exposure.of_items(split, inverse)
    for k, graph in component_graphs.graphs(split, specs, embeddings):
        weighed = graph if own is None else exposure.reweighed(graph, own)
        made[k] = weighed if folder is None else weighed.kept(folder / f"{k:02d}")
        del graph, weighed
    return tuple(made[k] for k in range(len(specs)))


def repeats_of(split: TrainSplit, config: FitConfig) -> tuple[bool, list[str]]:
    """Whether items may come again, and what a person should know of it."""
    never = events.never_repeats(split)
    if config.repeats and never:
        return True, [
            "Repeats were asked for, but fewer than 1 in 1,000 training interactions is one: the law gives them room."
        ]
    return (not never) if config.repeats is None else config.repeats, []


def _notes(
    found: events.EventSet,
    evidence: Evidence,
    n_users: int,
    pseudo: float,
    specs: tuple[GraphSpec, ...],
    weights: em.Weights,
    config: FitConfig,
) -> list[str]:
    n, notes = len(evidence.user), []
    if n < FEW:
        notes.append(f"Only {n} next items to fit on; under {FEW} the weights say little.")
    if pseudo:
        notes.append(
            f"{n:,} next items of {n_users:,} users: a Dirichlet prior worth {pseudo:g} of them draws the weights "
            "towards half signal, half prior."
        )
    if len(evidence.user) + sum(evidence.outside.values()) < found.found:
        notes.append(f"A sample of {len(found):,} of {found.found:,} next items.")
    width = len(config.decays)
    dead = [s.name for k, s in enumerate(specs) if not evidence.table.alive[:, k * width : (k + 1) * width].any()]
    if dead:
        notes.append(f"Without an edge from any history: {', '.join(dead)}.")
    if weights.signal.sum() < 0.01:
        notes.append("The weights ran to the priors: histories hardly tell what comes next.")
    if weights.prior.sum() < 1e-3:
        notes.append("The priors' weight ran to its lower bound; they stay, so that no candidate is impossible.")
    return notes
