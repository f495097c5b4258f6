"""Tables of a fitted generator: what each law is worth on real next items, and the weights of the mixture."""

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
