"""Token lists of unequal length as one flat array with offsets, and documents joined from columns of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numba import njit


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length: row r is flat[offsets[r]:offsets[r + 1]]. flat: int32; offsets: int64 [rows + 1]."""

    flat: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, r: int) -> np.ndarray:
        return self.flat[self.offsets[r] : self.offsets[r + 1]]

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Ragged:
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(r) for r in rows], out=offsets[1:])
        flat = np.fromiter(chain.from_iterable(rows), np.int32, int(offsets[-1]))
        return cls(flat, offsets)

    @classmethod
    def table(cls, rows: np.ndarray) -> Ragged:
        """Rows of equal length, from an int array [rows, length]."""
        return cls(rows.astype(np.int32).ravel(), np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1])

    def take(self, rows: np.ndarray) -> Ragged:
        """The rows asked for, in that order."""
        return join([(self, np.asarray(rows, np.int64))])


def stacked(parts: Sequence[Ragged]) -> Ragged:
    """All rows of the parts, in order."""
    lengths = [np.zeros(1, np.int64), *(p.lengths for p in parts)]
    return Ragged(np.concatenate([np.zeros(0, np.int32), *(p.flat for p in parts)]), np.cumsum(np.concatenate(lengths)))


def join(columns: Sequence[tuple[Ragged, np.ndarray]]) -> Ragged:
    """Row r of the result is the concatenation over the columns (source, rows) of source[rows[r]]."""
    n = len(columns[0][1])
    offsets = np.zeros(n + 1, np.int64)
    for source, rows in columns:
        offsets[1:] += source.lengths[rows]
    np.cumsum(offsets, out=offsets)
    flat = np.empty(int(offsets[-1]), np.int32)
    at = offsets[:-1].copy()
    for source, rows in columns:
        _place(source.flat, source.offsets, np.asarray(rows, np.int64), at, flat)
    return Ragged(flat, offsets)


@njit(cache=True)
def _place(source: Any, offsets: Any, rows: Any, at: Any, flat: Any) -> None:
    for r in range(len(rows)):
        a = at[r]
        for t in range(offsets[rows[r]], offsets[rows[r] + 1]):
            flat[a] = source[t]
            a += 1
        at[r] = a
