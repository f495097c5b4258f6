"""First-order walks, many at a time: the same walks as `walks.walk`, several times as fast.

A walk alone waits for memory at each step: the next cell's address is known only when the last one has been read. Here
WIDTH walkers take a step each in turn, and ask for their next cache line one round ahead (software prefetch, as in Chen et
al., VLDB 2004), so that the waits overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import int64, njit, types, uint64
from numba.core import cgutils
from numba.extending import intrinsic

from preceptor.core.rng import draw, stream_state

WIDTH = 32


@intrinsic
def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of element `index` of a flat view of `array`. Changes no result."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        flags = [ir.IntType(32)] * 3
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *flags]), "llvm.prefetch.p0"
        )
        read, keep, data_cache = (ir.Constant(ir.IntType(32), value) for value in (0, 3, 1))
        builder.call(function, [address, read, keep, data_cache])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


prefetch: Any = _prefetch  # an intrinsic is called without its typing context, which type checkers can't know


@njit(nogil=True, cache=True)
def first_order_walks(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items [count, longest] and lengths [count] with walks first … first + count − 1."""
    rows, cells = tables.rows, tables.cells
    n_items = len(rows) - 2
    state = np.empty(WIDTH, np.uint64)
    row = np.empty(WIDTH, np.int64)  # where each walker stands
    cell = np.empty(WIDTH, np.int64)
    place = np.empty(WIDTH, np.int64)
    walker = np.empty(WIDTH, np.int64)
    for begin in range(0, len(items), WIDTH):
        alive = min(WIDTH, len(items) - begin)
        for k in range(alive):
            walker[k] = begin + k
            state[k] = stream_state(key, first + uint64(begin + k))
            c, r = _cell(rows[n_items + 1], draw(state[k], uint64(0)))
            lengths[begin + k] = cells[c, 1 + int64(r >= int64(cells[c, 0]))]
            row[k] = n_items
        t = 0
        while alive > 0:
            for k in range(alive):
                cell[k], place[k] = _cell(rows[row[k]], draw(state[k], uint64(t + 1)))
                prefetch(cells, cell[k] * 3)
            staying = 0
            for k in range(alive):
                c = cell[k]
                item = int64(cells[c, 1 + int64(place[k] >= int64(cells[c, 0]))])
                prefetch(rows, item)
                items[walker[k], t] = item
                row[staying], state[staying], walker[staying] = item, state[k], walker[k]
                staying += int64(t + 1 < lengths[walker[k]])
            t += 1
            alive = 0
            for k in range(staying):  # those on a dead end stop
                if rows[row[k]] < 0:
                    lengths[walker[k]] = t
                else:
                    row[alive], state[alive], walker[alive] = row[k], state[k], walker[k]
                    alive += 1


@njit(inline="always")
def _cell(entry, bits):  # type: ignore[no-untyped-def]
    """The cell of a row, and the place inside it, that the upper 31 bits select."""
    shift = 31 - (entry & 63)
    number = int64(bits >> uint64(33))
    return (entry >> 6) + (number >> shift), number & ((int64(1) << shift) - 1)
