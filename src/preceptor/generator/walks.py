"""Random walks over the item graph, each a function of (seed, purpose, index) alone.

Draw 0 of a walk's stream gives its length, draw 1 its first item; first-order walks with repeats then use draw t + 1 for
item number t (from 0), the others as many draws as they need. A walk stops where no next item is possible. reference.py
says the same in plain Python.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit, uint64

from preceptor.core import workers
from preceptor.core.rng import draw, purpose_key, stream_state
from preceptor.generator.interleave import first_order_walks
from preceptor.generator.interleave_second import second_order_walks
from preceptor.generator.policies import FIRST_ORDER, HISTORY
from preceptor.generator.step import pick, step
from preceptor.generator.walk_tables import WalkTables


def sample(
    tables: WalkTables, seed: int, purpose: str, first: int, count: int, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Walks number first … first + count − 1 of (seed, purpose).

    Returns (items int32 [count, longest], −1 beyond a walk's end; lengths int32 [count]). The result doesn't depend on
    `threads` (default: as many as workers may be used).
    """
    items = np.full((count, tables.longest), -1, np.int32)
    lengths = np.empty(count, np.int32)
    key, tables = purpose_key(seed, purpose), tables.checked()
    threads = min(threads or workers.count(), max(1, count // 1024))
    cuts = [count * i // threads for i in range(threads + 1)]

    def part(i: int) -> None:
        walks(tables, key, np.uint64(first + cuts[i]), items[cuts[i] : cuts[i + 1]], lengths[cuts[i] : cuts[i + 1]])

    if threads == 1:
        part(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(threads)))
    return items, lengths


@njit(nogil=True, cache=True)
def walk(tables, key, index, out):  # type: ignore[no-untyped-def]
    """Fill out[:length] (int32, room for tables.longest) with walk `index` under `key` (uint64); return its length.

    `key` is core.rng.purpose_key(seed, purpose). May be called from other jitted code.
    """
    rows, cells = tables.rows, tables.cells
    n_items = len(rows) - 2
    state = stream_state(key, uint64(index))
    length = pick(rows, cells, n_items + 1, draw(state, uint64(0)))
    item = pick(rows, cells, n_items, draw(state, uint64(1)))
    out[0] = item
    if tables.policy[0] == FIRST_ORDER and tables.policy[1] != 0:
        for t in range(1, length):
            if rows[item] < 0:
                return t
            item = pick(rows, cells, item, draw(state, uint64(t + 1)))
            out[t] = item
        return length
    number = uint64(2)
    for t in range(1, length):
        item, number = step(tables, out, t, state, number)
        if item < 0:
            return t
        out[t] = item
    return length


@njit(nogil=True, cache=True)
def walks(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items (int32 [count, longest]) and lengths (int32 [count]) with walks first … first + count − 1 under `key`.

    For jitted code that needs many walks: the same ones as `walk` gives, several times as fast.
    """
    if tables.policy[0] == FIRST_ORDER and tables.policy[1] != 0:
        first_order_walks(tables, key, first, items, lengths)
        return
    if tables.policy[0] != HISTORY:
        second_order_walks(tables, key, first, items, lengths)
        return
    for i in range(len(items)):
        lengths[i] = walk(tables, key, first + uint64(i), items[i])
