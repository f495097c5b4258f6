"""Reference models of the next item, from training interactions alone: uniform, unigram, smoothed bigram.

Lines beside the language model's loss on real histories: a model that has learnt nothing of the order stays at the unigram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.data.log import TrainSplit

_STRENGTHS = 2.0 ** np.arange(-2, 14)


@dataclass(frozen=True)
class References:
    """log_unigram: float64 [I]. The bigram is p(x | v) = (c(v, x) + κ·p(x)) / (c(v) + κ) with κ = strength."""

    log_unigram: np.ndarray
    strength: float
    _keys: np.ndarray
    _counts: np.ndarray
    _from: np.ndarray

    def log_bigram(self, before: np.ndarray, item: np.ndarray) -> np.ndarray:
        """ln p(item | before), float64; `before` < 0 stands for none (then the unigram)."""
        joint, total, unigram = self._look_up(np.maximum(before, 0), item)
        smoothed = np.log((joint + self.strength * unigram) / (total + self.strength))
        return np.where(before < 0, self.log_unigram[item], smoothed)

    def bigram_rows(self, before: np.ndarray) -> np.ndarray:
        """What p(x | before) is proportional to for every item x, float64 [b, I]; `before` < 0: the unigram."""
        n = len(self.log_unigram)
        out = np.repeat(self.strength * np.exp(self.log_unigram)[None], len(before), axis=0)
        ends = np.searchsorted(self._keys, np.arange(n + 1, dtype=np.int64) * n)
        for row, v in zip(out, before.tolist(), strict=True):
            if v >= 0:
                some = slice(ends[v], ends[v + 1])
                row[self._keys[some] - v * n] += self._counts[some]
        return out

    def weight(self, before: np.ndarray, item: np.ndarray) -> np.ndarray:
        """What p(item | before) is proportional to, float64 [n]: these cells of `bigram_rows`."""
        joint, _, unigram = self._look_up(np.maximum(before, 0), item)
        return np.where(before < 0, 0, joint) + self.strength * unigram

    def row_sums(self, members: np.ndarray) -> np.ndarray:
        """Sums of `bigram_rows` over these items (int64 [M], distinct), float64 [I + 1], that of `before` < 0 last."""
        n = len(self.log_unigram)
        among = np.zeros(n, bool)
        among[members] = True
        kept = np.where(among[self._keys % n], self._counts, 0)
        joint = np.bincount(self._keys // n, weights=kept, minlength=n + 1)
        return joint + self.strength * np.exp(self.log_unigram[members]).sum()

    def _look_up(self, before: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        key = before.astype(np.int64) * len(self.log_unigram) + item
        if not len(self._keys):
            return np.zeros(len(key)), np.zeros(len(key)), np.exp(self.log_unigram[item])
        at = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        joint = np.where(self._keys[at] == key, self._counts[at], 0)
        return joint, self._from[before], np.exp(self.log_unigram[item])


def fit(train: TrainSplit) -> References:
    """Count the training part: the unigram with one added to each item, the bigram of each user's successive items.

    κ maximises the leave-one-out likelihood of the training bigrams, over powers of two.
    """
    return of_sequences(np.asarray(train.item, np.int64), np.asarray(train.user), train.n_items)


def of_sequences(item: np.ndarray, owner: np.ndarray, n: int) -> References:
    """The same of any sequences of items below n, one after another: int64 [events], and whose each is (int [events])."""
    counts = np.bincount(item, minlength=n) + 1.0
    log_unigram = np.log(counts / counts.sum())
    same = owner[1:] == owner[:-1]
    before, after = item[:-1][same], item[1:][same]
    keys, pair_counts = np.unique(before * n + after, return_counts=True)
    total = np.bincount(before, minlength=n)
    found = References(log_unigram, 1.0, keys, pair_counts, total)
    if not len(before):
        return found
    joint, out, unigram = found._look_up(before, after)
    likelihood = [np.log((joint - 1 + k * unigram) / (out - 1 + k)).sum() for k in _STRENGTHS]
    return References(log_unigram, float(_STRENGTHS[np.argmax(likelihood)]), keys, pair_counts, total)
