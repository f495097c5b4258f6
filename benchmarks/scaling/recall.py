"""Recall of language models on real validation targets of one token per item, from a study's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from preceptor.core.tables.lm import Point
from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.stream import EvalSet, Stream
from preceptor.lm.checkpoints import load_model
from preceptor.lm.evaluate import document_losses

VALIDATION = "real-validation-seen"


class RankReader:
    """Ranks each target among the items that are offered, ties against it, while hidden states pass by."""

    def __init__(self, evaluation: EvalSet, asked: NextItems) -> None:
        self._asked = asked
        self._column = asked.position - evaluation.offsets[asked.document]
        self.rank = np.zeros(len(asked), np.int64)

    def take(self, docs: np.ndarray, states: torch.Tensor, head: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        asked = self._asked
        row_of = np.full(int(max(docs.max(), asked.document.max())) + 1, -1)
        row_of[docs] = np.arange(len(docs))
        here = np.flatnonzero(row_of[asked.document] >= 0)
        row, column = torch.from_numpy(row_of[asked.document[here]]), torch.from_numpy(self._column[here])
        scores = states[row, column].float() @ head[torch.from_numpy(asked.codes[:, 0].astype(np.int64))].float().T
        own = scores.gather(1, torch.from_numpy(asked.target[here].astype(np.int64))[:, None])
        closed = tuple(torch.from_numpy(x) for x in asked.closed(here))
        scores[closed] = -torch.inf
        self.rank[here] = (scores >= own).sum(1).numpy()
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, np.zeros(0)


def recalls(lm: Path, real: Path, points: Sequence[Point]) -> dict[tuple[str, int], tuple[float, float]]:
    """(recall@10, recall@100) of each run and budget; nothing where the log has no such targets, or items have several
    tokens."""
    at = real / VALIDATION
    if not at.exists():
        return {}
    evaluation = EvalSet.load(at)
    asked = evaluation.next_items
    if asked is None or asked.codes.shape[1] != 1:
        return {}
    stream = Stream.open(lm.parent / "curriculum")
    found = {}
    for run, tokens in sorted({(point.run, point.tokens) for point in points}):
        reader = RankReader(evaluation, asked)
        model = load_model(lm / "runs" / run / f"D{tokens}")
        document_losses(model, evaluation, stream.context, stream.eos, reader=reader.take)
        found[run, tokens] = float((reader.rank <= 10).mean()), float((reader.rank <= 100).mean())
    return found
