"""The stage `audit`: what the log and the walks are biased by, on the simulated market how far they are from the truth, what
synthetic histories give away of real users, and how well they are told from real ones.

Nothing here feeds any stage but the report (the leak rule).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from preceptor.audit import bias, privacy, told, truth
from preceptor.audit.config import AuditConfig, check
from preceptor.audit.shadow import Weighed
from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.data.log import TrainSplit
from preceptor.generator import histories as samplers
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import build_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.graph import Graph
from preceptor.market import config as market_config
from preceptor.market.simulate import market


def build(config: AuditConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/audit from the artifacts `data`, `graph` and `generator`. Files: bias.json; privacy.json; told.json;
    truth.json where the log is the simulated market's (data/market.json)."""
    train = TrainSplit.load(inputs["data"].path / "train")
    settings = GraphConfig(**inputs["graph"].manifest["config"])
    histories = GeneratorConfig(**inputs["generator"].manifest["config"])
    walks = dataclasses.replace(histories, law="paper", policy="first-order")
    every = build_tables(Graph.load(inputs["graph"].path / "all"), train, walks)
    seen = samplers.load(inputs["generator"].path / "seen")
    found = bias.report(train, every, seen, histories, config)
    write_atomic(folder / "bias.json", canonical(found))
    law = Weighed.load(inputs["generator"].path / "all" / "law") if histories.law == "mixture" else None
    given_away = privacy.audit(train, inputs["graph"], histories, law, config.privacy, config.seed)
    write_atomic(folder / "privacy.json", canonical(given_away))
    apart = told.report(
        train,
        settings,
        histories,
        lambda part: None if law is None else law.on(part, histories, settings.min_users),
        config.told,
        config.seed,
    )
    write_atomic(folder / "told.json", canonical(apart))
    ginis = {name: round(column["gini"], 3) for name, column in found["columns"].items()}
    say("audit: Gini of exposure " + ", ".join(f"{name} {value}" for name, value in ginis.items()))
    counts: dict[str, Any] = {"gini": ginis, "told": {row["name"]: row["auc"] for row in apart["classes"]}}
    shown = ", ".join(f"{row['name']} {row['auc']:.2f}" for row in apart["classes"])
    say(f"audit: told from real histories (AUC): {shown or apart['left_out']}")
    described = inputs["data"].file("market.json")
    if described.exists():
        known = truth.report(train, every, settings, histories, market(market_config.load(described)), config)
        write_atomic(folder / "truth.json", canonical(known))
        counts["distance_to_truth"] = known["graph"]["tv"]
        say(
            f"audit: total variation from the market's truth {known['graph']['tv']:.3f}; "
            f"{known['uniform'][0]['tv']:.3f} had everything been shown alike"
        )
    return counts


def cost(config: AuditConfig, inputs: Inputs) -> Cost:
    """Histories drawn: those of the policies, and those of each law of some of the users."""
    asked = config.privacy
    return Cost(4 * config.walks + len(asked.min_users) * asked.halvings * max(asked.walks, *asked.released), "walks")


STAGE = Stage(
    name="audit", version=8, section="audit", needs=("data", "graph", "generator"), build=build, check=check, cost=cost
)
