"""The loss of a model on evaluation sets, by document and by span.

Why nats per *unit* and not per token: items have several code tokens, and models of other tokenizers would not compare; so
walks and histories are measured per item and general text per byte too. Left out: padding (never scored) and the given
part of a document. Sums are in float64 by document, in the documents' order, whatever the batches were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

import numpy as np
import torch
from transformers import PreTrainedModel

from preceptor.core.cross_entropy import token_losses
from preceptor.curriculum.stream import EvalSet
from preceptor.lm.checkpoints import head, hidden_states


@dataclass(frozen=True)
class SetLoss:
    """The loss of a model on one set.

    loss: nats per unit. floor: the known floor in the same unit, or None. excess: loss − floor, document by document, or None.
    bits_per_byte: of general text, or None. spans: nats per token of each kind of scored token.
    """

    set: str
    unit: str
    loss: float
    floor: float | None
    excess: float | None
    bits_per_byte: float | None
    spans: Mapping[str, float]
    documents: int


@torch.no_grad()
def document_losses(model: PreTrainedModel, evaluation: EvalSet, context: int, eos: int, max_tokens: int = 8192) -> np.ndarray:
    """Nats of every document by kind of span, float64 [docs, kinds]; kind k of the set is column k − 1.

    Every document stands alone after one EOS. Raises PreceptorError when one is longer than the context.
    """
    model.eval()
    device = head(model).device
    kinds = int(evaluation.span.max(initial=1))
    sums = np.zeros((len(evaluation), kinds), np.float64)
    for batch in evaluation.batches(context, eos, max_tokens):
        states_BLW = hidden_states(model, torch.from_numpy(batch.inputs).long().to(device))
        scored = batch.span > 0
        rows = torch.from_numpy(np.flatnonzero(scored)).to(device)
        targets = torch.from_numpy(batch.targets[scored]).long().to(device)
        nats = token_losses(states_BLW.flatten(0, 1)[rows], head(model), targets).cpu().numpy().astype(np.float64)
        docs = np.broadcast_to(batch.docs[:, None], scored.shape)[scored]
        np.add.at(sums, (docs, batch.span[scored].astype(np.int64) - 1), nats)
    return sums


def summarise(evaluation: EvalSet, nats: np.ndarray) -> SetLoss:
    """The figures of a set from its documents' nats [docs, kinds]."""
    units = float(evaluation.units.sum())
    total = float(nats.sum())
    scored = np.bincount(evaluation.span, minlength=nats.shape[1] + 1)[1:]
    names = evaluation.meta.get("span_names", {})
    spans = {str(names.get(str(k + 1), f"span-{k + 1}")): float(nats[:, k].sum() / n) for k, n in enumerate(scored) if n}
    references = evaluation.meta.get("references", {})
    per_byte = evaluation.name == "general"
    if per_byte:  # units are bytes; the loss itself is per token
        units, n_bytes = float(scored.sum()), units
    floor = excess = None
    if "floor" in references:
        if evaluation.doc_reference is not None:
            floor = float(evaluation.doc_reference.sum()) / units
            excess = float((nats.sum(1) - evaluation.doc_reference).sum()) / units
        else:
            floor = float(references["floor"])
            excess = total / units - floor
    return SetLoss(
        set=evaluation.name,
        unit=str(evaluation.meta.get("unit", "token")),
        loss=total / units,
        floor=floor,
        excess=excess,
        bits_per_byte=total / n_bytes / log(2) if per_byte else None,
        spans=spans,
        documents=len(evaluation),
    )


def evaluate(model: PreTrainedModel, sets: Mapping[str, EvalSet], context: int, eos: int) -> list[SetLoss]:
    """The loss of the model on every set, in their order."""
    return [summarise(s, document_losses(model, s, context, eos)) for s in sets.values()]
