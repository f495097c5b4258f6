"""Histories of a mixture, many at a time: the same as `mixture_histories.one_history`, several times as fast.

As in interleave.py, WIDTH histories take turns, and each asks for the memory that its next turn reads. A try has two
turns: the row of the item and graph that it names, then the cell in that row. Whether an item is in the history already is
seen from a filter of one bit per hash; where its bit is set, the history's items are compared.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint8, uint64

from preceptor.core.prefetch import prefetch
from preceptor.core.rng import draw, stream_state
from preceptor.generator.mixture_step import LOWER, asleep, instead, scanned
from preceptor.generator.step import TRIES, pick

WIDTH = 32
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth, multiplicative hashing)
_BITS_PER_ITEM = 16  # of the filter
_NONE = (1 << 64) - 1  # no cell: the try named a row without edges


@njit(nogil=True, cache=True)
def interleaved(tables, key, first, items, lengths, component):  # type: ignore[no-untyped-def]
    """Fill items [count, longest], lengths [count], component [count, longest or 0] with histories first … first + count − 1.

    Unsigned throughout: numba checks signed indices for being below 0.
    """
    rows, cells, parts = tables.rows, tables.cells, tables.components
    n, base = uint64(tables.settings[0]), tables.settings[0] * tables.settings[1]
    once, record = tables.settings[3] == 0, component.shape[1] > 0
    shift = uint64(64 - 6)
    while (uint64(1) << (uint64(64) - shift)) < uint64(_BITS_PER_ITEM * items.shape[1]):
        shift -= uint64(1)
    words = (uint64(1) << (uint64(64) - shift)) >> uint64(6)
    seen = np.zeros((WIDTH, int64(words)), np.uint64)
    state, number, row, cell, place, named = (
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
    )  # fmt: skip
    walker, t, c, tries, end = (
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
    )  # fmt: skip
    count = uint64(len(items))
    alive = uint64(min(WIDTH, int64(count)))
    begun = uint64(0)
    for i in range(alive):
        walker[i], begun = begun, begun + uint64(1)
        state[i] = stream_state(key, first + walker[i])
        end[i] = pick(rows, cells, base + 1, draw(state[i], uint64(0)))
        row[i], place[i] = base, draw(state[i], uint64(1)) >> uint64(33)
        t[i], tries[i], number[i], c[i] = 0, 0, uint64(2), 0
    while alive > 0:
        for i in range(alive):  # the cell that the try names
            entry = rows[row[i]]
            if entry < 0:
                cell[i] = uint64(_NONE)
                continue
            bits = uint64(31) - (uint64(entry) & uint64(63))
            at = (uint64(entry) >> uint64(6)) + (place[i] >> bits)
            place[i] &= (uint64(1) << bits) - uint64(1)
            cell[i] = at
            prefetch(cells, int64(at * uint64(3)))
        i = uint64(0)
        while i < alive:  # the item in the cell, if it is one to take, and the next try
            w, age, x, ended = walker[i], t[i], int64(-1), False
            at = cell[i]
            if at != uint64(_NONE):
                found = uint64(cells[at, uint64(1) + uint64(place[i] >= uint64(cells[at, uint64(0)]))])
                taken = found < n
                if once and taken:
                    mark = found * uint64(_SCATTER) >> shift
                    if (seen[i, mark >> uint64(6)] >> (mark & uint64(63))) & uint64(1):
                        for k in range(age):
                            if uint64(items[w, k]) == found:
                                taken = False
                if taken:
                    x = int64(found)
            if x < 0:
                tries[i] += uint64(1)
                lost = False
                if at == uint64(_NONE):
                    lost = asleep(tables, items[w], age, int64(c[i]))
                if not lost and tries[i] == uint64(TRIES):
                    x, number[i] = scanned(tables, items[w], age, int64(c[i]), state[i], number[i])
                    lost = x < 0
                if lost:
                    spare = int64(named[i] & uint64(LOWER))
                    x, now, number[i] = instead(tables, items[w], age, int64(c[i]), spare, state[i], number[i])
                    c[i] = now
                    ended = x < 0
            if x >= 0:
                items[w, age] = x
                if record and age > 0:
                    component[w, age] = uint8(c[i])
                if once:
                    mark = uint64(x) * uint64(_SCATTER) >> shift
                    seen[i, mark >> uint64(6)] |= uint64(1) << (mark & uint64(63))
                age += uint64(1)
                t[i] = age
                tries[i] = uint64(0)
                ended = age == end[i]
            if ended:
                lengths[w] = age
                if begun == count:  # no more to begin: the last one comes here
                    alive -= uint64(1)
                    if i < alive:
                        state[i], number[i], row[i], cell[i] = state[alive], number[alive], row[alive], cell[alive]
                        place[i], named[i], walker[i], t[i] = place[alive], named[alive], walker[alive], t[alive]
                        c[i], tries[i], end[i] = c[alive], tries[alive], end[alive]
                        seen[i] = seen[alive]
                    continue
                walker[i], begun = begun, begun + uint64(1)
                seen[i] = 0
                state[i] = stream_state(key, first + walker[i])
                end[i] = pick(rows, cells, base + 1, draw(state[i], uint64(0)))
                row[i], place[i] = base, draw(state[i], uint64(1)) >> uint64(33)
                t[i], tries[i], number[i] = 0, 0, uint64(2)
                i += uint64(1)
                continue
            if tries[i] == 0:
                word = draw(state[i], number[i])
                number[i] += uint64(1)
                named[i] = word
                c[i] = pick(rows, cells, base + 2, word)
            word = draw(state[i], number[i])
            number[i] += uint64(1)
            o = c[i]
            reach = min(age, uint64(parts[o, uint64(2)]))
            j = uint64(pick(rows, cells, uint64(parts[o, uint64(3)]) + reach - uint64(1), word))
            r = uint64(items[w, age - uint64(1) - j]) * uint64(parts[o, uint64(0)]) + uint64(parts[o, uint64(1)])
            row[i], place[i] = r, word & uint64(LOWER)
            prefetch(rows, int64(r))
            i += uint64(1)
