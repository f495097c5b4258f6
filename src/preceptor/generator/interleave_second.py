"""node2vec walks, and first-order ones without repeats, many at a time: the same walks as `walks.walk`, faster.

As in interleave.py, but a walker makes one proposal a round, in passes over all walkers: a number that names a cell, the
item in that cell, and whether it is taken. Each pass asks for what the next one reads.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, uint64

from preceptor.core.prefetch import prefetch
from preceptor.core.rng import below, draw, stream_state
from preceptor.generator.interleave import WIDTH
from preceptor.generator.policies import NODE2VEC
from preceptor.generator.step import TRIES, accepted, by_scan, pick, proposal, returning
from preceptor.generator.walk_tables import link_place

_COLUMNS = 9


@njit(nogil=True, cache=True)
def second_order_walks(tables, key, first, items, lengths):  # type: ignore[no-untyped-def]
    """Fill items [count, longest] and lengths [count] with walks first … first + count − 1."""
    rows, cells, links = tables.rows, tables.cells, tables.links
    n_items = len(rows) - 2
    second = tables.policy[0] == NODE2VEC
    state, number = np.empty(WIDTH, np.uint64), np.empty(WIDTH, np.uint64)
    of = np.empty((_COLUMNS, WIDTH), np.int64)  # what is remembered of each walker, by rows:
    walker, t, tries, place, under, extra, k, sure, proposed = (
        of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7], of[8],
    )  # fmt: skip
    for begin in range(0, len(items), WIDTH):
        alive = uint64(min(WIDTH, len(items) - begin))
        for i in range(alive):
            w = begin + int64(i)
            walker[i], t[i], tries[i], number[i] = w, 1, 0, uint64(2)
            state[i] = stream_state(key, first + uint64(w))
            lengths[w] = pick(rows, cells, n_items + 1, draw(state[i], uint64(0)))
            items[w, 0] = pick(rows, cells, n_items, draw(state[i], uint64(1)))
        while alive > 0:
            staying = uint64(0)
            for i in range(alive):  # who has all its items, or none to go to, leaves; the others name a cell
                w = walker[i]
                out = items[uint64(w)]
                entry = rows[uint64(out[uint64(t[i] - 1)])]
                if t[i] == lengths[w] or entry < 0:
                    lengths[w] = t[i]
                    continue
                s = staying
                if s < i:
                    for j in range(_COLUMNS):
                        of[j, s] = of[j, i]
                    state[s], number[s] = state[i], number[i]
                staying += uint64(1)
                if tries[s] == 0:
                    under[s], extra[s], k[s], sure[s] = proposal(tables, out, t[s])
                place[s] = below(draw(state[s], number[s]), uint64(under[s] + extra[s]))
                number[s] += uint64(1)
                tries[s] += 1
                if place[s] < under[s]:
                    prefetch(cells, ((entry >> 6) + ((place[s] >> k[s]) >> (31 - (entry & 63)))) * 3)
            alive = staying
            for i in range(alive):  # the item in the cell
                proposed[i] = -1
                if 0 <= place[i] < under[i]:
                    out = items[uint64(walker[i])]
                    x = pick(rows, cells, out[uint64(t[i] - 1)], uint64(place[i] >> k[i]) << uint64(33))
                    proposed[i] = x
                    prefetch(rows, x)
                    prefetch(tables.peak, x)
                    if second and t[i] > 1 and rows[uint64(out[uint64(t[i] - 2)])] >= 0:
                        prefetch(links, int64(link_place(rows[uint64(out[uint64(t[i] - 2)])], x)[0]))
            for i in range(alive):  # taken or not
                out, x = items[uint64(walker[i])], int64(-1)
                if proposed[i] >= 0:
                    if accepted(tables, out, t[i], proposed[i], place[i] & ((int64(1) << k[i]) - 1), sure[i]):
                        x = proposed[i]
                elif place[i] >= under[i] and place[i] - under[i] < returning(tables, out, t[i]):
                    x = int64(out[t[i] - 2])
                if x < 0 and tries[i] == TRIES:
                    x, number[i] = by_scan(tables, out, t[i], state[i], number[i])
                    if x < 0:
                        lengths[walker[i]] = t[i]  # a dead end: it leaves in the next round
                if x >= 0:
                    out[t[i]] = x
                    t[i] += 1
                    tries[i] = 0
