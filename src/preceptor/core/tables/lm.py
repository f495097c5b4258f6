"""Tables of the stage `lm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class Point(Row):
    """The loss of one finished run of `params` parameters and `tokens` tokens on an evaluation set, in nats per unit.

    floor, excess: the known floor in the same unit and the loss above it, None where none is known. bits_per_byte: of general
    text only. se, excess_se: standard errors over documents (real histories: over users).

    Of sets of items, where it was measured, means over `asked` next items. trie, trie_se: −ln of p(the item's code tokens) over
    the sum of the same for all candidates. mass: that sum (geometric mean). trie_prior: the trie loss of
    model_share·model + (1 − model_share)·the generator's prior, the share fitted on real validation targets. kl: mean
    KL(the generator's law ‖ that), over sampled real histories; 0 where the model has learnt the law. uniform, unigram, bigram,
    generator: −ln p of these for the same items, histories and candidates. Of drawn histories uniform, unigram and bigram are
    counted on histories for training; ends: what a counted law of lengths pays per item for the ends of documents, which are in
    loss and floor and in none of these, so that unigram + ends is in the loss's unit.

    flops_per_token: training cost, head included. unique_*: distinct tokens of each source among the first `tokens`.
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
    se: float | None = None
    excess_se: float | None = None
    asked: int | None = None
    trie: float | None = None
    trie_se: float | None = None
    mass: float | None = None
    trie_prior: float | None = None
    model_share: float | None = None
    kl: float | None = None
    uniform: float | None = None
    unigram: float | None = None
    bigram: float | None = None
    generator: float | None = None
    flops_per_token: int | None = None
    unique_general: int | None = None
    unique_item_text: int | None = None
    unique_cf: int | None = None
    unique_uih: int | None = None
    ends: float | None = None

    @property
    def best_trie(self) -> float | None:
        """The trie loss, with the prior where there is one."""
        return self.trie if self.trie_prior is None else self.trie_prior


@dataclass(frozen=True)
class SpanLoss(Row):
    """The loss of a run on one kind of token of an evaluation set: per token, and all of them in a document together."""

    FILE: ClassVar[str] = "spans.csv"

    run: str
    tokens: int
    set: str
    span: str
    nats_per_token: float
    nats_per_document: float


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
    """Tokens of a source among the first `tokens` of the stream. epochs: how often a finite source was read. unique_tokens: the
    distinct ones; walks never repeat."""

    FILE: ClassVar[str] = "sources.csv"

    tokens: int
    source: str
    source_tokens: int
    epochs: float | None
    unique_tokens: int


@dataclass(frozen=True)
class Forgetting(Row):
    """The loss of a base on a set after `tokens` of continual pre-training (0: before any, with rows for the items).

    base_loss: the base's own; on general text as it was given, without rows for items. change: loss − base_loss; above 0 the
    set was forgotten. Nats per unit.
    """

    FILE: ClassVar[str] = "forgetting.csv"

    run: str
    tokens: int
    set: str
    unit: str
    loss: float
    se: float
    base_loss: float
    change: float


@dataclass(frozen=True)
class LedgerLine(Row):
    """Exact tokens of a source in one phase of a budget: new rows, warm-up, stable, decay."""

    FILE: ClassVar[str] = "ledger.csv"

    budget: int
    phase: str
    source: str
    tokens: int
