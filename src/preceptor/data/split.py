"""Cuts a log in train, validation and test, so that nothing later than a target can have shaped its prediction.

Temporal (default; Ji et al. 2010.11060, Gusak et al. 2507.16289): two instants cut the whole log. Leave-last-out: each
user's last interaction is the test target, the one before it the validation target; other users' later interactions then
shape the training part, which flatters every model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.config import DataConfig, SplitConfig, check
from preceptor.data.log import Log, Split, Targets, TrainSplit


def split(log: Log, config: SplitConfig | None = None) -> Split:
    """Cut as `config` says (default SplitConfig()). Raises PreceptorError where the log can't be cut so."""
    config = config or SplitConfig()
    check(DataConfig(split=config))
    if config.kind == "temporal" or (config.kind == "auto" and log.timed):
        return temporal(log, config)
    return leave_last_out(log, config)


def thresholds(time: np.ndarray, validation_from: float, test_from: float) -> tuple[int, int]:
    """Return the first instants of validation and test: the times at those shares of the rows.

    Each part begins where the time changes, so equal times never straddle a cut and no part is empty of times.
    """
    first, last = int(time.min()), int(time.max())
    inner = time[(time > first) & (time < last)]
    if not len(inner):
        raise PreceptorError(
            "The log can't be cut in time",
            where="column timestamp",
            found=f"{len({first, last})} distinct times",
            expected="at least 3",
            remedy="set data.split.kind to leave-last-out",
        )
    # At most that share of the rows is earlier than the row at that share; at least one instant stays for each part.
    places = [min(int(share * len(time)), len(time) - 1) for share in (validation_from, test_from)]
    at = np.partition(time, places)[places]
    validation = min(max(int(at[0]), int(inner.min())), int(inner.max()))
    test = int(at[1]) if at[1] > validation else int(time[time > validation].min())
    return validation, test


def temporal(log: Log, config: SplitConfig | None = None) -> Split:
    """One cut in time for all users: train < validation < test."""
    config = config or SplitConfig()
    if not log.timed:
        raise PreceptorError(
            "The log can't be cut in time",
            where="split.kind",
            found="positions within users, no timestamps",
            expected="a column timestamp",
            remedy="set data.split.kind to leave-last-out",
        )
    validation, test = thresholds(log.time, config.validation_from, config.test_from)
    in_train, before_test = log.time < validation, log.time < test
    return Split(
        "temporal",
        _train(log, in_train, config),
        _targets(log, before_test & ~in_train, before_test),
        _targets(log, ~before_test, np.ones(len(log), bool)),
        (validation, test),
    )


def leave_last_out(log: Log, config: SplitConfig | None = None) -> Split:
    """Each user's last interaction is a test target and the one before it a validation target; users with fewer than three
    interactions are training users only."""
    config = config or SplitConfig()
    counts = np.bincount(log.user, minlength=len(log.user_ids))
    from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(log))  # 1 for a user's last row
    enough = counts[log.user] >= 3
    is_test, is_validation = enough & (from_end == 1), enough & (from_end == 2)
    return Split(
        "leave-last-out",
        _train(log, ~(is_test | is_validation), config),
        _targets(log, is_validation, ~is_test),
        _targets(log, is_test, np.ones(len(log), bool)),
    )


def summary(log: Log, cut: Split) -> dict[str, Any]:
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
    first = (np.cumsum(counts) - counts)[log.user]
    wanted = wanted & (np.arange(len(log)) > first)
    chosen = np.zeros(len(log.user_ids), bool)
    chosen[log.user[wanted]] = True
    kept = known & chosen[log.user]
    place = np.cumsum(kept) - 1  # of each kept row in `sequence`
    # A user's rows are contiguous and `known` is a prefix of them, so a chosen user's first row is kept.
    return Targets(log.user[wanted], log.item[kept], place[first[wanted]].astype(np.int64), place[wanted].astype(np.int64))
