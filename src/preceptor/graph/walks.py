"""Random walks over the item graph, each a function of (seed, purpose, index) alone.

Draw 0 of a walk's stream gives its length, draw 1 its first item; first-order walks with repeats then use draw t + 1 for
item number t (from 0), the others as many draws as they need. A walk stops where no next item is possible. reference.py
says the same in plain Python.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import int64, njit, uint64

from preceptor.core import workers
from preceptor.core.rng import draw, purpose_key, stream_state
from preceptor.graph.law import edge_weight, factor, scan
from preceptor.graph.policies import FIRST_ORDER, HISTORY, NODE2VEC
from preceptor.graph.tables import WalkTables

TRIES = 16
_TOGETHER = 32  # walks that advance side by side


def sample(
    tables: WalkTables, seed: int, purpose: str, first: int, count: int, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Walks number first … first + count − 1 of (seed, purpose).

    Returns (items int32 [count, longest], −1 beyond a walk's end; lengths int32 [count]). The result doesn't depend on
    `threads` (default: as many as workers may be used).
    """
    items = np.full((count, tables.longest), -1, np.int32)
    lengths = np.empty(count, np.int32)
    key = purpose_key(seed, purpose)
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


@njit(inline="always")
def pick(rows, cells, row, bits):  # type: ignore[no-untyped-def]
    """The outcome of `row` that 64 random bits select (their upper 31 are used); the row must not be empty."""
    entry = rows[row]
    shift = 31 - (entry & 63)
    number = int64(bits >> uint64(33))
    cell = (entry >> 6) + (number >> shift)
    if (number & ((int64(1) << shift) - 1)) < int64(cells[cell, 0]):
        return int64(cells[cell, 1])
    return int64(cells[cell, 2])


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
        item, number = _step(tables, out, t, state, number)
        if item < 0:
            return t
        out[t] = item
    return length


@njit(nogil=True, cache=True)
def _step(tables, out, t, state, number):  # type: ignore[no-untyped-def]
    """Item number t after out[:t] (−1: none is possible), and the number of the next unused draw.

    Rejection sampling under the edge weights; it is memoryless, so that after TRIES refusals a scan of the candidates
    draws from what is still exactly the law of the step.
    """
    policy, rows, cells = tables.policy, tables.rows, tables.cells
    if policy[0] == HISTORY:
        fades = int64(0)
        for j in range(t):
            fades += policy[2 + j] if rows[out[t - 1 - j]] >= 0 else 0
        mask = _mask(fades)
        for _ in range(TRIES if fades > 0 else 0):
            bits = draw(state, number)
            number += uint64(1)
            rest = int64(bits & mask)
            if rest >= fades:
                continue
            j = 0
            while True:
                if rows[out[t - 1 - j]] >= 0:
                    rest -= policy[2 + j]
                    if rest < 0:
                        break
                j += 1
            x = pick(rows, cells, out[t - 1 - j], bits)
            if factor(tables, out, t, x) != 0:
                return x, number
    elif rows[out[t - 1]] >= 0:
        second = policy[0] == NODE2VEC and t > 1
        k = policy[5] if second else int64(0)
        extra = int64(0)  # mass of going back above the bound 2^k: drawn as an outcome of its own
        if second and policy[2] > int64(1) << k and policy[1] != 0:
            back = edge_weight(tables.indptr, tables.indices, tables.weight, out[t - 1], out[t - 2])
            extra = (policy[2] - (int64(1) << k)) * back
        under = int64(1) << (31 + k)
        mask = _mask(under + extra)
        sure = min(policy[2], policy[3], policy[4]) if second and policy[1] != 0 else int64(0)
        for _ in range(TRIES):
            draw_63 = int64(draw(state, number) & mask)
            number += uint64(1)
            if draw_63 >= under + extra:
                continue
            if draw_63 >= under:
                return int64(out[t - 2]), number
            x = pick(rows, cells, out[t - 1], uint64(draw_63 >> k) << uint64(33))
            height = draw_63 & ((int64(1) << k) - 1)
            if height < sure or height < factor(tables, out, t, x):
                return x, number
    total, _ = scan(tables, out, t, -1)
    if total == 0:
        return int64(-1), number
    mask = _mask(total)
    while True:
        place = int64(draw(state, number) & mask)
        number += uint64(1)
        if place < total:
            return scan(tables, out, t, place)[1], number


@njit(inline="always")
def _mask(total):  # type: ignore[no-untyped-def]
    """The smallest 2^m − 1 that is at least total − 1."""
    mask = uint64(max(total - 1, 0))
    for shift in (1, 2, 4, 8, 16, 32):
        mask |= mask >> uint64(shift)
    return mask


@njit(nogil=True, cache=True)
def walks(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items[i, :lengths[i]] with walk first + i under `key`, for each row i of items; for other jitted code.

    First-order walks with repeats advance side by side: their reads don't wait for one another, and memory is what they
    wait for. The walks are the same as `walk` gives.
    """
    if tables.policy[0] != FIRST_ORDER or tables.policy[1] == 0:
        for i in range(len(items)):
            lengths[i] = walk(tables, key, first + uint64(i), items[i])
        return
    rows, cells = tables.rows, tables.cells
    n_items = len(rows) - 2
    states = np.empty(_TOGETHER, np.uint64)
    for base in range(0, len(items), _TOGETHER):
        group = range(base, min(base + _TOGETHER, len(items)))
        longest = 0
        for i in group:
            state = stream_state(key, first + uint64(i))
            states[i - base] = state
            lengths[i] = pick(rows, cells, n_items + 1, draw(state, uint64(0)))
            items[i, 0] = pick(rows, cells, n_items, draw(state, uint64(1)))
            longest = max(longest, lengths[i])
        for t in range(1, longest):
            for i in group:
                if t < lengths[i]:
                    item = items[i, t - 1]
                    if rows[item] < 0:
                        lengths[i] = t
                    else:
                        items[i, t] = pick(rows, cells, item, draw(states[i - base], uint64(t + 1)))
