"""Which knob of the item graph removes which bias of the log, which don't, and what it costs where there is no bias.

    make unbiased      (python -m benchmarks.unbiased.study [--out results/unbiased] [--work run/unbiased])

Simulated markets (docs/market.md) of 1,000 items, 2,000 people and 100,000 interactions, of both families; the dials
popularity, position and exposure at 0, 0.5 and 1, each alone and all together. Every market's truth T*(i→j) is known, so
the distance of a graph's or a walk's item-to-item law to it can be computed (preceptor.audit.distance has the measures).

Seed 0 chooses: knob after knob, two rounds (coordinate descent), once by total variation and once by overlap at the top 10.
Seeds 1–4 judge: every knob one at a time away from a plain graph, the stage's defaults, the recipe chosen for just this
bias, and the one chosen for the moderate mixture of all three biases. Tables: tables.py. It resumes: each market's
results are written once, whole, into --work. Two worker processes (PRECEPTOR_WORKERS says otherwise).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.unbiased import tables as unbiased_tables
from preceptor.audit import truth
from preceptor.audit.distance import Law, distances, law_of_graph, law_of_matrix
from preceptor.audit.transitions import first_order_shares, mean_transitions
from preceptor.core import workers
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.progress import say
from preceptor.core.statistics import gini
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import build_tables
from preceptor.generator.walks import sample
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import TOTAL, Graph
from preceptor.graph.item_graph import build_graph
from preceptor.market.config import MarketConfig
from preceptor.market.simulate import Market, market

FAMILIES = ("fair", "misleading")
SIZE: dict[str, int] = {"n_items": 1_000, "n_users": 2_000, "n_interactions": 100_000}
BIASES = {  # name: (popularity, position, exposure) at level 1
    "none": (0.0, 0.0, 0.0),
    "popularity": (1.0, 0.0, 0.0),
    "position": (0.0, 1.0, 0.0),
    "exposure": (0.0, 0.0, 1.0),
    "all three": (1.0, 1.0, 1.0),
}
LEVELS = (0.5, 1.0)
CHOOSES, JUDGES = 0, (1, 2, 3, 4)
PLAIN: dict[str, Any] = {"window": 0, "weight": "count", "min_users": 1, "top_k": 0}
KNOBS: dict[str, dict[str, Any]] = {  # one at a time away from PLAIN
    "plain": {},
    "weight cosine": {"weight": "cosine"},
    "weight lift": {"weight": "lift"},
    "weight lift, shrunk": {"weight": "lift", "shrinkage": 10.0},
    "weight rp3beta": {"weight": "rp3beta"},
    "gamma 0.5": {"gamma": 0.5},
    "gamma 2": {"gamma": 2.0},
    "window 10": {"window": 10},
    "window 3": {"window": 3},
    "directed": {"directed": True},
    "min users 2": {"min_users": 2},
    "min users 5": {"min_users": 5},
    "top 50": {"top_k": 50},
    "start popularity^0.5": {"start": "popularity", "start_gamma": 0.5},
    "start popularity": {"start": "popularity"},
    "node2vec": {"policy": "node2vec", "p": 4.0, "q": 0.5},
    "history": {"policy": "history"},
}
DEFAULTS = {name: getattr(GraphConfig(), name) for name in PLAIN}
GRID: dict[
    str, list[dict[str, Any]]
] = {  # of the choice, the plain one first; start and policy are chosen last, by the walks' own measures
    "weight": [{"weight": w, "shrinkage": s} for w, s in (("count", 0.0), ("cosine", 0.0), ("rp3beta", 0.0), ("lift", 10.0))],
    "gamma": [{"gamma": g} for g in (1.0, 0.5, 0.75, 1.5, 2.0)],
    "window": [{"window": w} for w in (0, 10, 3)],
    "direction": [{"directed": d} for d in (False, True)],
    "min users": [{"min_users": m} for m in (1, 2, 5)],
    "neighbours": [{"top_k": k} for k in (0, 200, 50)],
}
POLICIES = [KNOBS["plain"] | {"policy": "first-order"}, KNOBS["node2vec"], KNOBS["history"]]
STARTS = [{"start": "uniform"}, KNOBS["start popularity^0.5"], KNOBS["start popularity"]]
HISTORIES = ("start", "start_gamma", "policy", "p", "q")
CRITERIA = {"tv": 1.0, "overlap": -1.0}  # smaller is better after the sign
WALKS = 1_500  # of node2vec and history, whose law is averaged over walks
MULTIPLES = (1, 4, 16)
CEILINGS = ("plain", "weight cosine", "weight lift", "weight rp3beta", "window 10", "top 50")


class World:
    """One market with its log, judged against its truth."""

    def __init__(self, family: str, name: str, level: float, seed: int) -> None:
        dials = dict(zip(("popularity", "position", "exposure"), (level * d for d in BIASES[name]), strict=True))
        self.market: Market = market(MarketConfig(family=family, seed=seed, **dials, **SIZE))  # type: ignore[arg-type]
        self.train = truth.as_train(self.market.log())
        self.share = self.market.truth_start
        self.rows = self.market.truth_rows(np.arange(self.market.n_items))
        self.percentiles = truth.percentiles_of(self.market, self.train.popularity)
        self._known: dict[str, dict[str, Any]] = {}

    def distances(self, law: Law) -> dict[str, Any]:
        sources = np.arange(self.market.n_items)
        return distances(law, law_of_matrix(self.rows), sources, self.share, self.percentiles)

    def of_graph(self, config: GraphConfig, graph: Graph | None = None) -> dict[str, Any]:
        """Distances of a graph's own law, remembered by the settings that shape the graph."""
        key = canonical(config)
        if key not in self._known:
            self._known[key] = self.distances(law_of_graph(graph or build_graph(self.train, config)))
        return self._known[key]

    def judge(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Distances of the walks' item-to-item law and of their item shares to the truth, and how flat the shares are."""
        config, histories = graph_of(settings), histories_of(settings)
        graph = build_graph(self.train, config)
        tables = build_tables(graph, self.train, histories)
        if histories.policy == "first-order":
            first = tables.start / TOTAL
            found, met = self.of_graph(config, graph), first_order_shares(graph, first / first.sum(), histories.length)
        else:
            matrix, steps = mean_transitions(tables, *sample(tables, self.market.config.seed, "unbiased", 0, WALKS, 1))
            found, met = self.distances(law_of_matrix(matrix)), WALKS * tables.start / TOTAL + steps @ matrix
        shares = truth.shares(met, self.share, self.percentiles)
        return {**found, **{f"walks_{k}": v for k, v in shares.items()}, "walks_gini": gini(met)}


def graph_of(settings: dict[str, Any]) -> GraphConfig:
    return GraphConfig(**{**PLAIN, **{k: v for k, v in settings.items() if k not in HISTORIES}})


def histories_of(settings: dict[str, Any]) -> GeneratorConfig:
    """How the walks are drawn: the paper's law, all of one length."""
    return GeneratorConfig(
        **{"law": "paper", "start": "uniform", "lengths": "fixed", **{k: v for k, v in settings.items() if k in HISTORIES}}
    )


def choose(world: World, criterion: str) -> dict[str, Any]:
    """Settings found knob after knob, two rounds over the grid; then policy, then start."""

    def loss(settings: dict[str, Any]) -> float:
        return CRITERIA[criterion] * world.of_graph(graph_of(settings))[criterion]

    def best(settings: dict[str, Any], options: list[dict[str, Any]], by: Callable[[dict[str, Any]], float]) -> dict[str, Any]:
        return {**settings, **min(options, key=lambda option: round(by({**settings, **option}), 3))}  # ties: the first

    found: dict[str, Any] = dict(PLAIN)
    for _ in range(2):
        for options in GRID.values():
            found = best(found, options, loss)
    found = best(found, POLICIES, lambda s: CRITERIA[criterion] * world.judge(s)[criterion])
    return best(found, STARTS, lambda s: world.judge(s)["walks_tv"])


def chooses(family: str, name: str, level: float) -> dict[str, Any]:
    world = World(family, name, level, CHOOSES)
    return {criterion: choose(world, criterion) for criterion in CRITERIA}


def judges(
    family: str, name: str, level: float, seed: int, own: dict[str, Any], common: dict[str, Any]
) -> list[dict[str, Any]]:
    world = World(family, name, level, seed)
    arms = {**KNOBS, "defaults": DEFAULTS}
    arms |= {f"chosen for this bias, by {c}": own[c] for c in CRITERIA}
    arms |= {f"chosen for the mixture, by {c}": common[c] for c in CRITERIA}
    where = {"family": family, "bias": name, "level": level, "seed": seed}
    log = truth.shares(world.train.popularity, world.share, world.percentiles)
    facts = {"log_gini": gini(world.train.popularity.astype(np.float64)), "true_gini": gini(world.share)}
    facts |= {f"log_{k}": v for k, v in log.items()}
    return [{**where, "arm": arm, **world.judge(settings), **facts} for arm, settings in arms.items()]


def ceilings(family: str, seed: int) -> list[dict[str, Any]]:
    """Distances of graphs from ever larger, uniformly exposed logs, with the limit."""
    world = World(family, "none", 0.0, seed)
    found = []
    for arm in CEILINGS:
        config = graph_of(KNOBS[arm])
        steps = []
        for multiple in MULTIPLES:
            log = truth.copied(world.market, multiple).uniform_log(multiple * SIZE["n_interactions"])
            steps.append(world.distances(law_of_graph(build_graph(truth.as_train(log), config, None))))
            found.append({"family": family, "seed": seed, "arm": arm, "log": f"{multiple}×", **_limited(steps[-1])})
        limit = {name: truth.limit([step[name] for step in steps]) for name in truth.LIMITS}
        found.append({"family": family, "seed": seed, "arm": arm, "log": "infinite", **_limited(limit)})
    return found


def _limited(values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in truth.LIMITS}


def conditions() -> list[tuple[str, str, float]]:
    levels = {name: LEVELS if name != "none" else (0.0,) for name in BIASES}
    return [(family, name, level) for family in FAMILIES for name in BIASES for level in levels[name]]


def task(path: Path, make: Callable[..., Any], *arguments: Any) -> str:
    write_atomic(path, canonical(make(*arguments)))
    return path.stem


def work(tasks: list[tuple[Any, ...]]) -> None:
    """Carry out what isn't there yet: (path, function, arguments…)."""
    left = [t for t in tasks if not t[0].exists()]
    say(f"{len(tasks) - len(left)} of {len(tasks)} are there")
    if left:
        with workers.pool(len(left)) as pool:
            for done, name in enumerate((job.result() for job in [pool.submit(task, *t) for t in left]), 1):
                say(f"  {done}/{len(left)} {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/unbiased"))
    parser.add_argument("--work", type=Path, default=Path("run/unbiased"))
    given = parser.parse_args()
    os.environ.setdefault("PRECEPTOR_WORKERS", "2")
    planted = [market(MarketConfig(family=f, **SIZE)) for f in FAMILIES]  # type: ignore[arg-type]
    bytes_of = [m.world.digest() + hashlib.sha256(m.log().item.tobytes()).hexdigest() for m in planted]
    settings = canonical([bytes_of, SIZE, BIASES, LEVELS, JUDGES, PLAIN, KNOBS, GRID, CRITERIA, WALKS, MULTIPLES, CEILINGS])
    folder = given.work / hashlib.sha256(settings.encode()).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)

    def at(stage: str, *where: Any) -> Path:
        return folder / ("-".join([stage, *map(str, where)]).replace(" ", "_") + ".json")

    def read(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))

    work([(at("chosen", *c), chooses, *c) for c in conditions()])
    chosen = {c: read(at("chosen", *c)) for c in conditions()}
    jobs: list[tuple[Any, ...]] = [(at("ceilings", f, JUDGES[0]), ceilings, f, JUDGES[0]) for f in FAMILIES]
    judged = [
        (at("judged", *c, seed), judges, *c, seed, chosen[c], chosen[c[0], "all three", 0.5])
        for seed in JUDGES
        for c in conditions()
    ]
    work([*jobs, *judged])
    points = [row for t in judged for row in read(t[0])]
    limits = [row for t in jobs for row in read(t[0])]
    unbiased_tables.write(points, limits, chosen, given.out)


if __name__ == "__main__":
    # under its own name, by which worker processes find its functions
    from benchmarks.unbiased import study  # noqa: PLW0406

    study.main()
