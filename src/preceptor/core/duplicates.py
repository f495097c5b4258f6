"""Near-duplicate texts: MinHash of word 5-shingles (Broder 1997) with banded buckets."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from preceptor.core.rng import bits, purpose_key

_HASHES, _ROWS, _SHINGLE = 64, 4, 5


def first_of_each(texts: Sequence[str], jaccard: float) -> list[int]:
    """Indices of the texts that are not near-duplicates of an earlier kept one, in order.

    Two texts are near-duplicates when their estimated Jaccard similarity (64 hashes) is at least `jaccard`, among pairs that
    share a band of 4 hashes: a pair of similarity 0.7 is compared with probability 0.99, one of 0.3 with 0.12.
    """
    signatures = _signatures(texts)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    kept = []
    for i, signature in enumerate(signatures):
        keys = [(b, signature[b : b + _ROWS].tobytes()) for b in range(0, _HASHES, _ROWS)]
        near = {j for key in keys for j in buckets.get(key, ())}
        if near and (signatures[sorted(near)] == signature).mean(axis=1).max() >= jaccard:
            continue
        kept.append(i)
        for key in keys:
            buckets.setdefault(key, []).append(i)
    return kept


def _signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures, uint64 [texts, 64]. A text of fewer than 5 words is one shingle."""
    multiply = bits(purpose_key(0, "minhash/multiply"), np.arange(_HASHES)) | np.uint64(1)
    signatures = np.empty((len(texts), _HASHES), np.uint64)
    words: dict[str, int] = {}
    factors = bits(purpose_key(0, "minhash/shingle"), np.arange(_SHINGLE)) | np.uint64(1)
    for i, text in enumerate(texts):
        codes = np.array([words.setdefault(w, zlib.crc32(w.encode())) for w in text.lower().split()] or [0], np.uint64)
        codes = np.pad(codes, (0, max(0, _SHINGLE - len(codes))))
        shingles = sum(codes[k : len(codes) - _SHINGLE + 1 + k] * factors[k] for k in range(_SHINGLE))
        mixed = np.asarray(shingles)[:, None] * multiply
        signatures[i] = (mixed ^ (mixed >> np.uint64(29))).min(axis=0)
    return signatures
