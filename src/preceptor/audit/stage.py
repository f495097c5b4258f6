"""Stage `audit`: what the log and the walks are biased by, on the simulated market how far they are from the truth, and what
the walks give away of real users.

Nothing here feeds any stage but the report (the leak rule).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preceptor.audit import bias, privacy, truth
from preceptor.audit.config import AuditConfig
from preceptor.core.artifact import Artifact, canonical, make, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.data.log import TrainSplit
from preceptor.generator.walk_tables import load_tables
from preceptor.graph.config import GraphConfig
from preceptor.market import config as market_config
from preceptor.market.simulate import market

VERSION = 5


def run(config: AuditConfig, inputs: Mapping[str, Artifact], out: Path) -> Artifact:
    """Make OUT/audit from the artifacts `data`, `graph` and `curriculum`. Files: bias.json; privacy.json; truth.json where the
    log is the simulated market's (data/market.json)."""
    if config.walks < 1:
        raise PreceptorError("Too few walks", where="audit.walks", found=config.walks, expected="1 or more")

    def build(folder: Path) -> Mapping[str, Any]:
        train = TrainSplit.load(inputs["data"].path / "train")
        every, seen = (load_tables(inputs["graph"].path / part) for part in ("all", "seen"))
        found = bias.report(train, every, seen, config)
        write_atomic(folder / "bias.json", canonical(found))
        write_atomic(folder / "privacy.json", canonical(privacy.audit(train, inputs["graph"], config.privacy, config.seed)))
        ginis = {name: round(column["gini"], 3) for name, column in found["columns"].items()}
        say("audit: Gini of exposure " + ", ".join(f"{name} {value}" for name, value in ginis.items()))
        counts: dict[str, Any] = {"gini": ginis}
        described = inputs["data"].file("market.json")
        if described.exists():
            settings = GraphConfig(**inputs["graph"].manifest["config"])
            known = truth.report(train, every, settings, market(market_config.load(described)), config)
            write_atomic(folder / "truth.json", canonical(known))
            counts["distance_to_truth"] = known["graph"]["tv"]
            say(
                f"audit: total variation from the market's truth {known['graph']['tv']:.3f}; "
                f"{known['uniform'][0]['tv']:.3f} had everything been shown alike"
            )
        return counts

    return make("audit", VERSION, config, inputs, out, build)
