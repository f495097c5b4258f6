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
    """Fill items [count, longest] and lengths [count] with walks first … first + count − 1.

    Unsigned throughout: numba checks signed indices for being below 0.
    """
    rows, cells = tables.rows, tables.cells
    n_items = len(rows) - 2
    state, row, cell, place, last, walker = (
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
        np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64),
    )  # fmt: skip
    for begin in range(0, len(items), WIDTH):
        alive = uint64(min(WIDTH, len(items) - begin))
        for k in range(alive):
            walker[k] = uint64(begin) + k
            state[k] = stream_state(key, first + walker[k])
            c, r = _cell(rows[n_items + 1], draw(state[k], uint64(0)))
            last[k] = cells[c, uint64(1) + uint64(r >= uint64(cells[c, 0]))]
            lengths[walker[k]] = last[k]
            row[k] = n_items
        t = uint64(0)
        while alive > 0:
            staying = uint64(0)
            for k in range(alive):
                entry = rows[row[k]]
                if t == last[k]:
                    continue
                if entry < 0:  # a dead end
                    lengths[walker[k]] = t
                    continue
                if staying < k:
                    row[staying], state[staying], walker[staying], last[staying] = row[k], state[k], walker[k], last[k]
                c, place[staying] = _cell(entry, draw(state[staying], t + uint64(1)))
                cell[staying] = c
                prefetch(cells, int64(c * uint64(3)))
                staying += uint64(1)
            alive = staying
            for k in range(alive):
                c = cell[k]
                item = cells[c, uint64(1) + uint64(place[k] >= uint64(cells[c, 0]))]
                row[k] = item
                prefetch(rows, int64(item))
                items[walker[k], t] = item
            t += uint64(1)


@njit(inline="always")
def _cell(entry, bits):  # type: ignore[no-untyped-def]
    """The cell of a row, and the place inside it, that the upper 31 bits select."""
    shift = uint64(31) - (uint64(entry) & uint64(63))
    number = bits >> uint64(33)
    return (uint64(entry) >> uint64(6)) + (number >> shift), number & ((uint64(1) << shift) - uint64(1))
