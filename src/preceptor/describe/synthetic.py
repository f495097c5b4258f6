"""Will synthetic histories help here? What the law that fits the log best knows beyond popularity, before anything is trained.

All of it is measured inside the training part, by `generator.fit`: the weights come from its later next items, and each loss is
cross-fitted over users, so that no law is judged on users whom its weights were fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.errors import PreceptorError
from preceptor.core.statistics import Interval
from preceptor.data.log import TrainSplit
from preceptor.generator.fit import fit
from preceptor.generator.fit_config import FitConfig

EVENTS = 3_000
FEW_EVENTS = 200  # under so many there is no answer


@dataclass(frozen=True)
class Synthetic:
    """events, users: next items that the law was judged on. over_popularity, over_bigram: nats per next item that popularity
    and the smoothed bigram lose against the law, paired, with 95 % intervals over users. signal: share of the law that reads
    the history. coverage: share of next items that it can produce from the history. interactions: of the training part.
    """

    events: int
    users: int
    nats: float
    over_popularity: Interval
    over_bigram: Interval
    signal: float
    coverage: float
    interactions: int
    effective_edges: float


def synthetic(train: TrainSplit, min_users: int = 2, seed: int = 0) -> Synthetic | None:
    """Fit the law of the default bank on a sample of next items; None where there are fewer than FEW_EVENTS."""
    config = FitConfig(min_users=min_users, max_events=EVENTS, resamples=0, singles=False, seed=seed)
    try:
        found = fit(train, config)
    except PreceptorError:  # no next item, or no edge
        return None
    if found.events < FEW_EVENTS:
        return None
    laws = {law.law: Interval(law.over, law.over_lo, law.over_hi) for law in found.laws}
    return Synthetic(
        events=found.events,
        users=found.users,
        nats=found.nats,
        over_popularity=laws["unigram"],
        over_bigram=laws["smoothed bigram"],
        signal=1 - found.mixture.prior_share,
        coverage=found.coverage,
        interactions=len(train.item),
        effective_edges=found.effective_edges,
    )
