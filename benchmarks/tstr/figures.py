"""Means, paired differences and intervals of the studies in results/tstr, from the ranks and nats of every target.

Seeds are averaged for each target first, then users are resampled, the same ones for everything, so all differences are paired.
A slice is a weight for each target: 1 (all), 1 over the user's targets (user-balanced), 1 within head, mid or tail, and 1 over
the item's targets among items met in training (item-balanced). Nats are of the targets that are candidates, and these alone
are counted where a slice balances them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.tstr.sets import WHOLE
from benchmarks.tstr.tables import MeanRow, PairRow
from preceptor.core import metrics
from preceptor.core.statistics import Interval, Resamples, two_sided
from preceptor.data.log import Targets

BOOTSTRAPS = 2000
MEASURES = ("ndcg@10", "recall@100", "nats")
ENDPOINT = "ndcg@10"
NO_VERDICT = "no verdict"
ORDER = ("converged", "turned", "as told", "as seed 0", NO_VERDICT)  # from the best to the worst


@dataclass(frozen=True)
class Drawn:
    """Means of every (arm, slice, measure) in the sample and in the resamples. mean: float; drawn: float [BOOTSTRAPS]."""

    found: Mapping[tuple[str, str, str], tuple[float, np.ndarray]]
    seed_sd: Mapping[tuple[str, str, str], float | None]
    counts: Mapping[str, tuple[int, int]]  # users and targets of a slice
    candidates: Mapping[str, tuple[int, int]]  # of those that are candidates, which alone have nats
    seeds: Mapping[str, int]
    resamples: Resamples

    def difference(self, a: str, b: str, slice_: str, measure: str) -> tuple[Interval, float]:
        """a − b, and its two-sided p."""
        one, other = self.found[a, slice_, measure], self.found[b, slice_, measure]
        return self.resamples.interval(one[0] - other[0], one[1] - other[1]), two_sided(one[1] - other[1])


def judged(files: Sequence[Path]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """(ranks int32, nats float32), both [seeds, targets], of every arm in the files of a part's seeds."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for file in files:
        with np.load(file, allow_pickle=False) as held:
            rank, nats = held["rank"], held["nats"]
            for k, name in enumerate(held["names"].tolist()):
                found.setdefault(name, []).append((rank[k], nats[k]))
    return {arm: (np.stack([r for r, _ in got]), np.stack([n for _, n in got])) for arm, got in found.items()}


def draw(found: Mapping[str, tuple[np.ndarray, np.ndarray]], targets: Targets, popularity: np.ndarray) -> Drawn:
    """Resample the users behind all figures of a part, at once."""
    inside = np.isfinite(next(iter(found.values()))[1][0])
    ranked, weighed = slices(targets, popularity), slices(targets, popularity, inside)
    columns: list[np.ndarray] = []
    place: dict[tuple[str, str, str], tuple[int, int]] = {}
    spread: dict[tuple[str, str, str], float | None] = {}
    below: dict[tuple[str, bool], int] = {}
    for has_nats, weights in ((False, ranked), (True, weighed)):
        for name, w in weights.items():
            below[name, has_nats] = len(columns)
            columns.append(w)
    for arm, (rank, nats) in found.items():
        for measure in MEASURES:
            values = _values(measure, rank, nats)  # [seeds, targets]
            for name, w in (weighed if measure == "nats" else ranked).items():
                base = below[name, measure == "nats"]
                place[arm, name, measure] = (len(columns), base)
                columns.append(values.mean(axis=0) * w)
                total = columns[base].sum()
                by_seed = (values @ w) / total if total else np.full(len(values), np.nan)
                spread[arm, name, measure] = float(by_seed.std(ddof=1)) if len(by_seed) > 1 and total else None
    resamples = Resamples(targets.user, BOOTSTRAPS, 0)
    mean, drawn = resamples.means(np.column_stack(columns))
    with np.errstate(divide="ignore", invalid="ignore"):
        both = {k: (float(mean[c] / mean[d]) if mean[d] else np.nan, drawn[:, c] / drawn[:, d]) for k, (c, d) in place.items()}
    counts, candidates = (
        {k: (len(np.unique(targets.user[w > 0])), int((w > 0).sum())) for k, w in weights.items()}
        for weights in (ranked, weighed)
    )
    return Drawn(both, spread, counts, candidates, {arm: len(rank) for arm, (rank, _) in found.items()}, resamples)


def slices(targets: Targets, popularity: np.ndarray, counted: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The weight of each target in each slice, float64 [targets]; 0 where it isn't `counted` (bool; None: all are)."""
    item = targets.item
    counts = np.ones(len(item)) if counted is None else counted.astype(np.float64)
    group = metrics.popularity_groups(popularity)[item]
    _, number = np.unique(targets.user, return_inverse=True)
    met = counts * (popularity[item] > 0)
    out = {"all": counts, "user-balanced": counts / np.maximum(np.bincount(number, counts)[number], 1)}
    out |= {name: counts * (group == g) for g, name in enumerate(metrics.GROUPS) if name != "unseen"}
    out["item-balanced"] = met / np.maximum(np.bincount(item, met, len(popularity))[item], 1)
    return out


def tables(
    drawn: Drawn, head: tuple[str, str, str, str], verdict: Mapping[str, str], fitted: Mapping[str, str], against: Sequence[str]
) -> tuple[list[MeanRow], list[PairRow]]:
    """The rows of means.csv and paired.csv. head: study, set, level and part; verdict, fitted: of each arm; against: arms.

    Differences by slice are of whole sets' tests, and from the first two of `against` alone: a table stays small enough to be
    kept.
    """
    rows, pairs = [], []
    sliced = head[2:] == (WHOLE, "test")
    arms = list(dict.fromkeys(arm for arm, _, _ in drawn.found))
    for arm, name, measure in drawn.found:
        got = drawn.resamples.interval(*drawn.found[arm, name, measure])
        users, targets = (drawn.candidates if measure == "nats" else drawn.counts)[name]
        numbers = (
            *map(short, (got.value, got.lo, got.hi, drawn.seed_sd[arm, name, measure])),
            drawn.seeds[arm],
            users,
            targets,
        )
        said = (verdict.get(arm, ""), fitted.get(arm, "") if (name, measure) == ("all", ENDPOINT) else "")
        rows.append(MeanRow(*head, arm, name, measure, *numbers, *said))
    for b in against:
        for a in arms:
            if a == b or b not in arms:
                continue
            unsure = NO_VERDICT in (verdict.get(a), verdict.get(b))
            for name in drawn.counts if sliced and b in against[:2] else ("all",):
                for measure in MEASURES:
                    gap, p = drawn.difference(a, b, name, measure)
                    numbers_of_gap = map(short, (gap.value, gap.lo, gap.hi, p))
                    pairs.append(PairRow(*head, a, b, name, measure, *numbers_of_gap, reading(gap, measure, unsure)))
    return rows, pairs


def short(value: float | None) -> float | None:
    """Six significant digits, since the tables are kept; None for what is no number."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")


def reading(gap: Interval, measure: str, unsure: bool) -> str:
    """What an interval says, or that an arm in it has not converged."""
    if unsure:
        return NO_VERDICT
    if not np.isfinite([gap.lo, gap.hi]).all():
        return "no interval"
    if gap.lo <= 0 <= gap.hi:
        return "not told apart"
    return "better" if (gap.lo > 0) == (measure != "nats") else "worse"


def worst(verdicts: Iterable[str]) -> str:
    """The worst of the verdicts of arms that are compared or put together; empty where none of them was trained."""
    return max((v for v in verdicts if v), key=ORDER.index, default="")


def _values(measure: str, rank: np.ndarray, nats: np.ndarray) -> np.ndarray:
    if measure == "nats":
        return np.nan_to_num(nats.astype(np.float64), nan=0.0)  # targets without a candidate have weight 0
    return metrics.recall(rank, 100) if measure == "recall@100" else metrics.ndcg(rank, 10)
