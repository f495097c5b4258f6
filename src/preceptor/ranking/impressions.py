"""A second test set: what people were shown, and which of it they took.

A log says what people did with what the shop chose to show, so ranking well on it may mean to guess the shop. Where things were
shown at random, or all that was shown is known, an arm is judged by whether it puts what a person took above what the person
left: the AUC within each user's rows, every user counting the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core.disk import load_array
from preceptor.core.statistics import Resamples, difference
from preceptor.core.tables.ranking import NAMES, NO_VERDICT, ShownMean
from preceptor.data.log import Targets, TrainSplit
from preceptor.ranking import given

WHAT, SETTING = "impressions", "ranking.impressions"
_COLUMNS = "user_id, item_id, and taken (1 or true where the person took the item, 0 or false where not)"
_NAMES = {"taken": ("taken", "clicked", "click", "label", "bought")}


@dataclass(frozen=True)
class Impressions:
    """What users were shown. user: int32 [U], ascending; indptr int64 [U + 1]; item int32 and taken bool, by user.

    histories: what each user had met before the test part began; the target of each is its first item shown, and counts for
    nothing. rows, unknown_users, unknown_items: of the file; newcomers: known users without a history, who are left out.
    """

    user: np.ndarray
    indptr: np.ndarray
    item: np.ndarray
    taken: np.ndarray
    histories: Targets
    rows: int
    unknown_users: int
    unknown_items: int
    newcomers: int

    def auc(self, first: int, last: int, p: np.ndarray, candidate: np.ndarray) -> np.ndarray:
        """AUC within the rows of users first … last − 1, float64; NaN where a user took all or nothing of what can be ranked.

        p: [users, I], what an arm gives; candidate: bool, the same shape, what every arm may offer: other rows don't count.
        """
        out = np.full(last - first, np.nan)
        for u in range(first, last):
            rows = slice(self.indptr[u], self.indptr[u + 1])
            item = self.item[rows][candidate[u - first, self.item[rows]]]
            taken = self.taken[rows][candidate[u - first, self.item[rows]]]
            if taken.any() and not taken.all():
                worth = p[u - first, item]
                more = worth[taken][:, None] - worth[~taken][None]
                out[u - first] = float(((more > 0) + 0.5 * (more == 0)).mean())
        return out

    def facts(self, judged: np.ndarray) -> dict[str, Any]:
        """Counts for a person and the manifest. judged: bool [U]."""
        return {
            "rows": self.rows,
            "unknown_users": self.unknown_users,
            "unknown_items": self.unknown_items,
            "newcomers": self.newcomers,
            "one_sided_users": int((~judged).sum()),
            "users": int(judged.sum()),
        }


def read(file: Path, folder: Path) -> Impressions:
    """Read a CSV, TSV, JSON-lines or Parquet file of impressions for the split in `folder` (of the stage data).

    Raises PreceptorError, with file, line and field, for a missing column, an empty id, and a value of `taken` that is neither
    0 nor 1; and for a file of whose users or items none is known.
    """
    table = given.table_of(file, _NAMES)
    found = given.columns(table, file, ("taken",), _COLUMNS)
    text = pl.col("taken").cast(pl.String).str.strip_chars().str.to_lowercase()
    number = text.replace_strict({"true": 1.0, "false": 0.0}, default=None, return_dtype=pl.Float64)
    value = pl.coalesce(number, text.cast(pl.Float64, strict=False))
    frame = given.rows(table, file, found, value, "taken", _COLUMNS, WHAT)
    given.refuse(table, file, frame.filter(~pl.col("taken").is_in([0.0, 1.0]).fill_null(False)), "taken", "0 or 1", WHAT)
    kept, unknown, _ = given.known(frame, file, folder, WHAT, SETTING)
    kept = kept.sort("user", "row")
    user = np.unique(kept["user"].to_numpy()).astype(np.int32)
    start, length, sequence = _before_test(folder, user)
    rows = kept.filter(pl.col("user").is_in(user[length > 0].astype(np.int64).tolist()))
    numbers, first = np.unique(rows["user"].to_numpy(), return_index=True)
    item, known = rows["item"].to_numpy().astype(np.int32), length > 0
    return Impressions(
        user=numbers.astype(np.int32),
        indptr=np.append(first, len(item)).astype(np.int64),
        item=item,
        taken=rows["taken"].to_numpy() == 1,
        histories=_as_targets(numbers, start[known], length[known], sequence, item[first]),
        rows=frame.height,
        unknown_users=unknown["user_id"],
        unknown_items=unknown["item_id"],
        newcomers=int((~known).sum()),
    )


def means(
    split: str,
    arms: Mapping[str, Sequence[Path]],
    verdicts: Mapping[str, str],
    bootstraps: int,
    seed: int,
    confidence: float,
) -> tuple[list[ShownMean], np.ndarray]:
    """A row for each arm, and who was judged, bool [U]. arms: for each, the files of its AUC by user, one for each seed."""
    found = {arm: np.stack([load_array(file) for file in files]) for arm, files in arms.items()}
    judged = np.isfinite(found["real"][0])
    rows: list[ShownMean] = []
    if not judged.any():
        return rows, judged
    resamples = Resamples(np.flatnonzero(judged), bootstraps, seed, confidence)
    drawn = {arm: resamples.means(values[:, judged].mean(axis=0)[:, None]) for arm, values in found.items()}
    for arm, values in found.items():
        mean, samples = drawn[arm]
        own = resamples.interval(float(mean[0]), samples[:, 0])
        gap = difference((float(mean[0]), samples[:, 0]), (float(drawn["real"][0][0]), drawn["real"][1][:, 0]), resamples)
        unsure = NO_VERDICT in (verdicts.get(arm), verdicts.get("real"))
        reading = NO_VERDICT if unsure else "not told apart" if gap.lo <= 0 <= gap.hi else "better" if gap.lo > 0 else "worse"
        numbers = (own.value, own.lo, own.hi, gap.value, gap.lo, gap.hi)
        rows.append(ShownMean(split, arm, *numbers, "" if arm == "real" else reading, len(values), resamples.users))
    return rows, judged


def sentence(rows: Sequence[ShownMean], facts: dict[str, Any], recipe: str) -> str:
    """What the second test set says, for a person."""
    left = ", ".join(
        f"{facts[key]:,} {words}"
        for key, words in (
            ("unknown_users", "users unknown to the log"),
            ("newcomers", "users without a history"),
            ("one_sided_users", "users who took all or nothing"),
            ("unknown_items", "unknown items"),
        )
        if facts[key]
    )
    left = f"; left out: {left}" if left else ""
    by_arm = {r.arm: r for r in rows}
    if "real" not in by_arm:
        return f"On what people were shown nothing can be said: no user took one thing and left another{left}."
    real, own = by_arm["real"], by_arm.get(recipe)
    said = f"On what people were shown ({facts['users']:,} users), {NAMES['real']} puts what they took above what they left"
    said += f" with AUC {real.auc:.3f} [{real.lo:.3f}, {real.hi:.3f}]"
    if own is not None and own is not real:
        gap = f"{own.difference:+.3f} [{own.diff_lo:+.3f}, {own.diff_hi:+.3f}]".replace("-", "−")
        said += f", and {NAMES[recipe]} with {own.auc:.3f} ({gap}, {own.reading})"
    return said + left + "."


def _before_test(folder: Path, user: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each user's rows before the test part lie: start, length and the array of items.

    Those of the validation part are in the sequences of its targets; of who has none there, the training part has all. Who is
    in neither may have one row that no target shows: such users count as newcomers.
    """
    train, seen = TrainSplit.load(folder / "train"), Targets.load(folder / "validation")
    indptr = train.user_indptr
    trained = user < train.n_users
    at = np.minimum(user, max(train.n_users - 1, 0))
    start = np.where(trained, indptr[at], 0)
    length = np.where(trained, indptr[at + 1] - indptr[at], 0)
    if len(seen):
        last = np.searchsorted(seen.user, user, side="right") - 1
        later = (last >= 0) & (seen.user[np.maximum(last, 0)] == user)
        begin, end = np.asarray(seen.start)[np.maximum(last, 0)], np.asarray(seen.end)[np.maximum(last, 0)] + 1
        start = np.where(later, len(train.item) + begin, start)
        length = np.where(later, end - begin, length)
    return start, length, np.concatenate([np.asarray(train.item), np.asarray(seen.sequence)]).astype(np.int32)


def _as_targets(user: np.ndarray, start: np.ndarray, length: np.ndarray, sequence: np.ndarray, item: np.ndarray) -> Targets:
    """Each user's history with an item after it."""
    ends = np.cumsum(length + 1) - 1
    out = np.empty(int(ends[-1]) + 1 if len(ends) else 0, np.int32)
    for u, (first, n, end) in enumerate(zip(start.tolist(), length.tolist(), ends.tolist(), strict=True)):
        out[end - n : end] = sequence[first : first + n]
        out[end] = item[u]
    return Targets(user.astype(np.int32), out, (ends - length).astype(np.int64), ends.astype(np.int64))
