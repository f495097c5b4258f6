"""The logs of the studies in results/tstr, cut and prepared once per set and level.

A level is `whole`, or a thinner training part that is judged on the same never-sampled people: `users-K` takes K users'
training histories, `last-K` the last K items of every training history. A thinned catalogue holds the items that its training
part has met, and one more (`unmet`) for all others: it has no training interaction, so it is no candidate, and a target that is
`unmet` counts as missed.

Everything in a folder is a function of the log and of what is written here. Split: as `data.split` cuts by default.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import preceptor.market.source  # noqa: F401  registers market:
from preceptor.core import rng
from preceptor.core.artifact import canonical, write_atomic
from preceptor.data import read, sources
from preceptor.data.log import Log, Split, Targets, TrainSplit
from preceptor.generator import fit as generator_fit
from preceptor.generator.fit_config import FitConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

WHOLE = "whole"
HELD_OUT = "unmet"


@dataclass(frozen=True)
class Set:
    """A log, and how much its models are trained.

    source: a built-in source, market:…, or a folder below --data-root. positions: next items predicted per update. first,
    doublings: of the budget. pace: seconds per update on a core, until one is measured. levels: of the sparsity map.
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


# People have 20 interactions each, and the catalogue 7,200 things: 27 interactions per item, and about one at the least level.
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
        Set("market", _MARKET, 3200, 400, 3, 0.3, ("users-140", "users-560", "users-2250", "users-9000")),
        Set("market-biased", _BIASED, 3200, 400, 3, 0.3, inherits="market"),
        Set(
            "tiny", "market:n_interactions=4000,n_users=200,n_items=60", 400, 40, 1, 0.02, ("users-20", "users-60", "last-3"),
            60, 40, trials=2, targets=300,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a set's folder says of itself (done.json)."""

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


def folder_of(name: str, level: str, work: Path) -> Path:
    return work / name / level


def prepare(name: str, level: str, data_root: Path, work: Path) -> Path:
    """Make the folder of a set at a level, unless it is there: train/, validation/, test/, law/, graph/, done.json."""
    folder = folder_of(name, level, work)
    if (folder / "done.json").exists():
        return folder
    given = SETS[name]
    log = read.read(_source(given.source, data_root))
    cut = log.split() if level == WHOLE else thinned(log, level, given)
    for part in ("train", "validation", "test"):
        getattr(cut, part).save(folder / part)
    if level == WHOLE and given.source.startswith("market:"):  # who a user is in the market, for what they would choose
        np.save(folder / "market_users.npy", [int(str(log.user_ids[u])[1:]) for u in range(cut.train.n_users)])
    fitted = generator_fit.fit(cut.train, FitConfig(singles=False, resamples=20))
    fitted.mixture.save(folder / "law")
    build_graph(cut.train, GraphConfig()).save(folder / "graph")
    write_atomic(folder / "done.json", canonical(_facts(cut, level, fitted.mixture.prior_share, fitted.mixture.repeats)))
    return folder


def facts(folder: Path) -> Facts:
    return Facts(**json.loads((folder / "done.json").read_text(encoding="utf-8")))


def axis_of(level: str) -> str:
    return {"users": "users", "last": "lengths"}.get(level.partition("-")[0], WHOLE)


def thinned(log: Log, level: str, given: Set) -> Split:
    """A level of the map: training histories of some users or their last items, judged on people whom no level samples."""
    cut = log.split()
    test = _keyed(np.unique(cut.test.user), given.test_users, "tstr/test-users")
    rest = np.setdiff1d(np.unique(cut.validation.user), test)
    validation = _keyed(rest, given.validation_users, "tstr/validation-users")
    train = cut.train
    allowed = np.setdiff1d(np.unique(train.user), np.concatenate([test, validation]))
    kind, number = level.rsplit("-", 1)
    taken = _keyed(allowed, int(number) if kind == "users" else len(allowed), "tstr/train-users")
    rows = np.isin(train.user, taken)
    if kind == "last":
        rows &= train.user_indptr[train.user + 1] - np.arange(len(train.user)) <= int(number)
    met = np.unique(train.item[rows])
    place = np.full(train.n_items, len(met), np.int32)  # all others are the one that was never met
    place[met] = np.arange(len(met), dtype=np.int32)
    unmet = pl.DataFrame({c: [HELD_OUT if c == "item_id" else None] for c in log.items.columns}, schema=log.items.schema)
    items = pl.concat([log.items[met], unmet])
    known = np.unique(train.user[rows])
    new = TrainSplit(
        items,
        len(known),
        np.searchsorted(known, train.user[rows]).astype(np.int32),
        place[train.item[rows]],
        train.time[rows],
    )
    return Split(cut.kind, new, _among(cut.validation, validation, place), _among(cut.test, test, place), cut.cuts)


def _among(targets: Targets, users: np.ndarray, place: np.ndarray) -> Targets:
    """The targets of some users, items renamed. Users keep their numbers, which are the same at every level."""
    kept = np.isin(targets.user, users)
    return Targets(targets.user[kept], place[targets.sequence], targets.start[kept], targets.end[kept])


def _keyed(users: np.ndarray, count: int, purpose: str) -> np.ndarray:
    """A keyed sample; a smaller one is part of a larger one."""
    order = rng.permutation(0, purpose, len(users))
    return np.sort(users[order[:count]])


def _facts(cut: Split, level: str, prior_share: float, repeats: bool) -> dict[str, Any]:
    popularity = cut.train.popularity
    items = int((popularity > 0).sum())
    return dataclasses.asdict(
        Facts(
            axis=axis_of(level),
            users=len(np.unique(cut.train.user)),
            items=items,
            interactions=len(cut.train.item),
            per_item=len(cut.train.item) / max(items, 1),
            validation_targets=len(cut.validation),
            test_targets=len(cut.test),
            test_users=cut.test.n_users,
            covered=float((popularity[cut.test.item] > 0).mean()) if len(cut.test) else 0.0,
            prior_share=prior_share,
            repeats=repeats,
        )
    )


def _source(name: str, data_root: Path) -> str | Path:
    if name.startswith("market:"):
        return name
    return sources.locate(name) if sources.is_built_in(name) else data_root / name
