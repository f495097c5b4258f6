"""The loss of a model on evaluation sets, by document and by span.

Why nats per *unit* and not per token: items have several code tokens, and models of other tokenizers would not compare; so
walks and histories are measured per item and general text per byte too. Left out: padding (never scored) and the given
part of a document. Sums are in float64 by document, in the documents' order, whatever the batches were. What a set of items
asks for is measured among items alone too (`lm/items.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.core.cross_entropy import token_losses
from preceptor.curriculum.stream import EvalSet
from preceptor.lm.checkpoints import head, hidden_states
from preceptor.lm.items import (
    COSTLY,
    VALIDATION,
    ItemLoss,
    ItemScores,
    OneTokenReader,
    fit_share,
    item_loss,
    score_sample,
    standard_error,
)

Reader = Callable[[np.ndarray, torch.Tensor, torch.Tensor], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class SetLoss:
    """The loss of a model on one set.

    loss, se: nats per unit, and its standard error over documents (real histories: over users). floor: the known floor in the
    same unit, or None. excess, excess_se: loss − floor, document by document, or None. bits_per_byte: of general text, or None.
    spans: nats of each kind of scored token, per token and per document. items: among items alone, or None. ends: what a
    counted law of lengths pays per item for the ends of documents, which are in the loss; None where no end is scored.
    """

    set: str
    unit: str
    loss: float
    se: float
    floor: float | None
    excess: float | None
    excess_se: float | None
    bits_per_byte: float | None
    spans: Mapping[str, tuple[float, float]]
    documents: int
    items: ItemLoss | None = None
    ends: float | None = None


@torch.no_grad()
def document_losses(
    model: PreTrainedModel,
    evaluation: EvalSet,
    context: int,
    eos: int,
    max_tokens: int = 8192,
    reader: Reader | None = None,
) -> np.ndarray:
    """Nats of every document by kind of span, float64 [docs, kinds]; kind k of the set is column k − 1.

    Every document stands alone after one EOS. reader: is given the numbers of a batch's documents, their hidden states
    [B, L, W] and the head [V, W], and returns (row, column, nats) of the scored tokens that it has read by itself.
    Raises PreceptorError when a document is longer than the context.
    """
    model.eval()
    device = head(model).device
    kinds = int(evaluation.span.max(initial=1))
    sums = np.zeros((len(evaluation), kinds), np.float64)
    for batch in evaluation.batches(context, eos, max_tokens):
        states_BLW = hidden_states(model, torch.from_numpy(batch.inputs).long().to(device))
        scored = batch.span > 0
        if reader is not None:
            row, column, read = reader(batch.docs, states_BLW, head(model))
            np.add.at(sums, (batch.docs[row], batch.span[row, column].astype(np.int64) - 1), read)
            scored[row, column] = False
        rows = torch.from_numpy(np.flatnonzero(scored)).to(device)
        targets = torch.from_numpy(batch.targets[scored]).long().to(device)
        nats = token_losses(states_BLW.flatten(0, 1)[rows], head(model), targets).cpu().numpy().astype(np.float64)
        docs = np.broadcast_to(batch.docs[:, None], scored.shape)[scored]
        np.add.at(sums, (docs, batch.span[scored].astype(np.int64) - 1), nats)
    return sums


def summarise(evaluation: EvalSet, nats: np.ndarray, items: ItemLoss | None = None) -> SetLoss:
    """The figures of a set from its documents' nats [docs, kinds]."""
    by_document, units = nats.sum(1), evaluation.units
    scored = np.bincount(evaluation.span, minlength=nats.shape[1] + 1)[1:]
    names = evaluation.meta.get("span_names", {})
    spans = {
        str(names.get(str(k + 1), f"span-{k + 1}")): (float(nats[:, k].sum() / n), float(nats[:, k].mean()))
        for k, n in enumerate(scored)
        if n
    }
    references = evaluation.meta.get("references", {})
    per_byte = evaluation.name == "general"
    n_bytes = float(units.sum())
    if per_byte:  # units are bytes; the loss itself is per token
        units = evaluation.scored.astype(np.float64)
    cluster = _clusters(evaluation)
    floor = excess = excess_se = None
    if "floor" in references:
        known = evaluation.doc_reference
        if known is None:
            known = float(references["floor"]) * units
        above = by_document - known
        floor, excess = float(known.sum() / units.sum()), float(above.sum() / units.sum())
        excess_se = standard_error(above, units, cluster)
    return SetLoss(
        set=evaluation.name,
        unit=str(evaluation.meta.get("unit", "token")),
        loss=float(by_document.sum() / units.sum()),
        se=standard_error(by_document, units, cluster),
        floor=floor,
        excess=excess,
        excess_se=excess_se,
        bits_per_byte=float(by_document.sum()) / n_bytes / log(2) if per_byte else None,
        spans=spans,
        documents=len(evaluation),
        items=items,
        ends=evaluation.meta.get("ends"),
    )


def evaluate(
    model: PreTrainedModel, sets: Mapping[str, EvalSet], context: int, eos: int, trie_histories: int = 0
) -> list[SetLoss]:
    """The loss of the model on every set, in their order.

    trie_histories: of sets whose items have several tokens, how many next items are scored among items, each over the whole
    trie.
    """
    nats, scores = {}, {}
    for name, evaluation in sets.items():
        nats[name], found = _measured(model, evaluation, context, eos, trie_histories)
        if found is not None:
            scores[name] = found
    share = None
    if VALIDATION in scores and (validation := sets[VALIDATION].next_items) is not None and validation.prior_own is not None:
        share = fit_share(validation, scores[VALIDATION])
    losses = []
    for name, evaluation in sets.items():
        asked = evaluation.next_items
        among = item_loss(asked, scores[name], share) if asked is not None and name in scores else None
        losses.append(summarise(evaluation, nats[name], among))
    return losses


def _measured(
    model: PreTrainedModel, evaluation: EvalSet, context: int, eos: int, trie_histories: int
) -> tuple[np.ndarray, ItemScores | None]:
    """Nats of the documents, and what the model gives to the items they ask for, where that is measured."""
    asked = evaluation.next_items
    if asked is not None and asked.codes.shape[1] == 1:
        reader = OneTokenReader(evaluation)
        return document_losses(model, evaluation, context, eos, reader=reader.take), reader.scores()
    nats = document_losses(model, evaluation, context, eos)
    if asked is None or not trie_histories or evaluation.name not in COSTLY:
        return nats, None
    return nats, score_sample(model, evaluation, eos, trie_histories)


def _clusters(evaluation: EvalSet) -> np.ndarray:
    """Which documents depend on one another, int64 [docs]: those of one user; else each is on its own."""
    asked = evaluation.next_items
    if asked is None:
        return np.arange(len(evaluation))
    out = np.full(len(evaluation), -1)
    out[asked.document] = asked.cluster
    return out
