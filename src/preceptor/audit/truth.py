"""How far the graph and its walks are from what is true in the simulated market, beside two ceilings.

T*(i→j) = Σ_u P(u|i)·P*(j|u) is what the people behind item i choose next under uniform exposure (data.market). The graph's
transition P(i→j) is compared with it by the measures of `distance`. Two ceilings tell what of the distance exposure is
guilty of: the same estimator (the same graph settings) on an equally large log of the same people to whom everything was
shown alike, and on an infinite one. distance(log) − distance(equally large) is due to biased exposure, distance(equally
large) − distance(infinite) to having few data, and the rest is the estimator's own: what these settings measure is not T*.

The infinite log is one of ever more people like these with histories of the same lengths, not of ever longer histories. No
closed form exists for it (a pair counts once a user, and visits are sequential), so the people are copied 4 and 16 times and
the limit is extrapolated from the last three sizes (Aitken's Δ²: exact for errors that fall as a power of the size). Where
they don't fall in that manner the limit is null and the largest log measured stands in its place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.audit import bias
from preceptor.audit.config import AuditConfig
from preceptor.audit.distance import Law, distances, law_of_graph, law_of_matrix, law_of_shares
from preceptor.audit.transitions import mean_transitions
from preceptor.core import rng
from preceptor.data.log import Log, TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.walk_tables import WalkTables, with_policy
from preceptor.generator.walks import sample
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import TOTAL
from preceptor.graph.item_graph import build_graph
from preceptor.market.simulate import Market

MOST_DENSE = 4_000  # items up to which the mean transitions of walks are kept as a dense matrix
MOST_WALKS = 10_000  # of a policy; expected counts are far less noisy than as many items met
LIMITS = ("tv", "js", "overlap", "tv_by_truth", "js_by_truth", "overlap_by_truth", "exposure_tv")


def report(
    train: TrainSplit,
    every: WalkTables,
    settings: GraphConfig,
    histories: GeneratorConfig,
    market: Market,
    config: AuditConfig,
) -> dict[str, Any]:
    """Distances of graph, ceilings and references to T*, and of the log's and the walks' item shares to the true ones.

    train: the log the graph was made of. every: the sampler of graph-all. settings: those the graph was made with. histories:
    how the walks of the other policies are drawn.
    """
    share = market.truth_start
    percentiles = percentiles_of(market, train.popularity)
    sources = np.sort(rng.permutation(config.seed, "audit/truth", market.n_items)[: config.truth_items])

    def measure(law: Law) -> dict[str, Any]:
        return distances(law, market.truth_rows, sources, share, percentiles)

    settings = dataclasses.replace(settings, text_neighbours=0)
    ladder = []
    for multiple in config.truth_multiples:
        rows = multiple * len(train.item)
        if multiple > 1 and rows > config.truth_interactions:
            break
        log = copied(market, multiple).uniform_log(rows)
        graph = build_graph(as_train(log), settings)
        ladder.append({"multiple": multiple, "rows": rows, **measure(law_of_graph(graph))})
    references = {
        "popularity": np.maximum(train.popularity, 1e-9),
        "true shares": share,
        "all alike": np.ones(market.n_items),
    }
    walks = {"first-order": every} | {
        name: with_policy(every, policy) for name, policy in bias.policies_of(every, histories).items()
    }
    return {
        "sources": len(sources),
        "graph": measure(law_of_graph(every.graph)),
        "uniform": ladder,
        "infinite": {name: limit([step[name] for step in ladder]) for name in LIMITS},
        "references": {name: measure(law_of_shares(x)) for name, x in references.items()},
        "shares": {"log": shares(train.popularity, share, percentiles)}
        | {name: of_walks(tables, name, market, sources, percentiles, config) for name, tables in walks.items()},
    }


def percentiles_of(market: Market, popularity: np.ndarray) -> dict[str, np.ndarray]:
    """What drifts are measured by: training interactions, promotion, and nearness to the front of the shop's page order."""
    return {
        "popularity": bias.percentiles(popularity),
        "promotion": bias.percentiles(-market.world.promotion),
        "shelf": bias.percentiles(-market.shelf),
    }


def shares(counts: np.ndarray, truth: np.ndarray, percentiles: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Total variation of item shares (of counts, float or int [I]) from the true ones, and their drifts."""
    apart = counts / max(1e-300, counts.sum()) - truth
    drifts = {f"{name}_drift": float(percentile @ apart) for name, percentile in percentiles.items()}
    return {"tv": float(0.5 * np.abs(apart).sum()), **drifts}


def of_walks(
    tables: WalkTables,
    name: str,
    market: Market,
    sources: np.ndarray,
    percentiles: Mapping[str, np.ndarray],
    config: AuditConfig,
) -> dict[str, Any]:
    """shares of what the walks of a policy meet, and in small catalogues the distances of their mean transitions to T*."""
    walks = min(config.walks, MOST_WALKS)
    items, lengths = sample(tables, config.seed, f"audit/bias/{name}", 0, walks)
    if market.n_items > MOST_DENSE:
        met = np.bincount(items[items >= 0], minlength=market.n_items)
        return shares(met, market.truth_start, percentiles)
    law, steps = mean_transitions(tables, items, lengths)
    met = walks * tables.start / TOTAL + steps @ law  # expected counts: less noise than those met
    transitions = distances(law_of_matrix(law), market.truth_rows, sources, market.truth_start, percentiles)
    return {**shares(met, market.truth_start, percentiles), "transitions": transitions}


def copied(market: Market, copies: int) -> Market:
    """A market of so many copies of each person: equal in all that is true, with room for a larger log of equal histories."""
    people = {name: np.tile(getattr(market.world, name), copies) for name in ("main", "second", "weight", "trader", "activity")}
    people["activity"] = people["activity"] / copies
    config = dataclasses.replace(
        market.config,
        n_users=copies * market.n_users,
        n_items=market.n_items,
        sparsity=0.0,
        n_interactions=copies * market.config.n_interactions,
    )
    return Market(config, dataclasses.replace(market.world, **people))


def as_train(log: Log) -> TrainSplit:
    """A whole log as a training part."""
    return TrainSplit(log.items, len(log.user_ids), log.user, log.item, log.time, log.session)


def limit(values: list[float | None]) -> float | None:
    """Aitken's limit of the last three values of a geometric ladder; None where they don't converge to one in [0, 1]."""
    last = [v for v in values[-3:] if v is not None]
    if len(last) < 3:
        return None
    before, after = last[1] - last[0], last[2] - last[1]
    if before == after == 0:
        return last[2]
    if before == 0 or not 0 < after / before < 1:
        return None
    found = last[2] + after * after / (before - after)
    return found if 0 <= found <= 1 else None
