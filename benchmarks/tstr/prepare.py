"""Cuts the logs of the studies in results/tstr, and prepares each set and level once. See sets.py."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import preceptor.market.source  # noqa: F401  registers market:
from benchmarks.tstr.sets import SETS, THINNED, WHOLE, Facts, Set, axis_of, folder_of, prepared
from preceptor.core import rng
from preceptor.core.artifact import canonical, write_atomic
from preceptor.data import read, sources
from preceptor.data.log import Log, Split, TrainSplit
from preceptor.data.rows import Targets
from preceptor.generator import fit as generator_fit
from preceptor.generator.fit_config import FitConfig
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

HELD_OUT = "unmet"


def prepare(name: str, level: str, data_root: Path, work: Path) -> Path:
    """Make the folder of a set at a level, unless it is there: train/, validation/, test/, law/, graph/, done.json."""
    folder = folder_of(name, level, work)
    if prepared(folder):
        return folder
    if folder.exists():  # cut short, or made as levels were before: its laws, models and ranks are of that
        shutil.rmtree(folder)
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
    longest = int(number) - 1 if kind == "last" else None
    judged = (
        _met(_among(targets, users, longest), place, unmet=len(met))
        for targets, users in ((cut.validation, validation), (cut.test, test))
    )
    return Split(cut.kind, new, *judged, cut.cuts)


def _among(targets: Targets, users: np.ndarray, longest: int | None) -> Targets:
    """The targets of some users, with the last `longest` items before each. Users' numbers are the same at every level."""
    kept = np.isin(targets.user, users)
    start, end = targets.start[kept], targets.end[kept]
    if longest is not None:
        start = np.maximum(start, end - longest)
    return Targets(targets.user[kept], targets.sequence, start, end)


def _met(targets: Targets, place: np.ndarray, unmet: int) -> Targets:
    """The targets, items renamed, their histories without `unmet`; one that was nothing else keeps one.

    Each has rows of its own, since an unmet item is left out of histories and is still a target."""
    rows, start, end = [], np.empty(len(targets), np.int64), np.empty(len(targets), np.int64)
    asked, done = place[targets.item], 0
    for t in range(len(targets)):
        renamed = place[targets.history(t)]
        history = renamed[renamed != unmet]
        if len(renamed) and not len(history):
            history = renamed[-1:]
        rows += [history, asked[t : t + 1]]
        start[t], end[t] = done, done + len(history)
        done += len(history) + 1
    sequence = np.concatenate(rows) if rows else np.empty(0, np.int32)
    return Targets(targets.user, sequence.astype(np.int32), start, end)


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
            version=1 if level == WHOLE else THINNED,
        )
    )


def _source(name: str, data_root: Path) -> str | Path:
    if name.startswith("market:"):
        return name
    return sources.locate(name) if sources.is_built_in(name) else data_root / name
