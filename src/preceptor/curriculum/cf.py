"""Collaborative-filtering documents: directed pairs of items with confidence and lift (paper.md §4).

Baskets are users or sessions: confidence = P(B | A) = baskets with both / baskets with A; lift = P(B | A) / P(B).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.rng import bits, purpose_key
from preceptor.curriculum.documents import CF_FIELDS, CODES_A, CODES_B, NUMBERS, Documents, Writer, concatenated
from preceptor.curriculum.templates import Template

TRAIN, BOTH_SEEN, ONE_UNSEEN, BOTH_UNSEEN = 0, 1, 2, 3  # pair_split
_TURN = 50_000  # documents rendered at once
BUCKETS = {"A": 0.5, "B": 0.2, "C": 0.1, "D": 0.05, "E": 0.02, "F": 0.01, "G": 0.0}  # by the least confidence they hold
SPAN_NAMES = {"1": "template", "2": "codes of A", "3": "codes of B", "4": "numbers"}


@dataclass(frozen=True)
class DirectedPairs:
    """Directed pairs: a, b int64 [n] items; confidence, lift float64 [n]."""

    a: np.ndarray
    b: np.ndarray
    confidence: np.ndarray
    lift: np.ndarray

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: np.ndarray) -> DirectedPairs:
        return DirectedPairs(self.a[rows], self.b[rows], self.confidence[rows], self.lift[rows])


def directed(pairs: np.ndarray, baskets: np.ndarray, item_baskets: np.ndarray, n_baskets: int) -> DirectedPairs:
    """Both directions of unordered pairs (int [P, 2]): pair p gives rows p and P + p."""
    a = np.concatenate([pairs[:, 0], pairs[:, 1]]).astype(np.int64)
    b = np.concatenate([pairs[:, 1], pairs[:, 0]]).astype(np.int64)
    confidence = np.concatenate([baskets, baskets]) / item_baskets[a]
    return DirectedPairs(a, b, confidence, confidence / (item_baskets[b] / n_baskets))


def lift(pairs: np.ndarray, baskets: np.ndarray, item_baskets: np.ndarray, n_baskets: int) -> np.ndarray:
    """Lift of unordered pairs (int [P, 2]), float64 [P]: that of the first P rows of `directed`."""
    return baskets / item_baskets[pairs[:, 0]] / (item_baskets[pairs[:, 1]] / n_baskets)


def choose(
    pairs: np.ndarray, lift: np.ndarray, limit: int, choice: str, seed: int, purpose: str, min_lift: float = 0.0
) -> np.ndarray:
    """Which unordered pairs (int [P, 2]) of at least min_lift to keep, at most `limit`: at random, or those of highest lift.

    Sorted. A large catalogue has millions of pairs and keeps few, so the two directions are made afterwards.
    """
    rows = np.flatnonzero(lift >= min_lift)
    if len(rows) <= limit:
        return rows
    rank = bits(purpose_key(seed, purpose), pairs[rows, 0].astype(np.int64) << 32 | pairs[rows, 1])
    order = np.argsort(rank, kind="stable") if choice == "random" else np.lexsort((rank, -lift[rows]))
    return np.sort(rows[order[:limit]])


def documents(writer: Writer, template: Template, pairs: DirectedPairs) -> Documents:
    """One document a directed pair; spans: 1 template, 2 codes of A, 3 codes of B, 4 numbers (tokens that hold a digit, and
    texts of nothing but fields).

    Written in turns, because the texts take ten times the memory of their tokens.
    """
    turned = template.items == ("item_b", "item_a")
    spans = (CODES_B, CODES_A) if turned else (CODES_A, CODES_B)
    marked = template.render(dict.fromkeys(CF_FIELDS, "\0")) or ()
    numbers = [s for s, text in enumerate(marked) if text and not text.strip("\0")]
    made = []
    for first in range(0, max(1, len(pairs)), _TURN):
        part = pairs.take(np.arange(first, min(first + _TURN, len(pairs))))
        items = np.stack([part.b, part.a] if turned else [part.a, part.b], axis=1)
        made.append(writer.write(render(template, part), items, spans, NUMBERS, numbers))
    whole = concatenated(made)
    assert whole is not None, "there is a turn at least"
    return whole


def render(template: Template, pairs: DirectedPairs) -> list[tuple[str, ...]]:
    """The text around the two items of each pair: percentages with one decimal, confidence with three, lift with two, the
    bucket of confidence as a letter."""
    rendered = []
    for confidence, lift in zip(pairs.confidence.tolist(), pairs.lift.tolist(), strict=True):
        texts = template.render(
            {
                "percent": f"{100 * confidence:.1f}",
                "confidence": f"{confidence:.3f}",
                "lift": f"{lift:.2f}",
                "bucket": next(letter for letter, least in BUCKETS.items() if confidence >= least),
            }
        )
        assert texts is not None, "numbers are never missing"
        rendered.append(texts)
    return rendered


def permuted_b(pairs: DirectedPairs, met: np.ndarray, seed: int) -> DirectedPairs:
    """The control: each pair's B is exchanged for that of another pair, its A and its numbers stay.

    met: int [P, 2], a < b, every pair that the log knows (training or held out): the control holds none of them, nor an item
    with itself. B's are passed on in a keyed order from pair to pair; where that makes such a pair, two B's are swapped. Pairs
    for which no swap is found are left out.
    """
    width = int(max(pairs.a.max(initial=0), pairs.b.max(initial=0), met.max(initial=0))) + 1
    known = np.append(np.unique(met[:, 0].astype(np.int64) * width + met[:, 1]), width**2)  # ascending, the last beyond all

    def fits(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        key = np.minimum(a, b) * width + np.maximum(a, b)
        return (a != b) & (known[np.searchsorted(known, key)] != key)

    order = np.argsort(bits(purpose_key(seed, "cf/permuted"), np.arange(len(pairs))), kind="stable")
    a, b = pairs.a[order], np.roll(pairs.b[order], 1)
    for i in np.flatnonzero(~fits(a, b)):
        if fits(a[i : i + 1], b[i : i + 1])[0]:
            continue  # mended by an earlier swap
        swaps = np.flatnonzero(fits(np.full(len(b), a[i]), b) & fits(a, np.full(len(b), b[i])))
        if len(swaps):
            b[i], b[swaps[0]] = b[swaps[0]], b[i]
    out = np.empty_like(pairs.b)
    out[order] = b
    control = DirectedPairs(pairs.a, out, pairs.confidence, pairs.lift)
    return control.take(np.flatnonzero(fits(pairs.a, out)))
