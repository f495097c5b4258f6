"""Alias cells of 64 bits each: the draws of walk_tables.py from two thirds of the memory, and from one cache line.

A packed cell holds (threshold << 2·b) | (outcome at or above it << b) | outcome below it, where b bits hold any outcome. A row
of 2^m cells has thresholds below 2^(31 − m), so rows are padded to m ≥ 2·b − 33: not at all for up to 65,535 outcomes, to 8
cells for up to 262,143. Beyond, padding would be most of the memory (128 cells at least among a million items), and cells are
linked: (threshold << 32 + m) | (place in the row of the outcome at or above it << 32) | outcome below it. No row is padded
then, and a draw that reaches its threshold reads a second cell of the row.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint64

from preceptor.generator.walk_tables import paired, row_entries
from preceptor.graph.graph import TOTAL

PACKED_BITS = 18  # of an outcome in a packed cell at most
LINKED = 0  # what stands for b where cells are linked

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]  # indptr int64 [R + 1], outcomes int32 [E], weight uint32 [E]


def packed_rows(*parts: Rows) -> tuple[np.ndarray, np.ndarray, int]:
    """Alias cells of rows that each sum to 2^31 or are empty, those of several arrays one after another.

    Outcomes are non-negative. Returns rows (int64 [R]: 64 · first cell + m, −1 for an empty one), cells (uint64), and b, or
    LINKED.
    """
    bits = max(1, max(int(outcomes.max(initial=0)) for _, outcomes, _ in parts).bit_length())
    bits = bits if bits <= PACKED_BITS else LINKED
    sizes = [np.diff(indptr) for indptr, _, _ in parts]
    rows = row_entries(np.concatenate([[0], np.cumsum(np.concatenate(sizes))]), max(0, 2 * bits - 33))
    used = np.flatnonzero(rows >= 0)
    end = int((rows[used[-1]] >> 6) + (1 << (rows[used[-1]] & 63))) if len(used) else 0
    cells = np.empty(end, np.uint64)
    first = 0
    for (indptr, outcomes, weight), size in zip(parts, sizes, strict=True):
        _fill(indptr, outcomes, weight, rows[first : first + len(size)], bits, cells)
        first += len(size)
    return rows, cells, bits


@njit(nogil=True, cache=True)
def _fill(indptr, outcomes, weight, rows, bits, cells):  # type: ignore[no-untyped-def]
    for row in range(len(rows)):
        if rows[row] < 0:
            continue
        first, last, m = indptr[row], indptr[row + 1], rows[row] & 63
        base, full = rows[row] >> 6, (int64(TOTAL) >> m) - 1  # a threshold above it is of a cell with two equal outcomes
        threshold, alias = paired(weight[first:last], int64(1) << m)
        for c in range(int64(1) << m):
            own = c if c < last - first else alias[c]
            high = uint64(min(threshold[c], full))
            below, above = uint64(outcomes[first + own]), uint64(outcomes[first + alias[c]])
            if bits == LINKED:
                cells[base + c] = (high << uint64(m) | uint64(alias[c])) << uint64(32) | below
            else:
                cells[base + c] = high << uint64(2 * bits) | above << uint64(bits) | below


@njit(inline="always")
def cell_of(entry, number):  # type: ignore[no-untyped-def]
    """The cell of a row, and the place inside it, that a number below 2^31 selects; all uint64."""
    shift = uint64(31) - (entry & uint64(63))
    return (entry >> uint64(6)) + (number >> shift), number & ((uint64(1) << shift) - uint64(1))


@njit(inline="always")
def outcome_at(cells, entry, at, place, bits):  # type: ignore[no-untyped-def]
    """The outcome at a place in the cell number `at`, of the row with this entry; all uint64."""
    cell = cells[at]
    if bits != uint64(LINKED):
        above = uint64(place >= cell >> (bits + bits))  # no branch: it would be guessed wrong
        return (cell >> (bits * above)) & ((uint64(1) << bits) - uint64(1))
    m = entry & uint64(63)
    high = cell >> uint64(32)
    if place >= high >> m:
        cell = cells[(entry >> uint64(6)) + (high & ((uint64(1) << m) - uint64(1)))]
    return cell & uint64(0xFFFFFFFF)


@njit(inline="always")
def packed_pick(tables, row, number):  # type: ignore[no-untyped-def]
    """The outcome (uint64) of `row` that a number below 2^31 selects; the row must not be empty."""
    entry = uint64(tables.rows[uint64(row)])
    at, place = cell_of(entry, uint64(number))
    return outcome_at(tables.cells, entry, at, place, uint64(tables.settings[6]))
