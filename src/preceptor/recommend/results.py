"""From ranks and nats of every arm to the table: means with intervals over users, and differences to item-kNN and the law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core import metrics
from preceptor.core.disk import load_array
from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import Interval, Resamples, difference
from preceptor.core.tables import row
from preceptor.core.tables.ranking import ArmRun
from preceptor.core.tables.recommend import RecommendRow
from preceptor.ranking import places
from preceptor.ranking.trials import GENERATOR
from preceptor.recommend.arms import Model, Outcome
from preceptor.recommend.config import RecommendConfig

KNN, LM, CALIBRATED = "item-knn", "lm", "calibrated"
BALANCES = ("targets", "users")
_COLUMNS = {"recall_10": ("recall", 10), "recall_100": ("recall", 100), "ndcg_10": ("ndcg", 10)}
_NDCG = list(_COLUMNS).index("ndcg_10")
Means = tuple[np.ndarray, np.ndarray]  # of each column, and of each resample and column


@dataclass(frozen=True)
class Judgement:
    """A form of an arm on a part, its seeds averaged target by target. facts: columns of the row that say which it is.

    values: float64 [n, columns]; nats: float64 [n], NaN where a target is no candidate.
    """

    facts: Mapping[str, Any]
    values: np.ndarray
    nats: np.ndarray


@dataclass(frozen=True)
class Asked:
    """The targets of a part. number: int64 [n], in data/<part>. user: int [n]; inside, held_out: bool [n]."""

    number: np.ndarray
    user: np.ndarray
    inside: np.ndarray
    held_out: np.ndarray


def rows(judged: Sequence[Judgement], part: str, asked: Asked, config: RecommendConfig) -> list[RecommendRow]:
    """The table's rows of a part, in the order given."""
    return [r for balance in BALANCES for r in _rows(part, balance, judged, asked, config)]


def of_models(outcomes: Sequence[tuple[Model, Outcome]], part: str) -> list[Judgement]:
    """Every form of every language model, and of each size and budget with several seeds their mean."""
    found, same = [], dict[tuple[str, int, int, str], list[Judgement]]()
    for model, outcome in outcomes:
        for form, judged in outcome.judged.items():
            facts = _facts(model.study_arm, LM, form, model.run, model.params, model.tokens)
            found.append(Judgement(facts, _values([judged[part].rank]), judged[part].nats))
            same.setdefault((model.study_arm, model.params, model.tokens, form), []).append(found[-1])
    return [*found, *(_mean(seeds) for seeds in same.values() if len(seeds) > 1)]


def _mean(seeds: Sequence[Judgement]) -> Judgement:
    facts = {**seeds[0].facts, "run": None, "seeds": len(seeds)}
    return Judgement(facts, np.mean([one.values for one in seeds], axis=0), np.mean([one.nats for one in seeds], axis=0))


def of_ranking(folder: Path, split: str, study_arm: str, part: str, there: np.ndarray, number: np.ndarray) -> list[Judgement]:
    """Every arm that the ranking stage in `folder` has judged on targets number `there`, on those that are asked for."""
    place = np.searchsorted(there, number)
    runs: dict[str, list[ArmRun]] = {}
    for run in row.read(folder, ArmRun):
        if run.split == split:
            runs.setdefault(run.arm, []).append(run)
    found = []
    for arm, seeds in runs.items():
        files = [places.file(folder, kind, split, part, arm, run.seed) for kind in ("ranks", "nats") for run in seeds]
        arrays = [load_array(file) for file in files]
        if any(len(values) != len(there) for values in arrays):
            raise PreceptorError("The ranking stage has judged other targets", where=files[0], remedy="run the study again")
        ranks, nats = ([values[place] for values in arrays[k * len(seeds) : (k + 1) * len(seeds)]] for k in range(2))
        facts = _facts(study_arm, arm, CALIBRATED) | {"seeds": len(seeds), "verdict": seeds[0].verdict}
        found.append(Judgement(facts, _values(ranks), np.stack(nats).mean(axis=0, dtype=np.float64)))
    return found


def _facts(
    study_arm: str, arm: str, form: str, run: str | None = None, params: int | None = None, tokens: int | None = None
) -> dict[str, Any]:
    which = {"study_arm": study_arm, "arm": arm, "form": form, "run": run, "params": params, "tokens": tokens}
    return {**which, "seeds": 1, "verdict": ""}


def _values(ranks: Sequence[np.ndarray]) -> np.ndarray:
    """Metrics of each target, averaged over seeds; float64 [n, columns]."""
    return np.mean([np.stack([metrics.value(m, rank, k) for m, k in _COLUMNS.values()], 1) for rank in ranks], axis=0)


def _rows(part: str, balance: str, judged: Sequence[Judgement], asked: Asked, config: RecommendConfig) -> list[RecommendRow]:
    settings = (config.bootstraps, config.seed, config.confidence)
    inside = asked.user[asked.inside]
    of_all, of_inside = (Resamples(_units(user, balance), *settings) for user in (asked.user, inside))
    counts: dict[str, Any] = {
        "targets": len(asked.user),
        "users": len(np.unique(asked.user)),
        "inside": int(asked.inside.sum()),
        "held_out": int(asked.held_out.sum()),
    }
    arms = [one.facts["arm"] for one in judged]
    metric = [of_all.means(_balanced(one.values, asked.user, balance)) for one in judged]
    nats = [
        of_inside.means(_balanced(known[:, None], inside, balance)) if len(known) and np.isfinite(known).all() else None
        for known in (one.nats[asked.inside] for one in judged)
    ]
    beside = [arms.index(arm) if arm in arms else None for arm in (KNN, GENERATOR)]
    knn, law = (None if k is None else metric[k] for k in beside)
    law_nats = None if beside[1] is None else nats[beside[1]]
    found = []
    for k, one in enumerate(judged):
        cells: dict[str, Any] = {}
        for c, name in enumerate(_COLUMNS):
            cells |= _cells(name, _own(metric[k], c, of_all))
        cells |= _cells("nats", _own(nats[k], 0, of_inside))
        cells |= _cells("over_knn", _over(metric[k], knn, _NDCG, of_all))
        cells |= _cells("over_law", _over(metric[k], law, _NDCG, of_all))
        cells |= _cells("nats_over_law", _over(nats[k], law_nats, 0, of_inside))
        found.append(RecommendRow(part=part, balance=balance, **one.facts, **counts, **cells))
    return found


def _own(means: Means | None, column: int, resamples: Resamples) -> Interval | None:
    return None if means is None else resamples.interval(float(means[0][column]), means[1][:, column])


def _over(own: Means | None, other: Means | None, column: int, resamples: Resamples) -> Interval | None:
    """What a column is over another arm's, paired over users; None beside itself, and where either isn't known."""
    if own is None or other is None or own is other:
        return None
    a, b = ((float(mean[column]), drawn[:, column]) for mean, drawn in (own, other))
    return difference(a, b, resamples)


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
