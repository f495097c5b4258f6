"""The logs of the studies in results/tstr, and what their folders hold; `prepare.py` makes these.

A level is `whole`, or a thinner training part that is judged on the same never-sampled people: `users-K` takes K users'
training histories, `last-K` the last K items of every training history; the histories of those who are judged are then cut as
well, to the K − 1 items before the target. A thinned catalogue holds the items that its training part has met, and one more
(`unmet`) for all others: it has no training interaction, so it is no candidate, and a target that is `unmet` counts as missed.
Histories are given to all rankers without it, since a model has learnt nothing of it; one that is nothing else keeps one.

Everything in a folder is a function of the log and of what is written here and there. Split: as `data.split` cuts by default.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

WHOLE = "whole"
THINNED = 2  # version of what a level other than `whole` holds: a folder of another one is made again


@dataclass(frozen=True)
class Set:
    """A log, and how much its models are trained.

    source: a built-in source, market:…, or a folder below --data-root. positions: next items predicted per update. first: the
    budget of a trial; doublings: how often a run may double it. pace: seconds per update on a core, until one is measured.
    levels: of the sparsity map.
    test_users, validation_users: people whose histories no level of the map is trained on. inherits: the set whose trials
    decide; empty: its own. trials: settings that the real arm tries: as many as all synthetic recipes together (two each).
    targets: validation targets that decide, at most.
    """

    name: str
    source: str
    positions: int
    first: int
    doublings: int
    pace: float
    levels: tuple[str, ...] = ()
    test_users: int = 2000
    validation_users: int = 1000
    inherits: str = ""
    trials: int = 8
    targets: int = 3000


# People have 20 interactions each, and the catalogue 7,200 things: 27 interactions per item, and under two at the least level.
_MARKET = "market:n_interactions=240000,n_users=12000,sparsity=0.03"
_BIASED = _MARKET + ",popularity=1,position=1,exposure=1"
SETS = {
    s.name: s
    for s in (
        Set("ml-100k", "ml-100k", 2000, 400, 3, 0.06, trials=30),
        Set("ml-latest-small", "ml-latest-small", 2000, 400, 3, 0.25),
        Set(
            "amazon-games", "amazon-games-2018", 3200, 400, 2, 0.6,
            ("users-150", "users-600", "users-2500", "users-10000", "users-47000", "last-2", "last-3", "last-5"),
            inherits="amazon-office",
        ),
        Set("amazon-office", "amazon-office-2018", 1024, 200, 3, 0.06),
        Set("market", _MARKET, 3200, 400, 3, 0.3, ("users-50", "users-140", "users-560", "users-2250", "users-9000")),
        Set("market-biased", _BIASED, 3200, 400, 3, 0.3, inherits="market"),
        Set(
            "tiny", "market:n_interactions=4000,n_users=200,n_items=60", 400, 40, 1, 0.02, ("users-20", "users-60", "last-3"),
            60, 40, trials=2, targets=300,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a set's folder says of itself (done.json). version: see `THINNED`."""

    axis: str
    users: int
    items: int
    interactions: int
    per_item: float
    validation_targets: int
    test_targets: int
    test_users: int
    covered: float
    prior_share: float
    repeats: bool
    version: int = 1


def folder_of(name: str, level: str, work: Path) -> Path:
    return work / name / level


def base_of(name: str) -> str:
    """The set whose trials decide for this one."""
    return SETS[name].inherits or name


def facts(folder: Path) -> Facts:
    return Facts(**json.loads((folder / "done.json").read_text(encoding="utf-8")))


def prepared(folder: Path) -> bool:
    """Whether a set's level is made, and as it is made now."""
    if not (folder / "done.json").exists():
        return False
    return folder.name == WHOLE or facts(folder).version == THINNED


def axis_of(level: str) -> str:
    return {"users": "users", "last": "lengths"}.get(level.partition("-")[0], WHOLE)
