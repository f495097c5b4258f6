"""The comparison's tables: means over seeds with intervals over users, paired differences and ratios, slices."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core import metrics
from preceptor.core.artifact import write_atomic
from preceptor.data.log import Targets, TrainSplit
from preceptor.ranking.bootstrap import Interval, Resamples, difference, ratio
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import Job, Source, mask_history
from preceptor.ranking.trials import ARMS

PAIRS = (
    ("synthetic", "real"),
    ("real", "popularity"),
    ("synthetic", "popularity"),
    ("real", "item-knn"),
    ("synthetic", "item-knn"),
)
COLUMNS = [(metric, k) for metric in metrics.METRICS for k in metrics.KS]


def write(
    folder: Path, sources: Sequence[Source], models: Sequence[Job], config: RankingConfig, file: Callable[[Path, Job], str]
) -> dict[str, Any]:
    """Write tstr.csv, paired.csv and slices.csv from the ranks that `file(folder, job)` names; return counts per split."""
    rows: dict[str, list[dict[str, Any]]] = {"tstr": [], "paired": [], "slices": []}
    counts = {}
    for source in sources:
        targets = Targets.load(Path(source.data) / "test")
        train = TrainSplit.load(Path(source.data) / "train")
        found = {
            arm: np.stack([np.load(file(folder, job) + ".npy", allow_pickle=False) for job in models if _is(job, source, arm)])
            for arm in ARMS
        }
        resamples = Resamples(targets.user, config.bootstraps, config.seed, config.confidence)
        rows["tstr"] += _means(source, found, resamples, len(targets))
        rows["paired"] += _paired(source, found, resamples)
        rows["slices"] += _slices(source, found, targets, train.popularity)
        counts[source.name] = {
            "users": resamples.users,
            "targets": len(targets),
            "targets_seen_in_training": int((train.popularity[targets.item] > 0).sum()),
            "history_masked": mask_history(train, config),
        }
    for name, table in rows.items():
        write_atomic(folder / f"{name}.csv", _csv(table))
    return counts


def read(path: Path) -> pl.DataFrame:
    """A table that `write` wrote; an empty cell (no such number) is null."""
    return pl.read_csv(path, infer_schema_length=None)


def per_target(rank_ST: np.ndarray) -> np.ndarray:
    """Values of all COLUMNS averaged over seeds, float64 [targets, columns]; rank_ST: int [seeds, targets]."""
    return np.stack([metrics.value(metric, rank_ST, k).mean(axis=0) for metric, k in COLUMNS], axis=1)


def _is(job: Job, source: Source, arm: str) -> bool:
    return job.source == source and job.arm == arm


def _means(source: Source, found: Mapping[str, np.ndarray], resamples: Resamples, n: int) -> list[dict[str, Any]]:
    rows = []
    for arm, ranked in found.items():
        rank = ranked[:, :, 0]
        mean, drawn = resamples.means(per_target(rank))
        for c, (metric, k) in enumerate(COLUMNS):
            interval = resamples.interval(mean[c], drawn[:, c])
            by_seed = metrics.value(metric, rank, k).mean(axis=1)
            rows.append(
                {
                    "split": source.name,
                    "arm": arm,
                    "model": ARMS[arm],
                    "metric": metric,
                    "k": k,
                    "mean": interval.value,
                    "lo": interval.lo,
                    "hi": interval.hi,
                    "seed_sd": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else math.nan,
                    "seeds": len(by_seed),
                    "users": resamples.users,
                    "targets": n,
                }
            )
    return rows


def _paired(source: Source, found: Mapping[str, np.ndarray], resamples: Resamples) -> list[dict[str, Any]]:
    means = {arm: resamples.means(per_target(ranked[:, :, 0])) for arm, ranked in found.items()}
    rows = []
    for a, b in PAIRS:
        for c, (metric, k) in enumerate(COLUMNS):
            one, other = ((means[arm][0][c], means[arm][1][:, c]) for arm in (a, b))
            times, more = ratio(one, other, resamples), difference(one, other, resamples)
            rows.append(
                {
                    "split": source.name,
                    "arm_a": a,
                    "arm_b": b,
                    "metric": metric,
                    "k": k,
                    **_named(times, "ratio", "lo", "hi"),
                    **_named(more, "difference", "diff_lo", "diff_hi"),
                }
            )
    return rows


def _named(interval: Interval, value: str, lo: str, hi: str) -> dict[str, float]:
    return {value: interval.value, lo: interval.lo, hi: interval.hi}


def _slices(source: Source, found: Mapping[str, np.ndarray], targets: Targets, popularity: np.ndarray) -> list[dict[str, Any]]:
    item = targets.item
    group = metrics.popularity_groups(popularity)[item]
    rows: list[dict[str, Any]] = []

    def row(arm: str, part: str, metric: str, k: int, mean: float, n: int) -> None:
        facts = {"split": source.name, "arm": arm, "model": ARMS[arm]}
        rows.append({**facts, "slice": part, "metric": metric, "k": k, "mean": mean, "targets": n})

    for arm, ranked in found.items():
        values = per_target(ranked[:, :, 0])
        for c, (metric, k) in enumerate(COLUMNS):
            column = values[:, c]
            row(arm, "all", metric, k, float(column.mean()), len(item))
            for g, name in enumerate(metrics.GROUPS):
                n = int((group == g).sum())
                row(arm, name, metric, k, float(column[group == g].mean()) if n else math.nan, n)
            balanced = metrics.item_balanced(column, item, popularity)
            row(arm, "item-balanced", metric, k, balanced, int((popularity[item] > 0).sum()))
            row(arm, "user-balanced", metric, k, metrics.user_balanced(column, targets.user), len(item))
        lists = ranked[:, :, 1:]
        covered = float(np.mean([metrics.coverage(top, len(popularity)) for top in lists]))
        popular = float(np.mean([metrics.mean_popularity(top, popularity) for top in lists]))
        row(arm, "lists", "coverage", lists.shape[2], covered, len(item))
        row(arm, "lists", "popularity_place", lists.shape[2], popular, len(item))
    return rows


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV with the shortest floats that read back exactly; a number that doesn't exist is an empty cell."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()})
    return out.getvalue()
