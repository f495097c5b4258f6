"""node2vec walks, and first-order ones without repeats, many at a time: the same walks as `walks.walk`, faster.

As in interleave.py, but a walker makes one proposal a round: its cell, and on arrival at an item the item's row of
neighbours (searched when the next steps ask for edges back to it), are prefetched a round ahead.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint64

from preceptor.core.rng import draw, stream_state
from preceptor.graph.interleave import WIDTH, prefetch
from preceptor.graph.step import TRIES, accepted, by_scan, mask_of, pick, proposal

_LINE = 16  # int32 numbers a cache line holds
_LINES = 16  # at most so many lines of a row are fetched


@njit(nogil=True, cache=True)
def second_order_walks(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items [count, longest] and lengths [count] with walks first … first + count − 1."""
    rows, cells, indptr, indices = tables.rows, tables.cells, tables.indptr, tables.indices
    n_items = len(rows) - 2
    state, number, mask = np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64)
    of = np.empty((WIDTH, 8), np.int64)  # what is remembered of each walker, by columns:
    walker, t, tries, place, under, extra, k, sure = (
        of[:, 0], of[:, 1], of[:, 2], of[:, 3], of[:, 4], of[:, 5], of[:, 6], of[:, 7],
    )  # fmt: skip
    for begin in range(0, len(items), WIDTH):
        alive = min(WIDTH, len(items) - begin)
        for i in range(alive):
            w = begin + i
            walker[i], t[i], tries[i], number[i] = w, 1, 0, uint64(2)
            state[i] = stream_state(key, first + uint64(w))
            lengths[w] = pick(rows, cells, n_items + 1, draw(state[i], uint64(0)))
            items[w, 0] = pick(rows, cells, n_items, draw(state[i], uint64(1)))
        while alive > 0:
            staying = 0
            for i in range(alive):  # who has all its items, or none to go to, leaves; arrivals fetch their row
                w = walker[i]
                here = items[w, t[i] - 1]
                if t[i] == lengths[w] or rows[here] < 0:
                    lengths[w] = t[i]
                    continue
                if tries[i] == 0:
                    start = indptr[here]
                    for line in range(min(_LINES, (indptr[here + 1] - start) // _LINE + 1)):
                        prefetch(indices, start + line * _LINE)
                if staying < i:
                    for j in range(8):
                        of[staying, j] = of[i, j]
                    state[staying], number[staying], mask[staying] = state[i], number[i], mask[i]
                staying += 1
            alive = staying
            for i in range(alive):  # propose
                out = items[walker[i]]
                if tries[i] == 0:
                    under[i], extra[i], k[i], sure[i] = proposal(tables, out, t[i])
                    mask[i] = mask_of(under[i] + extra[i])
                place[i] = int64(draw(state[i], number[i]) & mask[i])
                number[i] += uint64(1)
                tries[i] += 1
                if place[i] < under[i]:
                    entry = rows[out[t[i] - 1]]
                    prefetch(cells, ((entry >> 6) + ((place[i] >> k[i]) >> (31 - (entry & 63)))) * 3)
            for i in range(alive):  # accept or not
                w = walker[i]
                out, x = items[w], int64(-1)
                if place[i] < under[i]:
                    proposed = pick(rows, cells, out[t[i] - 1], uint64(place[i] >> k[i]) << uint64(33))
                    if accepted(tables, out, t[i], proposed, place[i] & ((int64(1) << k[i]) - 1), sure[i]):
                        x = proposed
                elif place[i] < under[i] + extra[i]:
                    x = int64(out[t[i] - 2])
                if x < 0 and tries[i] == TRIES:
                    x, number[i] = by_scan(tables, out, t[i], state[i], number[i])
                    if x < 0:
                        lengths[w] = t[i]  # a dead end: it leaves in the next round
                if x >= 0:
                    out[t[i]] = x
                    t[i] += 1
                    tries[i] = 0
                    prefetch(rows, x)
                    prefetch(indptr, x)
