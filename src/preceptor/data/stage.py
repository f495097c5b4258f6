"""The stage `data`: a log read, checked and cut; what every later stage starts from.

Files: train/ (TrainSplit), validation/ and test/ (Targets), users.parquet (user_id by index), quarantine.csv, funnel.csv,
summary.json; of a simulated market market.json (its config, from which the truth can be had again); with few test users under
the temporal split, leave_last_out/ holds the same three parts under that split.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from preceptor.core.artifact import canonical, file_digest, write_atomic
from preceptor.core.progress import say
from preceptor.core.stage import Cost, Counts, Inputs, Key, Stage, without_defaults
from preceptor.core.tables import row
from preceptor.core.tables.data import FunnelStep, Quarantined
from preceptor.data import config as settings
from preceptor.data import layouts, sources
from preceptor.data.config import DataConfig
from preceptor.data.log import Split, count_parts
from preceptor.data.quarantine import cells
from preceptor.data.read import read

LEAKAGE = (
    "Leave-last-out: other users' later interactions are in the training part, which flatters every model (Ji et al. 2023, "
    "arXiv 2010.11060). Read it beside the temporal split, not in its place."
)


def build(config: DataConfig, inputs: Inputs, folder: Path) -> Counts:
    """Write OUT/data. It has no inputs: the digests of the log's files are in its key."""
    log = read(config.source, config)
    cut = log.split(config.split)
    few = cut.kind == "temporal" and cut.test.n_users < config.split.few_users
    log.user_ids.to_frame().write_parquet(folder / "users.parquet")
    row.write(folder, Quarantined, cells(log.quarantine))
    row.write(folder, FunnelStep, log.funnel)
    _save(cut, folder)
    if made := sources.simulated(config.source):
        name, simulation = made
        write_atomic(folder / f"{name}.json", canonical(simulation.settings(config.source, config.seed)))
    summary: dict[str, Any] = {
        "n_users": len(log.user_ids),
        "n_items": log.items.height,
        "n_interactions": len(log),
        "quarantined": log.quarantine.height,
        "timed": log.timed,
        "few_users": few,
        "notes": log.notes,
        **count_parts(log, cut),
    }
    if few:
        beside = log.split(dataclasses.replace(config.split, kind="leave-last-out"))
        _save(beside, folder / "leave_last_out")
        summary["leave_last_out"] = {"warning": LEAKAGE, **count_parts(log, beside)}
    elif cut.kind == "leave-last-out":
        summary["warning"] = LEAKAGE
    write_atomic(folder / "summary.json", canonical(summary))
    test = summary["parts"]["test"]
    say(f"  {cut.kind} split: {test['targets']:,} test targets of {test['target_users']:,} users")
    if few:
        say(f"  fewer than {config.split.few_users} test users: leave-last-out is kept beside it")
    counts = {"users": summary["n_users"], "items": summary["n_items"], "interactions": summary["n_interactions"]}
    return {**counts, "quarantined": summary["quarantined"], "kind": cut.kind, "few_users": few}


def check(config: DataConfig) -> None:
    """Refuse settings that can't be meant, those of a simulated log too; PreceptorError names the field."""
    settings.check(config)
    if made := sources.simulated(config.source):
        made[1].settings(config.source, config.seed)


def key(config: DataConfig, inputs: Inputs) -> Key:
    """The config, with the digests of the log's files in place of its path."""
    files = without_defaults(config, ("order", "time_format"))
    del files["source"]
    if made := sources.simulated(config.source):
        name, simulation = made
        settings = simulation.settings(config.source, config.seed)
        return Key({**files, "source": f"simulated {name}", **simulation.key(settings)}, {})
    if sources.is_built_in(config.source):
        return Key({**files, "source": config.source, "files": sources.DIGESTS[config.source]}, {})
    folder = sources.locate(config.source)
    digests = {p.relative_to(folder).as_posix(): file_digest(p) for p in layouts.find(folder, config).files}
    return Key({**files, "files": digests}, {})


def cost(config: DataConfig, inputs: Inputs) -> Cost:
    """Bytes of the log's files; rows of a simulated log."""
    if made := sources.simulated(config.source):
        return Cost(made[1].rows(made[1].settings(config.source, config.seed)), "rows")
    folder = sources.locate(config.source)
    return Cost(sum(p.stat().st_size for p in layouts.find(folder, config).files), "bytes")


def _save(cut: Split, folder: Path) -> None:
    cut.train.save(folder / "train")
    cut.validation.save(folder / "validation")
    cut.test.save(folder / "test")


STAGE = Stage(
    name="data",
    version=4,
    section="data",
    needs=(),
    build=build,
    check=check,
    key=key,
    cost=cost,
    tables=(FunnelStep, Quarantined),
)
