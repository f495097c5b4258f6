"""Counting models of drawn histories: what uniform, unigram and smoothed bigram give to the items of an evaluation set of them.

They are counted on histories of the training sampler, and judged on the very items that a model is asked for: after the same
history, among the same candidates (without those before it where no item comes again). A training stream has no end, so they
read `COUNTED` items of it: more would hardly move the unigram, and would bring a bigram of first-order walks to their law.
The loss per item holds what the end of a document costs as well, which counting models of items know nothing of: `ends` is what
a counted law of lengths pays for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.references import References, of_sequences
from preceptor.generator.histories import Sampler, sample

COUNTED = 1 << 19  # items
_AT_ONCE = 4096  # histories
_PURPOSE = "counted/uih"  # histories of their own: none of an evaluation set's


@dataclass(frozen=True)
class Counted:
    """items: counting models of the next item. log_length: float64 [longest + 1], ln p of a history's length, from counts with
    one added to each length (that of 0 is −inf)."""

    items: References
    log_length: np.ndarray

    def ends(self, lengths: np.ndarray) -> float:
        """Nats per item that the ends of histories of these lengths (int [n]) cost."""
        return float(-self.log_length[lengths].sum() / lengths.sum())


def count(tables: Sampler, n_items: int, seed: int, least: int = COUNTED) -> Counted:
    """Count histories of the sampler until they hold `least` items or more."""
    of_items: list[np.ndarray] = []
    of_lengths: list[np.ndarray] = []
    found = 0
    while found < least:
        items, lengths = sample(tables, seed, _PURPOSE, len(of_lengths) * _AT_ONCE, _AT_ONCE)
        of_items.append(items[items >= 0])
        of_lengths.append(lengths)
        found += len(of_items[-1])
    lengths = np.concatenate(of_lengths).astype(np.int64)
    history = np.repeat(np.arange(len(lengths)), lengths)
    seen = np.bincount(lengths, minlength=tables.longest + 1) + 1.0
    seen[0] = 0.0
    with np.errstate(divide="ignore"):
        log_length = np.log(seen / seen.sum())
    return Counted(of_sequences(np.concatenate(of_items).astype(np.int64), history, n_items), log_length)


def nats(fitted: References, asked: NextItems, members: np.ndarray) -> dict[str, np.ndarray]:
    """−ln p of uniform, unigram and smoothed bigram for items that histories ask for, float64 [n] each.

    members: int64 [M], the number of each candidate in the catalogue. The items of a document must be all asked for, in order.
    """
    row, closed = asked.closed(np.arange(len(asked)))
    item, target = members[closed], members[asked.target]
    first = np.searchsorted(asked.document, asked.document)  # of each one's history
    before = np.where(first == np.arange(len(asked)), -1, np.roll(target, 1))
    row, item = _once(row, item, len(fitted.log_unigram))

    def left(whole: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """What is left of the candidates' mass once those that aren't offered are taken off."""
        out: np.ndarray = whole - np.bincount(row, weights=weight, minlength=len(asked))
        return out

    every = np.ones(len(asked))
    p = np.exp(fitted.log_unigram)
    return {
        "uniform": np.log(left(every * len(members), np.ones(len(row)))),
        "unigram": np.log(left(every * p[members].sum(), p[item])) - fitted.log_unigram[target],
        "bigram": np.log(left(fitted.row_sums(members)[before], fitted.weight(before[row], item)))
        - np.log(fitted.weight(before, target)),
    }


def _once(row: np.ndarray, item: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Each pair of these once."""
    pairs = np.unique(row.astype(np.int64) * n_items + item)
    return pairs // n_items, pairs % n_items
