"""The comparison's tables: means over seeds with intervals over users, paired differences and ratios, slices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core import metrics
from preceptor.core.statistics import Resamples, difference, ratio
from preceptor.core.tables import row
from preceptor.core.tables.ranking import ArmMean, Paired, RankedModel, SliceMean
from preceptor.data.log import Targets, TrainSplit
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.jobs import Job, Source, mask_history
from preceptor.ranking.trials import ARMS, TRAINED

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
    """Write tstr.csv, paired.csv, slices.csv and models.jsonl from the ranks that `file(folder, job)` names; return counts per
    split."""
    means: list[ArmMean] = []
    pairs: list[Paired] = []
    slices: list[SliceMean] = []
    counts = {}
    for source in sources:
        targets = Targets.load(Path(source.data) / "test")
        train = TrainSplit.load(Path(source.data) / "train")
        found = {
            arm: np.stack([np.load(file(folder, job) + ".npy", allow_pickle=False) for job in models if _is(job, source, arm)])
            for arm in ARMS
        }
        resamples = Resamples(targets.user, config.bootstraps, config.seed, config.confidence)
        means += _means(source, found, resamples, len(targets))
        pairs += _paired(source, found, resamples)
        slices += _slices(source, found, targets, train.popularity)
        counts[source.name] = {
            "users": resamples.users,
            "targets": len(targets),
            "targets_seen_in_training": int((train.popularity[targets.item] > 0).sum()),
            "history_masked": mask_history(train, config),
        }
    row.write(folder, ArmMean, means)
    row.write(folder, Paired, pairs)
    row.write(folder, SliceMean, slices)
    row.write(folder, RankedModel, [_tested(folder, job, file(folder, job)) for job in models])
    return counts


def read(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables that `write` wrote, as frames; a number that doesn't exist is null."""
    return {
        Path(cls.FILE).stem: pl.DataFrame(row.table(cls, row.read(folder, cls)), infer_schema_length=None)
        for cls in (ArmMean, Paired, SliceMean)
    }


def per_target(rank_ST: np.ndarray) -> np.ndarray:
    """Values of all COLUMNS averaged over seeds, float64 [targets, columns]; rank_ST: int [seeds, targets]."""
    return np.stack([metrics.value(metric, rank_ST, k).mean(axis=0) for metric, k in COLUMNS], axis=1)


def _is(job: Job, source: Source, arm: str) -> bool:
    return job.source == source and job.arm == arm


def _tested(folder: Path, job: Job, ranks: str) -> RankedModel:
    def below(path: str) -> str:
        return Path(path).relative_to(folder).as_posix()

    weights = below(job.stem + ".safetensors") if job.arm in TRAINED else None
    return RankedModel(job.source.name, job.arm, ARMS[job.arm], job.seed, job.settings, weights, below(ranks + ".npy"))


def _means(source: Source, found: Mapping[str, np.ndarray], resamples: Resamples, n: int) -> list[ArmMean]:
    rows = []
    for arm, ranked in found.items():
        rank = ranked[:, :, 0]
        mean, drawn = resamples.means(per_target(rank))
        for c, (metric, k) in enumerate(COLUMNS):
            interval = resamples.interval(mean[c], drawn[:, c])
            by_seed = metrics.value(metric, rank, k).mean(axis=1)
            rows.append(
                ArmMean(
                    split=source.name,
                    arm=arm,
                    model=ARMS[arm],
                    metric=metric,
                    k=k,
                    mean=interval.value,
                    lo=interval.lo,
                    hi=interval.hi,
                    seed_sd=float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
                    seeds=len(by_seed),
                    users=resamples.users,
                    targets=n,
                )
            )
    return rows


def _paired(source: Source, found: Mapping[str, np.ndarray], resamples: Resamples) -> list[Paired]:
    means = {arm: resamples.means(per_target(ranked[:, :, 0])) for arm, ranked in found.items()}
    rows = []
    for a, b in PAIRS:
        for c, (metric, k) in enumerate(COLUMNS):
            one, other = ((means[arm][0][c], means[arm][1][:, c]) for arm in (a, b))
            times, more = ratio(one, other, resamples), difference(one, other, resamples)
            rows.append(
                Paired(
                    split=source.name,
                    arm_a=a,
                    arm_b=b,
                    metric=metric,
                    k=k,
                    ratio=times.value,
                    lo=times.lo,
                    hi=times.hi,
                    difference=more.value,
                    diff_lo=more.lo,
                    diff_hi=more.hi,
                )
            )
    return rows


def _slices(source: Source, found: Mapping[str, np.ndarray], targets: Targets, popularity: np.ndarray) -> list[SliceMean]:
    item = targets.item
    group = metrics.popularity_groups(popularity)[item]
    rows: list[SliceMean] = []

    def add(arm: str, part: str, metric: str, k: int, mean: float, n: int) -> None:
        rows.append(SliceMean(source.name, arm, ARMS[arm], part, metric, k, mean, n))

    for arm, ranked in found.items():
        values = per_target(ranked[:, :, 0])
        for c, (metric, k) in enumerate(COLUMNS):
            column = values[:, c]
            add(arm, "all", metric, k, float(column.mean()), len(item))
            for g, name in enumerate(metrics.GROUPS):
                n = int((group == g).sum())
                add(arm, name, metric, k, float(column[group == g].mean()) if n else math.nan, n)
            balanced = metrics.item_balanced(column, item, popularity)
            add(arm, "item-balanced", metric, k, balanced, int((popularity[item] > 0).sum()))
            add(arm, "user-balanced", metric, k, metrics.user_balanced(column, targets.user), len(item))
        lists = ranked[:, :, 1:]
        covered = float(np.mean([metrics.coverage(top, len(popularity)) for top in lists]))
        popular = float(np.mean([metrics.mean_popularity(top, popularity) for top in lists]))
        add(arm, "lists", "coverage", lists.shape[2], covered, len(item))
        add(arm, "lists", "popularity_place", lists.shape[2], popular, len(item))
    return rows
