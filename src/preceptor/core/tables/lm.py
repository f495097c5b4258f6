"""Tables of the stage `lm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class Point(Row):
    """The loss of one finished run of `params` parameters and `tokens` tokens on an evaluation set, in nats per unit.

    floor, excess: the known floor in the same unit and the loss above it, None where none is known. bits_per_byte: of general
    text only.
    """

    FILE: ClassVar[str] = "points.csv"

    params: int
    tokens: int
    loss: float
    run: str
    seed: int
    set: str
    params_total: int
    depth: int
    unit: str
    floor: float | None
    excess: float | None
    bits_per_byte: float | None


@dataclass(frozen=True)
class SpanLoss(Row):
    """The loss of a run on one kind of token of an evaluation set."""

    FILE: ClassVar[str] = "spans.csv"

    run: str
    tokens: int
    set: str
    span: str
    nats_per_token: float


@dataclass(frozen=True)
class Step(Row):
    """A line of a training curve: mean training loss (nats per token) since the last line, and the learning rate."""

    FILE: ClassVar[str] = "metrics.jsonl"

    run: str
    branch: str
    loss: float
    lr: float
    step: int
    tokens: int


@dataclass(frozen=True)
class Rung(Row):
    """One model size of the ladder and what trains it; `lm/ladder.py` says where each number comes from."""

    FILE: ClassVar[str] = "ladder.csv"

    depth: int
    width: int
    heads: int
    head_dim: int
    ffn: int
    vocab: int
    params: int
    params_total: int
    init: float
    lr: float
    weight_decay: float
    batch_tokens: int
    warmup_steps: int
    flops_per_token: int


@dataclass(frozen=True)
class SourceTokens(Row):
    """Tokens of a source among the first `tokens` of the stream. epochs: how often a finite source was read."""

    FILE: ClassVar[str] = "sources.csv"

    tokens: int
    source: str
    source_tokens: int
    epochs: float | None
