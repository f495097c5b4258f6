"""Histories of a mixture, many at a time: the same as `mixture_histories.one_history`, several times as fast.

As in interleave.py, WIDTH histories take turns, and each asks for the memory that its next turn reads. A try has two
turns: the row of the item and graph that it names, then the cell in that row. The first turns run half a round ahead of the
second ones, so that memory is asked for evenly. Whether an item is in the history already is seen from a filter of one
bit per hash; where its bit is set, the history's items are compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, njit, uint8, uint64

from preceptor.core.prefetch import prefetch
from preceptor.core.rng import GOLDEN, draw, mix64, stream_state
from preceptor.generator.mixture_step import LOWER, asleep, instead, scanned
from preceptor.generator.packed_cells import cell_of, outcome_at, packed_pick
from preceptor.generator.step import TRIES

WIDTH = 32
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth, multiplicative hashing)
_BITS_PER_ITEM = 16  # of the filter
# What is remembered of each history: its stream after the last draw, the try's row, cell and place, the draw that named its
# component, its number, its age in items, its component, its tries, its length, the try's entry in `rows`.
STATE, ROW, CELL, PLACE, NAMED, WALKER, AGE, COMPONENT, TRIED, END, ENTRY = range(11)
_COLUMNS = 16  # two cache lines


@njit(nogil=True, cache=True)
def interleaved(tables, key, first, items, lengths, component):  # type: ignore[no-untyped-def]
    """Fill items [count, longest], lengths [count], component [count, longest or 0] with histories first … first + count − 1.

    Unsigned throughout: numba checks signed indices for being below 0.
    """
    rows, cells, parts = tables.rows, tables.cells, tables.components
    n, base = uint64(tables.settings[0]), uint64(tables.settings[0] * tables.settings[1])
    nothing = uint64(tables.settings[5]) >> uint64(6)
    bits, any_component = uint64(tables.settings[6]), uint64(rows[base + uint64(2)])
    once, record = tables.settings[3] == 0, component.shape[1] > 0
    shift: Any = uint64(64 - 6)
    while (uint64(1) << (uint64(64) - shift)) < uint64(_BITS_PER_ITEM * items.shape[1]):
        shift -= uint64(1)
    words = (uint64(1) << (uint64(64) - shift)) >> uint64(6)
    seen = np.zeros((WIDTH, int64(words)), np.uint64)
    of = np.zeros((WIDTH, _COLUMNS), np.uint64)
    count = uint64(len(items))
    alive: Any = uint64(min(WIDTH, len(items)))
    begun: Any = alive
    for k in range(alive):
        _begin(tables, of, k, key, first, uint64(k))
    ready: Any = uint64(min(WIDTH // 2, int64(alive)))  # so many have had their first turn of this round,
    again: Any = uint64(0)  # and so many that of the next one
    for k in range(ready):
        _name_cell(of, k, rows, cells)
    while alive > 0:
        i: Any = uint64(0)
        while i < alive:
            if ready < alive:
                _name_cell(of, ready, rows, cells)
                ready += uint64(1)
            elif again < i:
                _name_cell(of, again, rows, cells)
                again += uint64(1)
            w, age, at = of[i, WALKER], of[i, AGE], of[i, CELL]
            x = outcome_at(cells, of[i, ENTRY], at, of[i, PLACE], bits)
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
                        if alive >= ready:
                            _name_cell(of, i, rows, cells)
                    ready = min(ready, alive)
                    continue
                seen[i] = 0
                _begin(tables, of, i, key, first, begun)
                begun += uint64(1)
                i += uint64(1)
                continue
            s = of[i, STATE]
            if of[i, TRIED] == 0:
                s += uint64(GOLDEN)
                word = mix64(s)
                of[i, NAMED] = word
                at, place = cell_of(any_component, word >> uint64(33))
                of[i, COMPONENT] = outcome_at(cells, any_component, at, place, bits)
            s += uint64(GOLDEN)
            word = mix64(s)
            of[i, STATE] = s
            o = of[i, COMPONENT]
            reach = min(age, uint64(parts[o, uint64(2)]))
            memory = uint64(rows[uint64(parts[o, uint64(3)]) + reach - uint64(1)])
            at, place = cell_of(memory, word >> uint64(33))
            j = outcome_at(cells, memory, at, place, bits)
            r = uint64(items[w, age - uint64(1) - j]) * uint64(parts[o, uint64(0)]) + uint64(parts[o, uint64(1)])
            of[i, ROW], of[i, PLACE] = r, word & uint64(LOWER)
            prefetch(rows, int64(r))
            i += uint64(1)
        ready, again = again, uint64(0)


@njit(inline="always")
def _begin(tables, of, i, key, first, walker):  # type: ignore[no-untyped-def]
    """History number first + walker in place i: its length, and the try that gives its first item."""
    base = uint64(tables.settings[0] * tables.settings[1])
    state = stream_state(key, first + walker)
    of[i, WALKER], of[i, AGE], of[i, TRIED], of[i, COMPONENT] = walker, 0, 0, 0
    of[i, END] = packed_pick(tables, base + uint64(1), draw(state, uint64(0)) >> uint64(33))
    of[i, ROW], of[i, PLACE] = base, draw(state, uint64(1)) >> uint64(33)
    of[i, STATE] = state + uint64(2) * uint64(GOLDEN)


@njit(inline="always")
def _name_cell(of, i, rows, cells):  # type: ignore[no-untyped-def]
    """First turn of a try: the cell that it names in its row, and the place inside it."""
    of[i, ENTRY] = uint64(rows[of[i, ROW]])
    of[i, CELL], of[i, PLACE] = cell_of(of[i, ENTRY], of[i, PLACE])
    prefetch(cells, int64(of[i, CELL]))
