"""What counting models and the generator's law give the very items that a model is asked for.

The same footing: the same targets, after the same truncated history, among the same candidates (without visited items where
the log has no repeats), each renormalised over these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.references import References
from preceptor.data.log import Targets
from preceptor.generator.dense import law_rows
from preceptor.generator.likelihood import prior_weights
from preceptor.generator.mixture import Mixture, Part

_CELLS = 1 << 22  # of rows over candidates held at a time
LAW_CELLS = 1 << 22  # kept of the law: so many probabilities at most (16 MiB)


@dataclass(frozen=True)
class Asked:
    """Real next items. timelines: histories as they lie in the log less what the model can't know (`Targets`, of which `end`
    is where the item would come next). item: int64 [n]. given: int64 [n], how many items before it its document holds."""

    timelines: Targets
    item: np.ndarray
    given: np.ndarray

    def __len__(self) -> int:
        return len(self.item)


def counted(fitted: References, asked: Asked, candidates: np.ndarray, repeats: bool) -> dict[str, np.ndarray]:
    """−log p of uniform, unigram and smoothed bigram, float64 [n] each. candidates: int64 [M], ascending."""
    nats = {name: np.empty(len(asked)) for name in ("uniform", "unigram", "bigram")}
    end = np.asarray(asked.timelines.end)
    before = np.where(asked.given > 0, np.asarray(asked.timelines.sequence)[np.maximum(end - 1, 0)], -1)
    unigram = np.exp(fitted.log_unigram[candidates])
    target = np.searchsorted(candidates, asked.item)
    for rows, shut in _closed(asked.timelines, candidates, repeats):
        weights = {
            "uniform": np.ones((len(rows), len(candidates))),
            "unigram": np.repeat(unigram[None], len(rows), axis=0),
            "bigram": fitted.bigram_rows(before[rows])[:, candidates],
        }
        for name, p in weights.items():
            p[shut] = 0.0
            own = p[np.arange(len(rows)), target[rows]]
            nats[name][rows] = np.log(p.sum(axis=1)) - np.log(own)
    return nats


def of_law(law: Mixture, asked: Asked, candidates: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """−log p of the law, float64 [n], and its p(x | h) for the first of `sample`, float32 [t, M].

    It reads as many items as the document holds; the whole history is taken off what is offered.
    """
    nats = np.empty(len(asked))
    kept = sample[: max(1, LAW_CELLS // max(len(candidates), 1))]
    p_kept = np.empty((len(kept), len(candidates)), np.float32)
    place = np.full(len(asked), -1)
    place[kept] = np.arange(len(kept))
    for given in np.unique(asked.given):
        own = np.flatnonzero(asked.given == given)
        every = asked.timelines
        part = Targets(every.user[own], every.sequence, every.start[own], every.end[own])
        for rows, p in law_rows(_reading(law, int(given)), part):
            numbers = own[rows]
            nats[numbers] = -np.log(p[np.arange(len(rows)), asked.item[numbers]])
            wanted = np.flatnonzero(place[numbers] >= 0)
            p_kept[place[numbers[wanted]]] = p[wanted][:, candidates]
    return nats, p_kept


def prior_of(law: Mixture, candidates: np.ndarray) -> np.ndarray:
    """The law's priors over the candidates, each times its share of them, float64 [K, M]."""
    share = np.array([prior.weight for prior in law.priors])
    worth = np.stack([prior_weights(law.popularity, p.alpha, law.members)[candidates] for p in law.priors])
    out: np.ndarray = worth / worth.sum(axis=1, keepdims=True) * (share / share.sum())[:, None]
    return out


def prior_own(asked: NextItems) -> np.ndarray:
    """What the prior gives each of the items asked for, float64 [n]."""
    out = np.empty(len(asked))
    step = max(1, _CELLS // max(len(asked.codes), 1))
    for first in range(0, len(asked), step):
        numbers = np.arange(first, min(len(asked), first + step))
        out[numbers] = asked.prior_rows(numbers)[np.arange(len(numbers)), asked.target[numbers]]
    return out


def _reading(law: Mixture, items: int) -> Mixture:
    """The law with memories of at most so many items."""

    def short(part: Part) -> Part:
        return replace(part, memory=replace(part.memory, longest=max(1, min(part.memory.longest, items))))

    return replace(law, parts=tuple(short(part) for part in law.parts))


def _closed(timelines: Targets, candidates: np.ndarray, repeats: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some numbers of targets, and bool [them, M]: which candidates aren't offered; until all are done."""
    place = np.full(int(max(candidates.max(initial=0), timelines.sequence.max(initial=0))) + 1, -1)
    place[candidates] = np.arange(len(candidates))
    step = max(1, _CELLS // max(len(candidates), 1))
    for first in range(0, len(timelines), step):
        rows = np.arange(first, min(len(timelines), first + step))
        shut = np.zeros((len(rows), len(candidates)), bool)
        if not repeats:
            for r, t in enumerate(rows):
                visited = place[timelines.history(int(t))]
                shut[r, visited[visited >= 0]] = True
        yield rows, shut
