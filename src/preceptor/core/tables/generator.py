"""Tables of the stage `generator`: what each law is worth on real next items, the weights of the mixture, floors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class LawRow(Row):
    """One law on the events inside the training part. nats: mean of −log p per event, cross-fitted over users; lo, hi: its 95 %
    interval over users. kind: mixture, group, component or reference. share: of the signal, the rest is prior.
    coverage: share of events whose item has an edge from what the law reads.
    """

    FILE: ClassVar[str] = "laws.csv"
    law: str
    kind: str
    nats: float
    lo: float
    hi: float
    share: float
    coverage: float


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
