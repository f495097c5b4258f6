"""Tables of the stage `data`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class FunnelStep(Row):
    """What is left of the log after a filter."""

    FILE: ClassVar[str] = "funnel.csv"

    step: str
    rows: int
    users: int
    items: int


@dataclass(frozen=True)
class Quarantined(Row):
    """A row of the log that was set aside: where it was, why, and its text."""

    FILE: ClassVar[str] = "quarantine.csv"

    file: str
    line: int
    reason: str
    row: str
