"""Alias cells of 64 bits each: the draws of walk_tables.py from two thirds of the memory, and from one cache line.

A cell holds (threshold << 2·b) | (outcome at or above it << b) | outcome below it, where b bits hold any outcome. A row of 2^m
cells has thresholds below 2^(31 − m), so rows are padded to m ≥ 2·b − 33: not at all for up to 65,535 outcomes, to 8 cells
for up to 262,143.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint64

from preceptor.core.errors import PreceptorError
from preceptor.generator.walk_tables import alias_cells, row_entries
from preceptor.graph.graph import TOTAL

_MOST_BITS = 24  # rows of at least 2^15 cells
_ROWS_AT_ONCE = 1 << 18


def packed_rows(indptr: np.ndarray, outcomes: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Alias cells of rows that each sum to 2^31 or are empty.

    indptr: int64 [R + 1]; outcomes: int32 [E], non-negative; weight: uint32 [E]. Returns rows (int64 [R]: 64 · first cell + m,
    −1 for an empty one), cells (uint64), and b.
    """
    bits = max(1, int(outcomes.max(initial=0)).bit_length())
    if bits > _MOST_BITS:
        raise PreceptorError(
            "Too many items for a mixture's tables", found=int(outcomes.max()), expected=f"below 2^{_MOST_BITS}"
        )
    rows = row_entries(indptr, max(0, 2 * bits - 33))
    used = np.flatnonzero(rows >= 0)
    end = int((rows[used[-1]] >> 6) + (1 << (rows[used[-1]] & 63))) if len(used) else 0
    cells = np.empty(end, np.uint64)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[first : first + _ROWS_AT_ONCE]
        here = some[some >= 0]
        if len(here):
            begin = here[0] >> 6
            size = int((here[-1] >> 6) + (1 << (here[-1] & 63)) - begin)
            loose = np.empty((size, 3), np.uint32)
            moved = np.where(some >= 0, some - begin * 64, -1)
            alias_cells(indptr[first : first + len(some) + 1], outcomes, weight, moved, loose)
            _pack(moved, loose, bits, cells[begin : begin + size])
    return rows, cells, bits


@njit(nogil=True, cache=True)
def _pack(rows, loose, bits, cells):  # type: ignore[no-untyped-def]
    for entry in rows:
        if entry >= 0:
            full = (int64(TOTAL) >> (entry & 63)) - 1  # a threshold above it is of a cell with two equal outcomes
            for c in range(entry >> 6, (entry >> 6) + (int64(1) << (entry & 63))):
                high = uint64(min(int64(loose[c, 0]), full)) << uint64(2 * bits)
                cells[c] = high | uint64(loose[c, 2]) << uint64(bits) | uint64(loose[c, 1])


@njit(inline="always")
def cell_of(entry, number):  # type: ignore[no-untyped-def]
    """The cell of a row, and the place inside it, that a number below 2^31 selects; all uint64."""
    shift = uint64(31) - (entry & uint64(63))
    return (entry >> uint64(6)) + (number >> shift), number & ((uint64(1) << shift) - uint64(1))


@njit(inline="always")
def outcome_at(cell, place, bits):  # type: ignore[no-untyped-def]
    """The outcome at a place in a cell; all uint64."""
    above = uint64(place >= cell >> (bits + bits))  # no branch: it would be guessed wrong
    return (cell >> (bits * above)) & ((uint64(1) << bits) - uint64(1))


@njit(inline="always")
def packed_pick(tables, row, number):  # type: ignore[no-untyped-def]
    """The outcome (uint64) of `row` that a number below 2^31 selects; the row must not be empty."""
    at, place = cell_of(uint64(tables.rows[uint64(row)]), uint64(number))
    return outcome_at(tables.cells[at], place, uint64(tables.settings[6]))
