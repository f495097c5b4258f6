"""The types every later stage works on: the log, the training split, the targets (of `data.rows`).

Users and items are dense int32 indices; the original ids are kept beside them. Only `TrainSplit` may shape codes, graph,
documents or popularity (the leak rule): functions that build those accept nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core.shown import Shown
from preceptor.core.tables.data import FunnelStep
from preceptor.data import parquet, split
from preceptor.data.config import SplitConfig, check_split
from preceptor.data.rows import Counted, Targets

TEXT_FIELDS = ("title", "brand", "categories", "description")
CATALOGUE = {
    "item_id": pl.String,
    "title": pl.String,
    "brand": pl.String,
    "categories": pl.List(pl.String),
    "description": pl.String,
}
QUARANTINE = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "row": pl.String}


@dataclass(frozen=True, repr=False)
class TrainSplit(Counted):
    """Training interactions beside the catalogue. Rows are sorted by user, then time, then file order.

    items: one row per item, row number = item index; columns item_id, title, brand, categories (list of str), description;
    a field the source lacks is null. The catalogue holds items without training interactions too.
    user, item: int32 [n]. time: int64 [n] (seconds, or positions). session: int64 [n] or None. Users are numbered by their
    first interaction, so the users met in training are 0..n_users-1 and targets may name later ones: nothing here, not even
    a count, depends on what happens after the training part.
    """

    items: pl.DataFrame
    n_users: int
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    session: np.ndarray | None = None

    @property
    def n_items(self) -> int:
        return self.items.height

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.items.write_parquet(folder / "items.parquet")
        np.save(folder / "n_users.npy", np.int64(self.n_users))
        for name in ("user", "item", "time", "session"):
            if getattr(self, name) is not None:
                np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> TrainSplit:
        def array(name: str) -> np.ndarray:
            return np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)

        session = array("session") if (folder / "session.npy").exists() else None
        items = parquet.read(folder / "items.parquet")
        return cls(items, int(np.load(folder / "n_users.npy")), array("user"), array("item"), array("time"), session)


@dataclass(frozen=True, repr=False)
class Split(Shown):
    """A log cut in three. kind: 'temporal' (one cut in time for all users) or 'leave-last-out'. cuts: under the temporal
    split the first instants of validation and of test."""

    kind: str
    train: TrainSplit
    validation: Targets
    test: Targets
    cuts: tuple[int, int] | None = None

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        targets = {f"{name} targets": len(part) for name, part in (("validation", self.validation), ("test", self.test))}
        return {"kind": self.kind, "training interactions": len(self.train.user), "items": self.train.n_items, **targets}


@dataclass(frozen=True, repr=False)
class Log(Shown):
    """All usable interactions beside the catalogue, as `data.read.read` returns them.

    Rows are sorted by user, then time, then file order; users are numbered by their first interaction (time, then file
    order). items, user, item, time, session: as in TrainSplit. user_ids: the original ids by user index. timed: whether
    `time` holds seconds (else positions within a user). clock: the seconds of every row that was read with a time, int64 in
    the files' order, filtered and set aside ones too; a cut in time counts these, so that no row's user or item can move it.
    None: those of `time` alone. funnel: what is left after each filter.
    quarantine: one row per unusable row (file, line, reason, row). notes: what was assumed in reading, for a person.
    """

    items: pl.DataFrame
    user_ids: pl.Series
    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    session: np.ndarray | None = None
    timed: bool = True
    clock: np.ndarray | None = None
    funnel: tuple[FunnelStep, ...] = ()
    quarantine: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUARANTINE))
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.user)

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        counts = {"interactions": len(self), "users": len(self.user_ids), "items": self.items.height}
        return {**counts, "set aside": self.quarantine.height, "timed": self.timed}

    def split(self, config: SplitConfig | None = None) -> Split:
        """Cut in train, validation and test (see `data.split`); by default in time, for logs without times leave-last-out.

        Raises PreceptorError where the log can't be cut so.
        """
        config = config or SplitConfig()
        check_split(config)
        rows = split.rows(self.user, self.time, self.timed, config, self.clock)
        return Split(
            rows.kind,
            _train(self, rows.train, config),
            _targets(self, rows.validation, rows.before_test),
            _targets(self, rows.test, np.ones(len(self), bool)),
            rows.cuts,
        )


def count_parts(log: Log, cut: Split) -> dict[str, Any]:
    """Counts of each part: interactions, users, targets (those with a history) and their users, and the time range."""

    def times(time: np.ndarray) -> list[int] | None:
        return [int(time.min()), int(time.max())] if log.timed and len(time) else None

    trained = cut.train
    parts: dict[str, Any] = {
        "train": {
            "interactions": len(trained.user),
            "users": int(np.count_nonzero(np.bincount(trained.user, minlength=1))),
            "items": int(np.count_nonzero(trained.popularity)),
            "time": times(trained.time),
        }
    }
    for name, targets in (("validation", cut.validation), ("test", cut.test)):
        part: dict[str, Any] = {"targets": len(targets), "target_users": targets.n_users}
        if cut.cuts is None:
            part |= {"interactions": len(targets), "users": targets.n_users, "time": None}
        else:
            mask = log.time >= cut.cuts[0 if name == "validation" else 1]
            if name == "validation":
                mask &= log.time < cut.cuts[1]
            users = len(np.unique(log.user[mask]))
            part |= {"interactions": int(mask.sum()), "users": users, "time": times(log.time[mask])}
        parts[name] = part
    return {"kind": cut.kind, "cuts": cut.cuts, "parts": parts}


def _train(log: Log, mask: np.ndarray, config: SplitConfig) -> TrainSplit:
    n_users = int(log.user[mask].max(initial=-1)) + 1
    if config.min_item_interactions > 1:
        mask = mask & (np.bincount(log.item[mask], minlength=log.items.height) >= config.min_item_interactions)[log.item]
    if config.min_user_interactions > 1:
        mask = mask & (np.bincount(log.user[mask], minlength=len(log.user_ids)) >= config.min_user_interactions)[log.user]
    session = None if log.session is None else log.session[mask]
    return TrainSplit(log.items, n_users, log.user[mask], log.item[mask], log.time[mask], session)


def _targets(log: Log, wanted: np.ndarray, known: np.ndarray) -> Targets:
    """Rows `wanted` that have an earlier row of their user; `known` rows (a prefix of each user's) make the sequences."""
    counts = np.bincount(log.user, minlength=len(log.user_ids))
    first = np.cumsum(counts) - counts  # row of each user
    wanted = wanted.copy()
    wanted[first[counts > 0]] = False
    user = log.user[wanted]
    chosen = np.zeros(len(log.user_ids), bool)
    chosen[user] = True
    kept = known & chosen[log.user]
    place = np.cumsum(kept, dtype=np.int32 if len(log) < 2**31 else np.int64)  # of each kept row in `sequence`, from 1
    # A user's rows are contiguous and `known` is a prefix of them, so a chosen user's first row is kept.
    start, end = (place[rows].astype(np.int64) - 1 for rows in (first[user], np.flatnonzero(wanted)))
    return Targets(user, log.item[kept], start, end)
