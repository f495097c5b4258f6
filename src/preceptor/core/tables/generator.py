"""Tables of the stage `generator`: what each law is worth on real next items, the weights of the mixture, floors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class LawRow(Row):
    """One law on the events inside the training part. nats: mean of −log p per event, cross-fitted over users; lo, hi: its 95 %
    interval over users. kind: mixture, group, component or reference. share: of the signal, the rest is prior.
    coverage: share of events whose item has an edge from what the law reads. over: nats above the mixture's on the same events,
    with the 95 % interval of this difference.
    """

    FILE: ClassVar[str] = "laws.csv"
    law: str
    kind: str
    nats: float
    lo: float
    hi: float
    share: float
    coverage: float
    over: float
    over_lo: float
    over_hi: float


@dataclass(frozen=True)
class WeightRow(Row):
    """A weight λ of the mixture with its 95 % interval over users who are drawn anew, λ fitted to each draw.

    level: component, group (all components of a kind of graph), memory or prior. Single components aren't identified.
    """

    FILE: ClassVar[str] = "weights.csv"
    level: str
    name: str
    weight: float
    lo: float
    hi: float


@dataclass(frozen=True)
class CutRow(Row):
    """The weight of a group when the events begin at that share of the training rows (1: each user's last item)."""

    FILE: ClassVar[str] = "cuts.csv"
    share: float
    events: int
    group: str
    weight: float


@dataclass(frozen=True)
class RealityRow(Row):
    """A law on real next items: its known cost on reality, and how it ranks them.

    part: validation or test. law: all (the whole graph) or seen (what the language model reads; held-out items are dropped from
    histories, and not asked for). Counts are of all targets; where there are many, figures are of a keyed sample. targets: all
    of the part; users: theirs; inside: those that the law's candidates hold;
    repeats, held_out, new: those outside, by reason. nats: C, the mean of −log p per target inside; lo, hi: its 95 % interval
    over users; user_nats: the mean of the users' means. recall_100, ndcg_10: over all targets of the law's items, those outside
    count as missed. covered: share of targets inside that the signal can give. signal: mean weight of the signal there.
    regret: nats per target that weights fitted on these very targets would gain. Walks of law paper have counts and covered
    alone: they give most items no probability at all.
    """

    FILE: ClassVar[str] = "reality.csv"
    part: str
    law: str
    targets: int
    users: int
    inside: int
    repeats: int
    held_out: int
    new: int
    nats: float | None
    lo: float | None
    hi: float | None
    user_nats: float | None
    recall_100: float | None
    ndcg_10: float | None
    covered: float | None
    signal: float | None
    regret: float | None


@dataclass(frozen=True)
class Floor:
    """floor.json holds one for each graph: the known floor of the sampler there, in nats.

    floor_nats_per_item, interval: over `walks` drawn histories. closed_form, transition_nats_per_walk, length_nats_per_walk
    and entropy_rate: None but for first-order walks with repeats.
    """

    length: int
    floor_nats_per_item: float
    interval: list[float]
    walks: int
    closed_form: float | None
    start_entropy: float
    transition_nats_per_walk: float | None
    length_nats_per_walk: float | None
    items_per_walk: float
    entropy_rate: float | None
