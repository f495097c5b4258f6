"""The evaluation sets of design §3 but for the real histories: general, item-text, CF by what was seen, UIH by graph.

Held-out things only: packages, items and unordered pairs that no training document holds; walks are drawn fresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from preceptor.core.rng import permutation
from preceptor.curriculum import uih
from preceptor.curriculum.documents import Documents
from preceptor.curriculum.stream import EvalSet
from preceptor.generator.histories import Sampler, log_probability, sample
from preceptor.generator.policies import FIRST_ORDER
from preceptor.generator.shared import code_log_probability
from preceptor.generator.walk_tables import WalkTables

UIH_SPANS = {"1": "items, separators and end"}


def of_documents(name: str, documents: Documents, span_names: Mapping[str, str]) -> EvalSet:
    """A set measured by the token: every token is scored."""
    units = documents.tokens.lengths.astype(np.float64)
    meta = {"set": name, "unit": "token", "span_names": dict(span_names), "references": {}}
    return EvalSet(documents.tokens.flat, documents.tokens.offsets, documents.span, units, meta)


def general(texts: Sequence[str], documents: Documents, limit: int, seed: int) -> EvalSet:
    """Held-out general text, one piece a document; units are UTF-8 bytes (EOS counts as none), for bits per byte."""
    chosen = sample_of(len(texts), limit, seed, "eval/general")
    made = of_documents("general", documents.take(chosen), {"1": "text"})
    return replace(made, units=np.array([len(texts[i].encode()) for i in chosen], np.float64))


def item_text(documents: Documents, limit: int, seed: int) -> EvalSet:
    """Descriptions of held-out items."""
    chosen = documents.take(sample_of(len(documents), limit, seed, "eval/item-text"))
    return of_documents("item-text", chosen, {"1": "text", "2": "codes"})


def walks(
    name: str,
    tables: Sampler,
    parts: dict[str, np.ndarray],
    count: int,
    seed: int,
    reference: str,
    groups: np.ndarray | None = None,
) -> EvalSet:
    """Fresh histories of a sampler with their exact −log p. reference: what its mean an item is called: floor or entropy.

    groups: where items share codes, the number of each item's code row; −log p is then that of the codes' sequence, which is
    all that a model sees. It is known for first-order walks with repeats; for others −log p is that of the items, which
    is more than the codes hold, and called entropy.
    """
    items, lengths = sample(tables, seed, f"eval/{name}", 0, count)
    documents = uih.documents(parts, [row[:n] for row, n in zip(items, lengths, strict=True)])
    if groups is None:
        nats = -log_probability(tables, items, lengths)
    elif isinstance(tables, WalkTables) and tables.policy[0] == FIRST_ORDER and tables.policy[1]:
        nats = -code_log_probability(tables, groups, items, lengths)
    else:
        nats, reference = -log_probability(tables, items, lengths), "entropy"
    references = {reference: float(nats.sum() / lengths.sum())}
    meta = {"set": name, "unit": "item", "span_names": UIH_SPANS, "references": references}
    return EvalSet(
        documents.tokens.flat, documents.tokens.offsets, documents.span, lengths.astype(np.float64), meta, doc_reference=nats
    )


def standard_error(made: EvalSet) -> float:
    """Standard error of a walk set's mean reference an item, over its documents (the delta method for a ratio)."""
    assert made.doc_reference is not None
    mean = made.doc_reference.sum() / made.units.sum()
    residual = made.doc_reference - mean * made.units
    return float(np.sqrt((residual**2).sum()) / made.units.sum())


def summary(made: EvalSet) -> dict[str, Any]:
    """Counts of a set for the manifest."""
    return {"documents": len(made), "tokens": int(made.offsets[-1]), "scored_tokens": int(made.scored.sum())}


def sample_of(n: int, limit: int, seed: int, purpose: str) -> np.ndarray:
    """At most `limit` of range(n), drawn without replacement, in ascending order."""
    return np.sort(permutation(seed, purpose, n)[:limit])
