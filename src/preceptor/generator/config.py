"""Settings of the histories: one configuration that curriculum, ranking and audit share. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preceptor.core.checks import at_least, one_of, positive, require, share

POLICIES = ("first-order", "node2vec", "history")


@dataclass(frozen=True)
class GeneratorConfig:
    """How synthetic histories are drawn.

    law: mixture (item graphs read through memories, and priors, chosen by their likelihood on the training log's own next
        items) or paper (walks of `policy` on the graph of the section `graph`).
    prior: how much of the mixture's priors histories hold, from 0 (what the history tells alone: the priors are known and
        needn't be taught) to 1 (the whole mixture).
    walks: share of a mixture's law that walks of `policy` (first-order or history) on the graph of the section `graph` have
        instead: what lies between the mixture and the paper's walks.
    objective: likelihood, or unbiased: events count 1/e, e the exposure that popularity ** beta stands for.
    beta: see objective; an assumption, which the log can't choose.
    max_events: next items that the law is fitted on, at most; of more, a keyed sample.
    resamples: of the users, for the intervals of what the law is worth.
    policy: first-order, node2vec or history (policies.py); of law paper, and of the walks that the audit compares.
    p, q: return and in-out parameter of node2vec; with both at 1 its walks are first-order ones.
    decay: weight of an item j steps back in history walks is decay ** j.
    start: where histories begin: fitted (first items of training histories, smoothed by popularity), uniform over items that
        have an edge, or popularity (training interactions) ** start_gamma.
    start_gamma: see start.
    length: items in a history, or in the longest.
    lengths: fixed, or histories: drawn like the lengths of real histories cut at `length`.
    repeats: whether an item may occur twice in a walk of law paper; a mixture finds out by the log.
    floor_walks: histories of the Monte Carlo floor.
    seed: decides the histories.
    since: folder of the generator of a run that this one goes on from (RUN/generator; `preceptor run --since` sets it): a
        mixture keeps its graphs, and their weights are fitted anew from its weights on. Empty: all is chosen anew.
    """

    law: Literal["mixture", "paper"] = "mixture"
    prior: float = 0.0
    walks: float = 0.0
    objective: Literal["likelihood", "unbiased"] = "likelihood"
    beta: float | None = None
    max_events: int = 30_000
    resamples: int = 100
    policy: Literal["first-order", "node2vec", "history"] = "first-order"
    p: float = 4.0
    q: float = 0.5
    decay: float = 0.5
    start: Literal["fitted", "uniform", "popularity"] = "fitted"
    start_gamma: float = 1.0
    length: int = 8
    lengths: Literal["fixed", "histories"] = "histories"
    repeats: bool = True
    floor_walks: int = 20_000
    seed: int = 0
    since: str = ""


def check(config: GeneratorConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "generator",
        config,
        {
            "law": one_of(config.law, "mixture", "paper"),
            "prior": share(config.prior),
            "walks": (
                share(config.walks, whole=False)[0]
                and (config.walks == 0 or (config.law == "mixture" and config.policy != "node2vec")),
                "a share from 0 to below 1; above 0 with law mixture and policy first-order or history",
            ),
            "objective": one_of(config.objective, "likelihood", "unbiased"),
            "beta": (
                (config.objective == "unbiased") == (config.beta is not None) and (config.beta is None or config.beta >= 0),
                "a number of 0 or more with objective unbiased, nothing with likelihood",
            ),
            "max_events": at_least(config.max_events, 1),
            "resamples": at_least(config.resamples, 2),
            "policy": one_of(config.policy, *POLICIES),
            "p": positive(config.p),
            "q": positive(config.q),
            "decay": (0 < config.decay <= 1, "above 0, at most 1"),
            "start": one_of(config.start, "fitted", "uniform", "popularity"),
            "length": at_least(config.length, 1),
            "lengths": one_of(config.lengths, "fixed", "histories"),
            "floor_walks": at_least(config.floor_walks, 2),
        },
    )
