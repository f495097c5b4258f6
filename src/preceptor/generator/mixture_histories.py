"""Histories drawn from a mixture, each a function of (seed, purpose, index) alone.

Draw 0 of a history's stream gives its length, draw 1 its first item; then each item uses as many draws as it needs
(mixture_step.py). A history ends early where no next item is possible. mixture_reference.py says the same in plain Python.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import int64, njit, uint64

from preceptor.core import workers
from preceptor.core.rng import draw, purpose_key, stream_state
from preceptor.generator.mixture_interleave import interleaved
from preceptor.generator.mixture_step import next_item
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.packed_cells import packed_pick

NO_COMPONENT = 255  # of the first item, and beyond a history's end


def sample(
    tables: MixtureTables, seed: int, purpose: str, first: int, count: int, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Histories number first … first + count − 1 of (seed, purpose).

    Returns (items int32 [count, longest], −1 beyond a history's end; lengths int32 [count]). The result doesn't depend on
    `threads` (default: as many as workers may be used).
    """
    items, lengths, _ = _sample(tables, seed, purpose, first, count, threads, 0)
    return items, lengths


def sample_with_components(
    tables: MixtureTables, seed: int, purpose: str, first: int, count: int, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `sample`, and which component each item was drawn from.

    component: uint8 [count, longest]: the number of a part, or n_parts + that of a prior; NO_COMPONENT for the first item and
    beyond a history's end. So an item comes from the signal where component < tables.n_parts.
    """
    return _sample(tables, seed, purpose, first, count, threads, tables.longest)


def _sample(
    tables: MixtureTables, seed: int, purpose: str, first: int, count: int, threads: int | None, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items = np.full((count, tables.longest), -1, np.int32)
    lengths = np.empty(count, np.int32)
    component = np.full((count, width), NO_COMPONENT, np.uint8)
    key = purpose_key(seed, purpose)
    threads = min(threads or workers.count(), max(1, count // 1024))
    cuts = [count * i // threads for i in range(threads + 1)]

    def part(i: int) -> None:
        cut = slice(cuts[i], cuts[i + 1])
        histories_with_components(tables, key, np.uint64(first + cuts[i]), items[cut], lengths[cut], component[cut])

    if threads == 1:
        part(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(part, range(threads)))
    return items, lengths, component


@njit(nogil=True, cache=True)
def history(tables, key, index, out):  # type: ignore[no-untyped-def]
    """Fill out[:length] (int32, room for tables.longest) with history `index` under `key` (uint64); return its length.

    `key` is core.rng.purpose_key(seed, purpose). May be called from other jitted code.
    """
    return one_history(tables, key, index, out, np.empty(0, np.uint8))


@njit(nogil=True, cache=True)
def histories(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items (int32 [count, longest]) and lengths (int32 [count]) with histories first … first + count − 1 under `key`.

    For jitted code that needs many histories: the same ones as `history` gives, several times as fast.
    """
    histories_with_components(tables, key, first, items, lengths, np.empty((len(items), 0), np.uint8))


@njit(nogil=True, cache=True)
def histories_with_components(tables, key, first, items, lengths, component):  # type: ignore[no-untyped-def]
    """As `histories`; component (uint8 [count, longest], or [count, 0] to leave it out) gets each later item's component."""
    interleaved(tables, key, uint64(first), items, lengths, component)


@njit(nogil=True, cache=True)
def one_history(tables, key, index, out, component):  # type: ignore[no-untyped-def]
    """As `history`; component (uint8, room for tables.longest, or empty) gets each later item's component."""
    base = tables.settings[0] * tables.settings[1]
    state = stream_state(key, uint64(index))
    length = int64(packed_pick(tables, base + 1, draw(state, uint64(0)) >> uint64(33)))
    out[0] = packed_pick(tables, base, draw(state, uint64(1)) >> uint64(33))
    number = uint64(2)
    for t in range(1, length):
        x, c, number = next_item(tables, out, t, state, number)
        if x < 0:
            return t
        out[t] = x
        if len(component) > 0:
            component[t] = c
    return length
