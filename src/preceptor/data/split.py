"""Cuts a log in train, validation and test, so that nothing later than a target can have shaped its prediction.

Temporal (default; Ji et al. 2010.11060, Gusak et al. 2507.16289): two instants cut the whole log. Leave-last-out: each
user's last interaction is the test target, the one before it the validation target; other users' later interactions then
shape the training part, which flatters every model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.config import SplitConfig


@dataclass(frozen=True)
class Rows:
    """Which rows of a log are what, bool [n] each: those to learn from, those to predict at validation and at test, and those
    known before test. kind, cuts: as in `data.log.Split`."""

    kind: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    before_test: np.ndarray
    cuts: tuple[int, int] | None = None


def rows(user: np.ndarray, time: np.ndarray, timed: bool, config: SplitConfig, clock: np.ndarray | None = None) -> Rows:
    """Cut as `config` says. user, time: int [n], sorted by user, then time; timed: whether `time` holds seconds; clock: the
    times that the shares of a cut in time are of, where they aren't `time`.

    Raises PreceptorError where the log can't be cut so.
    """
    if config.kind == "leave-last-out" or (config.kind == "auto" and not timed):
        return leave_last_out(user)
    if not timed:
        raise PreceptorError(
            "The log can't be cut in time",
            where="split.kind",
            found="positions within users, no timestamps",
            expected="a column timestamp",
            remedy="set data.split.kind to leave-last-out",
        )
    return temporal(time, config, clock)


def temporal(time: np.ndarray, config: SplitConfig, clock: np.ndarray | None = None) -> Rows:
    """One cut in time for all users: train < validation < test."""
    validation, test = thresholds(time if clock is None else clock, config.validation_from, config.test_from)
    train, before_test = time < validation, time < test
    if not train.any():
        raise PreceptorError(
            "The log can't be cut in time",
            where="split.validation_from",
            found=f"no usable row among the first {config.validation_from:.0%} of the rows with a time",
            expected="rows to learn from",
            remedy="see what was set aside with `preceptor data check`, or raise split.validation_from",
        )
    return Rows("temporal", train, before_test & ~train, ~before_test, before_test, (validation, test))


def leave_last_out(user: np.ndarray) -> Rows:
    """Each user's last interaction is a test target and the one before it a validation target; users with fewer than three
    interactions are training users only."""
    counts = np.bincount(user)
    from_end = np.repeat(np.cumsum(counts), counts) - np.arange(len(user))  # 1 for a user's last row
    enough = counts[user] >= 3
    test, validation = enough & (from_end == 1), enough & (from_end == 2)
    return Rows("leave-last-out", ~(test | validation), validation, test, ~test)


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
