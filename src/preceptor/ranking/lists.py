"""A user's own baseline: a file with a list of items for each test user, ranked on the same targets among the same candidates.

A list has no probabilities, so the arm has no nats and no calibration, and validation has no say in it: it is shown beside the
others and never recommended.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numba import njit

from preceptor.data.log import Targets
from preceptor.ranking import given
from preceptor.ranking.evaluate import TOP

ARM = WHAT = "baseline"
UNLISTED = np.iinfo(np.int32).max  # the rank of a target that is not in the list, or is no candidate
_COLUMNS = "user_id, item_id, and rank (1 is the best) or score (the highest is the best)"


@dataclass(frozen=True)
class Lists:
    """indptr: int64 [users + 1]; item int32, badness float64 (rank, or −score): of user u from indptr[u] on, best first.

    rows, unknown_users, unknown_items: of the file; rows of an unknown user or item are left out. length: median items of the
    lists of known users.
    """

    indptr: np.ndarray
    item: np.ndarray
    badness: np.ndarray
    rows: int
    unknown_users: int
    unknown_items: int
    length: float

    def judge(self, targets: Targets, candidate: np.ndarray, repeats: bool) -> tuple[np.ndarray, np.ndarray]:
        """(rank int32 [targets], pessimistic for ties and UNLISTED where a target is not in the list; top int32 [targets, TOP],
        −1 beyond a list's end). candidate: bool [I], items that are offered at all; without repeats the history isn't."""
        known = np.minimum(np.asarray(targets.user, np.int64), len(self.indptr) - 1)
        stop = np.append(self.indptr[1:], self.indptr[-1])[known]
        return _judge(
            (self.indptr[known], stop, self.item, self.badness), np.asarray(targets.sequence), targets.start, targets.end,
            candidate, repeats, TOP, UNLISTED,
        )  # fmt: skip

    def facts(self, targets: Targets) -> dict[str, Any]:
        """Counts for a person and the manifest."""
        users = np.unique(targets.user)
        return {
            "rows": self.rows,
            "unknown_users": self.unknown_users,
            "unknown_items": self.unknown_items,
            "listed_users": int((np.diff(self.indptr)[users] > 0).sum()),
            "test_users": len(users),
            "median_length": self.length,
        }


def read(file: Path, folder: Path) -> Lists:
    """Read the lists of a CSV, TSV, JSON-lines or Parquet file for the split in `folder` (of the stage data).

    Raises PreceptorError, with file, line and field, for a missing column, an empty id, a rank or score that is no number, an
    item that a user has twice, and a file of whose users or items none is known.
    """
    table = _table(file)
    found, unknown, n_users = given.known(table, file, folder, WHAT, "ranking.baseline")
    kept = found.sort("user", "badness", "item")
    counts = np.bincount(kept["user"].to_numpy(), minlength=n_users)
    return Lists(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        item=kept["item"].to_numpy().astype(np.int32),
        badness=kept["badness"].to_numpy(),
        rows=table.height,
        unknown_users=unknown["user_id"],
        unknown_items=unknown["item_id"],
        length=float(np.median(counts[counts > 0])) if counts.any() else 0.0,
    )


def sentence(facts: dict[str, Any]) -> str:
    """What the file holds, for a person."""
    said = f"lists of {facts['median_length']:g} items (median) for {facts['listed_users']:,} of {facts['test_users']:,} test"
    said += " users; a target that is not in its user's list counts as missed"
    if facts["unknown_users"] or facts["unknown_items"]:
        said += f"; unknown to the log and left out: users {facts['unknown_users']:,}, items {facts['unknown_items']:,}"
    return said


def _table(file: Path) -> pl.DataFrame:
    """Columns row, user_id, item_id, badness of every record."""
    table = given.table_of(file, {})
    found = given.columns(table, file, ("rank", "score"), _COLUMNS)
    by = "rank" if "rank" in found else "score"
    value = pl.col(by).cast(pl.Float64, strict=False)
    frame = given.rows(table, file, found, value if by == "rank" else -value, "badness", _COLUMNS, WHAT)
    bad = pl.col("badness").is_null() | ~pl.col("badness").is_finite()
    given.refuse(table, file, frame.filter(bad), by, "a number", WHAT)
    twice = frame.filter(~pl.struct("user_id", "item_id").is_first_distinct())
    given.refuse(table, file, twice, "item_id", "each item once for a user", WHAT)
    return frame


@njit(cache=True)
def _judge(lists, sequence, start, end, candidate, repeats, longest, unlisted):  # type: ignore[no-untyped-def]
    begin, stop, item, badness = lists
    rank, top = np.full(len(end), unlisted, np.int32), np.full((len(end), longest), -1, np.int32)
    closed = np.zeros(len(candidate), np.bool_)
    for t in range(len(end)):
        if not repeats:
            for p in range(start[t], end[t]):
                closed[sequence[p]] = True
        wanted, offered, found = sequence[end[t]], 0, -1
        for n in range(begin[t], stop[t]):
            x = item[n]
            if closed[x] or not candidate[x]:
                continue
            if found >= 0 and badness[n] > badness[found] and offered >= longest:
                break
            if offered < longest:
                top[t, offered] = x
            offered += 1
            if x == wanted:
                found = n
            if found >= 0 and badness[n] == badness[found]:
                rank[t] = offered  # those that are as good as the target count against it
        if not repeats:
            for p in range(start[t], end[t]):
                closed[sequence[p]] = False
    return rank, top
