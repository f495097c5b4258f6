"""Histories of a mixture, many at a time: the same as `mixture_histories.one_history`, several times as fast.

As in interleave.py, WIDTH histories take turns, and each asks for the memory that its next turn reads. A try has two
turns: the row of the item and graph that it names, then the cell in that row. Whether an item is in the history already is
seen from a filter of one bit per hash; where its bit is set, the history's items are compared.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint8, uint64

from preceptor.core.rng import GOLDEN, draw, mix64, stream_state
from preceptor.generator.interleave import prefetch
from preceptor.generator.mixture_step import LOWER, asleep, instead, scanned
from preceptor.generator.packed_cells import cell_of, outcome_at, packed_pick
from preceptor.generator.step import TRIES

WIDTH = 32
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth, multiplicative hashing)
_BITS_PER_ITEM = 16  # of the filter
# What is remembered of each history: its stream after the last draw, the try's row, cell and place, the draw that named its
# component, its number, its age in items, its component, its tries, its length.
STATE, ROW, CELL, PLACE, NAMED, WALKER, AGE, COMPONENT, TRIED, END = range(10)
_COLUMNS = 16  # two cache lines


@njit(nogil=True, cache=True)
def interleaved(tables, key, first, items, lengths, component):  # type: ignore[no-untyped-def]
    """Fill items [count, longest], lengths [count], component [count, longest or 0] with histories first … first + count − 1.

    Unsigned throughout: numba checks signed indices for being below 0.
    """
    rows, cells, parts = tables.rows, tables.cells, tables.components
    n, base = uint64(tables.settings[0]), uint64(tables.settings[0] * tables.settings[1])
    nothing = uint64(tables.settings[5]) >> uint64(6)
    bits = uint64(tables.settings[6])
    once, record = tables.settings[3] == 0, component.shape[1] > 0
    shift = uint64(64 - 6)
    while (uint64(1) << (uint64(64) - shift)) < uint64(_BITS_PER_ITEM * items.shape[1]):
        shift -= uint64(1)
    words = (uint64(1) << (uint64(64) - shift)) >> uint64(6)
    seen = np.zeros((WIDTH, int64(words)), np.uint64)
    of = np.zeros((WIDTH, _COLUMNS), np.uint64)
    count = uint64(len(items))
    alive = uint64(min(WIDTH, int64(count)))
    begun = uint64(0)
    for i in range(alive):
        s = stream_state(key, first + begun)
        of[i, WALKER], begun = begun, begun + uint64(1)
        of[i, END] = packed_pick(tables, base + uint64(1), draw(s, uint64(0)) >> uint64(33))
        of[i, ROW], of[i, PLACE] = base, draw(s, uint64(1)) >> uint64(33)
        of[i, STATE] = s + uint64(2) * uint64(GOLDEN)
    while alive > 0:
        for i in range(alive):  # the cell that the try names
            of[i, CELL], of[i, PLACE] = cell_of(uint64(rows[of[i, ROW]]), of[i, PLACE])
            prefetch(cells, int64(of[i, CELL]))
        i = uint64(0)
        while i < alive:  # the item in the cell, if it is one to take, and the next try
            w, age, at = of[i, WALKER], of[i, AGE], of[i, CELL]
            x = outcome_at(cells[at], of[i, PLACE], bits)
            mark = x * uint64(_SCATTER) >> shift
            taken = x < n
            if once and (seen[i, mark >> uint64(6)] >> (mark & uint64(63))) & uint64(1):
                for k in range(age):
                    if uint64(items[w, k]) == x:
                        taken = False
            ended = False
            if not taken:
                of[i, TRIED] += uint64(1)
                c, state, number = int64(of[i, COMPONENT]), of[i, STATE], uint64(0)
                lost, found = at == nothing and asleep(tables, items[w], age, c), int64(-1)
                if not lost and of[i, TRIED] == uint64(TRIES):
                    found, number = scanned(tables, items[w], age, c, state, number)
                    lost = found < 0
                if lost:
                    spare = int64(of[i, NAMED] & uint64(LOWER))
                    found, now, number = instead(tables, items[w], age, c, spare, state, number)
                    of[i, COMPONENT] = now
                    ended = found < 0
                of[i, STATE] = state + number * uint64(GOLDEN)
                if found >= 0:
                    x, taken = uint64(found), True
                    mark = x * uint64(_SCATTER) >> shift
            if taken:
                items[w, age] = x
                if record and age > 0:
                    component[w, age] = uint8(of[i, COMPONENT])
                if once:
                    seen[i, mark >> uint64(6)] |= uint64(1) << (mark & uint64(63))
                age += uint64(1)
                of[i, AGE] = age
                of[i, TRIED] = uint64(0)
                ended = age == of[i, END]
            if ended:
                lengths[w] = age
                if begun == count:  # no more to begin: the last one comes here
                    alive -= uint64(1)
                    if i < alive:
                        of[i] = of[alive]
                        seen[i] = seen[alive]
                    continue
                seen[i] = 0
                s = stream_state(key, first + begun)
                of[i, WALKER], begun = begun, begun + uint64(1)
                of[i, END] = packed_pick(tables, base + uint64(1), draw(s, uint64(0)) >> uint64(33))
                of[i, ROW], of[i, PLACE] = base, draw(s, uint64(1)) >> uint64(33)
                of[i, STATE] = s + uint64(2) * uint64(GOLDEN)
                of[i, AGE], of[i, TRIED] = 0, 0
                i += uint64(1)
                continue
            s = of[i, STATE]
            if of[i, TRIED] == 0:
                s += uint64(GOLDEN)
                word = mix64(s)
                of[i, NAMED] = word
                of[i, COMPONENT] = packed_pick(tables, base + uint64(2), word >> uint64(33))
            s += uint64(GOLDEN)
            word = mix64(s)
            of[i, STATE] = s
            o = of[i, COMPONENT]
            reach = min(age, uint64(parts[o, uint64(2)]))
            j = packed_pick(tables, uint64(parts[o, uint64(3)]) + reach - uint64(1), word >> uint64(33))
            r = uint64(items[w, age - uint64(1) - j]) * uint64(parts[o, uint64(0)]) + uint64(parts[o, uint64(1)])
            of[i, ROW], of[i, PLACE] = r, word & uint64(LOWER)
            prefetch(rows, int64(r))
            i += uint64(1)
