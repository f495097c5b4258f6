"""From ranks and nats of every arm to the table: means with intervals over users, and what each is over item-kNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core import metrics
from preceptor.core.statistics import Interval, Resamples, difference
from preceptor.core.tables.recommend import RecommendRow
from preceptor.ranking.calibrate import Judged
from preceptor.recommend.arms import ALONE, Arm, Outcome
from preceptor.recommend.config import RecommendConfig

KNN = "item-knn"
BALANCES = ("targets", "users")
_COLUMNS = {"recall_10": ("recall", 10), "recall_100": ("recall", 100), "ndcg_10": ("ndcg", 10)}
_NDCG = list(_COLUMNS).index("ndcg_10")


@dataclass(frozen=True)
class Judgement:
    """A form of an arm on a part, its seeds averaged target by target. values: float64 [n, columns]; nats: float64 [n]."""

    arm: Arm
    form: str
    seeds: int
    values: np.ndarray
    nats: np.ndarray


@dataclass(frozen=True)
class Asked:
    """The targets of a part. user: int [n]; inside, held_out: bool [n]."""

    user: np.ndarray
    inside: np.ndarray
    held_out: np.ndarray


def rows(outcomes: Sequence[tuple[Arm, Outcome]], asked: Mapping[str, Asked], config: RecommendConfig) -> list[RecommendRow]:
    """The table, part after part, arms and their forms in the order given."""
    found = []
    for part, targets in asked.items():
        judged = judgements(outcomes, part)
        knn = next((one for one in judged if (one.arm.arm, one.form) == (KNN, ALONE)), None)
        for balance in BALANCES:
            found += _rows(part, balance, judged, knn, targets, config)
    return found


def judgements(outcomes: Sequence[tuple[Arm, Outcome]], part: str) -> list[Judgement]:
    """Every form of every arm; models of one arm that aren't language models are seeds of it."""
    grouped: dict[tuple[str, str | None, int | None, str], list[tuple[Arm, Judged]]] = {}
    for arm, outcome in outcomes:
        for form, parts in outcome.judged.items():
            grouped.setdefault((arm.arm, arm.run, arm.tokens, form), []).append((arm, parts[part]))
    found = []
    for (*_, form), same in grouped.items():
        values = [np.stack([metrics.value(m, judged.rank, k) for m, k in _COLUMNS.values()], 1) for _, judged in same]
        nats = np.mean([judged.nats for _, judged in same], axis=0)
        found.append(Judgement(same[0][0], form, len(same), np.mean(values, axis=0), nats))
    return found


def _rows(
    part: str, balance: str, judged: Sequence[Judgement], knn: Judgement | None, asked: Asked, config: RecommendConfig
) -> list[RecommendRow]:
    settings = (config.bootstraps, config.seed, config.confidence)
    all_users, inside_users = _units(asked.user, balance), _units(asked.user[asked.inside], balance)
    resamples, of_inside = Resamples(all_users, *settings), Resamples(inside_users, *settings)
    beside = None if knn is None else resamples.means(_balanced(knn.values, asked.user, balance))
    counts: dict[str, Any] = {
        "targets": len(asked.user),
        "users": len(np.unique(asked.user)),
        "inside": int(asked.inside.sum()),
        "held_out": int(asked.held_out.sum()),
    }
    found = []
    for one in judged:
        mean, drawn = resamples.means(_balanced(one.values, asked.user, balance))
        cells: dict[str, Any] = {}
        for c, name in enumerate(_COLUMNS):
            cells |= _cells(name, resamples.interval(float(mean[c]), drawn[:, c]))
        over = None
        if beside is not None and one is not knn:
            over = difference((mean[_NDCG], drawn[:, _NDCG]), (beside[0][_NDCG], beside[1][:, _NDCG]), resamples)
        cells |= _cells("over_knn", over) | _cells("nats", _nats(one, asked, balance, of_inside))
        facts: dict[str, Any] = {"arm": one.arm.arm, "model": one.arm.model, "run": one.arm.run, "params": one.arm.params}
        found.append(
            RecommendRow(
                part=part, form=one.form, tokens=one.arm.tokens, seeds=one.seeds, balance=balance, **facts, **counts, **cells
            )
        )
    return found


def _nats(one: Judgement, asked: Asked, balance: str, resamples: Resamples) -> Interval | None:
    nats = one.nats[asked.inside]
    if not len(nats) or not np.isfinite(nats).all():
        return None
    mean, drawn = resamples.means(_balanced(nats[:, None], asked.user[asked.inside], balance))
    return resamples.interval(float(mean[0]), drawn[:, 0])


def _balanced(values: np.ndarray, user: np.ndarray, balance: str) -> np.ndarray:
    """The values to be averaged, [units, columns]: of each target, or each user's means."""
    if balance == "targets":
        return values
    _, index, count = np.unique(user, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, weights=column, minlength=len(count)) for column in values.T]
    return np.stack(sums, axis=1) / count[:, None]


def _units(user: np.ndarray, balance: str) -> np.ndarray:
    """Whose each of these values is."""
    return user if balance == "targets" else np.unique(user)


def _cells(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    return {name: interval.value, f"{name}_lo": interval.lo, f"{name}_hi": interval.hi}
