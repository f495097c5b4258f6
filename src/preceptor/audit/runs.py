"""Which runs of n neighbouring items of some sequences occur in others.

A run is found by a rolling hash modulo 2^64 (Rabin & Karp 1987) in a table of places, and always compared item by item:
a collision costs time and never counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, uint64

from preceptor.core.rng import mix64

_BASE = 0x9E3779B97F4A7C15  # odd


@dataclass(frozen=True)
class Runs:
    """The distinct runs of n items of sequences items[indptr[s]:indptr[s + 1]] (int32, int64); runs don't cross sequences.

    slots: int64, open addressing: the first place of each distinct run, −1 where empty. shared: bool by place: whether the
    run that first begins there is held by a second sequence.
    """

    items: np.ndarray
    n: int
    slots: np.ndarray
    shared: np.ndarray

    @classmethod
    def of(cls, items: np.ndarray, indptr: np.ndarray, n: int) -> Runs:
        items, indptr = np.ascontiguousarray(items, np.int32), np.asarray(indptr, np.int64)
        room = int(np.maximum(np.diff(indptr) - n + 1, 0).sum())
        slots = np.full(1 << max(1, 2 * room - 1).bit_length(), -1, np.int64)
        shared = np.zeros(len(items), np.bool_)
        _insert(items, indptr, n, slots, shared)
        return cls(items, n, slots, shared)

    def find(self, items: np.ndarray, indptr: np.ndarray) -> np.ndarray:
        """For each place of other sequences the first place here of the run that begins there, −1: none. int64 [len(items)]."""
        out = np.full(len(items), -1, np.int64)
        _find(np.ascontiguousarray(items, np.int32), np.asarray(indptr, np.int64), self.n, self.items, self.slots, out)
        return out


def flat(walks: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walks (int [count, longest], lengths [count]) as sequences: items [Σ lengths] and indptr [count + 1]."""
    inside = np.arange(walks.shape[1]) < lengths[:, None]
    return walks[inside], np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@njit(nogil=True, cache=True)
def _next_hash(items, first, p, n, top, value):  # type: ignore[no-untyped-def]
    """Hash of the n items from p on; value: that of the n items from p − 1 on, unless p is the first of its sequence."""
    base = uint64(_BASE)
    if p == first:
        value = uint64(0)
        for i in range(n):
            value = value * base + uint64(items[p + i] + 1)
        return value
    return (value - uint64(items[p - 1] + 1) * top) * base + uint64(items[p + n - 1] + 1)


@njit(nogil=True, cache=True)
def _power(n):  # type: ignore[no-untyped-def]
    top = uint64(1)
    for _ in range(n - 1):
        top *= uint64(_BASE)
    return top


@njit(nogil=True, cache=True)
def _slot(items, p, n, others, slots, value):  # type: ignore[no-untyped-def]
    """The slot of the run at items[p:p + n], or the empty one where it would be."""
    mask = uint64(len(slots) - 1)
    at = mix64(value) & mask
    while slots[at] >= 0:
        q = slots[at]
        equal = True
        for i in range(n):
            if items[p + i] != others[q + i]:
                equal = False
                break
        if equal:
            break
        at = (at + uint64(1)) & mask
    return at


@njit(nogil=True, cache=True)
def _insert(items, indptr, n, slots, shared):  # type: ignore[no-untyped-def]
    top, value = _power(n), uint64(0)
    for s in range(len(indptr) - 1):
        for p in range(indptr[s], indptr[s + 1] - n + 1):
            value = _next_hash(items, indptr[s], p, n, top, value)
            at = _slot(items, p, n, items, slots, value)
            if slots[at] < 0:
                slots[at] = p
            elif slots[at] < indptr[s]:  # first met in an earlier sequence
                shared[slots[at]] = True


@njit(nogil=True, cache=True)
def _find(items, indptr, n, others, slots, out):  # type: ignore[no-untyped-def]
    top, value = _power(n), uint64(0)
    for s in range(len(indptr) - 1):
        for p in range(indptr[s], indptr[s + 1] - n + 1):
            value = _next_hash(items, indptr[s], p, n, top, value)
            out[p] = slots[_slot(items, p, n, others, slots, value)]
