"""The comparison's tables: means over seeds with intervals over users, paired differences and ratios, slices, the answer.

Seeds are averaged for each target first, then users are resampled. Balance `user` averages each user's targets before that, so
that heavy users weigh no more than others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from preceptor.core import metrics
from preceptor.core.disk import load_array
from preceptor.core.statistics import Interval, Resamples, difference, ratio
from preceptor.core.tables import row
from preceptor.core.tables.ranking import NO_VERDICT, Answer, ArmMean, ArmRun, Paired, ShownMean, SliceMean
from preceptor.data.log import Targets
from preceptor.ranking import arm_runs, impressions, panel, places
from preceptor.ranking.answer import Shown, answer, best_form
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.evaluate import TOP
from preceptor.ranking.jobs import Source, opened, seen
from preceptor.ranking.judging import mask_history
from preceptor.ranking.lists import ARM as BASELINE
from preceptor.ranking.lists import read as read_lists
from preceptor.ranking.panel import Panel
from preceptor.ranking.trials import BASELINES

COLUMNS = [(metric, k) for metric in metrics.METRICS for k in metrics.KS]
NATS = ("nats", 0)
BALANCES = ("target", "user")


@dataclass(frozen=True)
class Judgement:
    """An arm on the test targets. rank: int32 [seeds, targets]; nats: float32, the same shape."""

    rank: np.ndarray
    nats: np.ndarray

    def values(self, columns: Sequence[tuple[str, int]]) -> np.ndarray:
        """Values of each column, float64 [seeds, targets, columns]."""
        return np.stack([self.nats if c == NATS else metrics.value(c[0], self.rank, c[1]) for c in columns], axis=2)


def write(folder: Path, sources: Sequence[Source], panels: Sequence[Panel], config: RankingConfig) -> dict[str, Any]:
    """Write tstr.csv, paired.csv, slices.csv and answer.jsonl from what the panels found; return counts per split."""
    means: list[ArmMean] = []
    pairs: list[Paired] = []
    slices: list[SliceMean] = []
    answers: list[Answer] = []
    counts = {}
    runs = row.read(folder, ArmRun)
    for source in sources:
        targets, train = Targets.load(Path(source.data) / "test"), opened(source.data)
        own = [p for p in panels if p.source == source]
        lists = [panel.gather(p, folder) for p in own]
        found = {arm: _judgement(folder, source.name, arm, own) for arm in _order(own)}
        verdict = arm_runs.verdicts(runs, source.name)
        given = None
        if config.baseline is not None and source == sources[0]:
            found[BASELINE], top, given = _given_lists(folder, source, targets, config, Path(config.baseline))
            lists.append({BASELINE: top})
        best = best_form([r for r in runs if r.split == source.name], "real")
        made = list(_compared(source.name, found, targets.user, verdict, best, config))
        means += [m for m in made if isinstance(m, ArmMean)]
        pairs += [m for m in made if isinstance(m, Paired)]
        slices += _slices(source.name, found, targets, train.popularity)
        slices += _lists(source.name, lists, train.popularity)
        left_out = [b for b in BASELINES if b not in found]
        taken = None
        if config.impressions is not None and source == sources[0]:
            taken = _on_impressions(folder, source, own, verdict, config, Path(config.impressions))
        shown = Shown(
            source.name,
            [m for m in means if m.split == source.name],
            [m for m in pairs if m.split == source.name],
            [r for r in runs if r.split == source.name],
            {arm: j.values([("ndcg", 10)]).mean(axis=0)[:, 0] for arm, j in found.items()},
            targets.user,
            left_out,
            config,
            given,
            taken,
        )
        answers += [answer(shown)] if len(targets) else []
        counts[source.name] = {
            "users": targets.n_users,
            "targets": len(targets),
            "targets_seen_in_training": int((train.popularity[targets.item] > 0).sum()),
            "validation_targets": len(seen(source, config).targets),
            "history_masked": mask_history(train, config),
            "left_out": left_out,
            **({} if given is None else {"baseline": given}),
            **({} if taken is None else {"impressions": taken[1]}),
        }
    for cls, rows in ((ArmMean, means), (Paired, pairs), (SliceMean, slices), (Answer, answers)):
        row.write(folder, cls, rows)  # type: ignore[type-var]
    return counts


def read(folder: Path) -> dict[str, pl.DataFrame]:
    """The tables that `write` wrote, as frames; a number that doesn't exist is null."""
    return {
        Path(cls.FILE).stem: pl.DataFrame(row.table(cls, row.read(folder, cls)), infer_schema_length=None)
        for cls in (ArmMean, Paired, SliceMean)
    }


def _order(panels: Sequence[Panel]) -> list[str]:
    return list(dict.fromkeys(arm for p in panels for arm in p.arms))


def _judgement(folder: Path, split: str, arm: str, panels: Sequence[Panel]) -> Judgement:
    seeds = [p.seed for p in panels if arm in p.arms]
    rank, nats = (
        np.stack([load_array(places.file(folder, kind, split, "test", arm, s)) for s in seeds]) for kind in ("ranks", "nats")
    )
    return Judgement(rank, nats)


def _given_lists(
    folder: Path, source: Source, targets: Targets, config: RankingConfig, file: Path
) -> tuple[Judgement, np.ndarray, dict[str, Any]]:
    """A user's own lists on the test targets: ranks (kept as those of all arms are), the lists' items, and counts."""
    lists, train = read_lists(file, Path(source.data)), opened(source.data)
    rank, top = lists.judge(targets, train.popularity > 0, not mask_history(train, config))
    places.write_array(places.file(folder, "ranks", source.name, "test", BASELINE, 0), rank)
    return Judgement(rank[None], np.full((1, len(rank)), np.nan, np.float32)), top, lists.facts(targets)


def _on_impressions(
    folder: Path, source: Source, panels: Sequence[Panel], verdict: Mapping[str, str], config: RankingConfig, file: Path
) -> tuple[list[ShownMean], dict[str, Any]]:
    """Every arm on what people were shown, which is written to shown.csv, and counts."""
    files = {
        arm: [places.auc_file(folder, source.name, arm, p.seed) for p in panels if arm in p.arms] for arm in _order(panels)
    }
    rows, judged = impressions.means(source.name, files, verdict, config.bootstraps, config.seed, config.confidence)
    row.write(folder, ShownMean, rows)
    return rows, impressions.read(file, Path(source.data)).facts(judged)


def _compared(
    split: str,
    found: Mapping[str, Judgement],
    user: np.ndarray,
    verdict: Mapping[str, str],
    best: str | None,
    config: RankingConfig,
) -> Iterator[ArmMean | Paired]:
    inside = np.isfinite(found["real"].nats[0])
    for columns, rows in ((COLUMNS, np.ones(len(user), bool)), ([NATS], inside)):
        for balance in BALANCES if rows.any() else ():
            owner = user[rows] if balance == "target" else np.unique(user[rows])
            resamples = Resamples(owner, config.bootstraps, config.seed, config.confidence)
            drawn = {}
            for arm, judged in found.items():
                if columns == [NATS] and not np.isfinite(judged.nats).any():
                    continue  # lists have none
                values = _balanced(judged.values(columns)[:, rows], user[rows], balance)
                by_seed = values.mean(axis=1)
                mean, samples = drawn[arm] = resamples.means(values.mean(axis=0))
                for c, (metric, k) in enumerate(columns):
                    got = resamples.interval(mean[c], samples[:, c])
                    spread = float(by_seed[:, c].std(ddof=1)) if len(by_seed) > 1 else None
                    facts = (got.value, got.lo, got.hi, spread, len(by_seed), resamples.users, int(rows.sum()))
                    yield ArmMean(split, arm, balance, metric, k, *facts, verdict.get(arm, ""))
            for a, b in [(a, b) for b in ("real", best) if b for a in drawn if a != b]:
                unsure = NO_VERDICT in (verdict.get(a), verdict.get(b))
                for c, (metric, k) in enumerate(columns):
                    one, other = ((drawn[arm][0][c], drawn[arm][1][:, c]) for arm in (a, b))
                    times, more = ratio(one, other, resamples), difference(one, other, resamples)
                    numbers = (times.value, times.lo, times.hi, more.value, more.lo, more.hi)
                    yield Paired(split, a, b, balance, metric, k, *numbers, _reading(more, metric, unsure))


def _reading(more: Interval, metric: str, unsure: bool) -> str:
    if unsure:
        return NO_VERDICT
    if math.isnan(more.lo) or math.isnan(more.hi):
        return "no interval"
    if more.lo <= 0 <= more.hi:
        return "not told apart"
    return "better" if (more.lo > 0) == (metric != "nats") else "worse"


def _balanced(values: np.ndarray, user: np.ndarray, balance: str) -> np.ndarray:
    """Values per target as they are, or their mean per user; [seeds, targets or users, columns]."""
    if balance == "target":
        return values
    _, number = np.unique(user, return_inverse=True)
    count = np.bincount(number)
    return np.stack([[np.bincount(number, weights=c) / count for c in seed.T] for seed in values]).transpose(0, 2, 1)


def _slices(split: str, found: Mapping[str, Judgement], targets: Targets, popularity: np.ndarray) -> list[SliceMean]:
    item = targets.item
    group = metrics.popularity_groups(popularity)[item]
    rows: list[SliceMean] = []
    for arm, judged in found.items():
        values = judged.values(COLUMNS).mean(axis=0)
        for c, (metric, k) in enumerate(COLUMNS):
            column = values[:, c]
            rows.append(SliceMean(split, arm, "all", metric, k, float(column.mean()), len(item)))
            for g, name in enumerate(metrics.GROUPS):
                n = int((group == g).sum())
                rows.append(SliceMean(split, arm, name, metric, k, float(column[group == g].mean()) if n else math.nan, n))
            balanced = metrics.item_balanced(column, item, popularity)
            rows.append(SliceMean(split, arm, "item-balanced", metric, k, balanced, int((popularity[item] > 0).sum())))
    return rows


def _lists(split: str, lists: Sequence[Mapping[str, np.ndarray]], popularity: np.ndarray) -> list[SliceMean]:
    """Coverage and mean popularity of each arm's lists, mean over seeds."""
    rows = []
    for arm in dict.fromkeys(arm for by_arm in lists for arm in by_arm):
        own = [by_arm[arm] for by_arm in lists if arm in by_arm]
        covered = float(np.mean([metrics.coverage(top, len(popularity)) for top in own]))
        popular = float(np.mean([metrics.mean_popularity(top, popularity) for top in own]))
        rows.append(SliceMean(split, arm, "lists", "coverage", TOP, covered, len(own[0])))
        rows.append(SliceMean(split, arm, "lists", "popularity_place", TOP, popular, len(own[0])))
    return rows
