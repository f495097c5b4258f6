"""One step of a history drawn from a mixture: a draw from exactly the law of mixture_tables.py.

A step's first draw names the component (upper 31 bits) and, should that be a part without mass, whether the priors take its
place (lower 31 bits below `passed`). Each further draw is a try: an item of the history by its fade (upper 31 bits), then a
neighbour of it (lower 31 bits); of a prior, an item. A try that names an item of the history, no member, or a row without
edges is refused and made anew within the component. That is rejection sampling from K_c; it is memoryless, so that after
TRIES refusals a scan draws from what is still exactly K_c, or finds that it has no mass. Then another component is drawn.
"""

from __future__ import annotations

from numba import int64, njit, uint64

from preceptor.core.rng import below, draw
from preceptor.generator.packed_cells import packed_pick
from preceptor.generator.step import TRIES

LOWER = (1 << 31) - 1


@njit(nogil=True, cache=True)
def next_item(tables, out, t, state, number):  # type: ignore[no-untyped-def]
    """Item number t after out[:t] (−1: none is possible), its component, and the number of the next unused draw."""
    settings = tables.settings
    word = draw(state, number)
    c = int64(packed_pick(tables, settings[0] * settings[1] + 2, word >> uint64(33)))
    x, number = attempt(tables, out, t, c, state, number + uint64(1))
    if x >= 0:
        return x, c, number
    return instead(tables, out, t, c, int64(word & uint64(LOWER)), state, number)


@njit(nogil=True, cache=True)
def attempt(tables, out, t, c, state, number):  # type: ignore[no-untyped-def]
    """A draw from component c alone: (item or −1, next unused draw)."""
    stride, offset, reach, memory = (
        tables.components[c, 0],
        tables.components[c, 1],
        tables.components[c, 2],
        tables.components[c, 3],
    )
    for _ in range(TRIES):
        word = draw(state, number)
        number += uint64(1)
        j = int64(packed_pick(tables, memory + min(int64(t), reach) - 1, word >> uint64(33)))
        row = int64(out[t - 1 - j]) * stride + offset
        x = int64(packed_pick(tables, row, word & uint64(LOWER)))
        if allowed(tables, out, t, x):
            return x, number
        if tables.rows[row] == tables.settings[5] and asleep(tables, out, t, c):
            return int64(-1), number
    return scanned(tables, out, t, c, state, number)


@njit(nogil=True, cache=True)
def asleep(tables, out, t, c):  # type: ignore[no-untyped-def]
    """Whether no item that part c reads has an edge."""
    stride, offset, reach, _, _ = tables.components[c]
    for j in range(min(int64(t), reach)):  # noqa: SIM110
        if tables.rows[int64(out[t - 1 - j]) * stride + offset] != tables.settings[5]:
            return False
    return True


@njit(inline="always")
def allowed(tables, out, t, x):  # type: ignore[no-untyped-def]
    """Whether x is a candidate: an item, and not of the history where items don't repeat."""
    if x == tables.settings[0]:
        return False
    if tables.settings[3] == 0:
        for i in range(t):
            if out[i] == x:
                return False
    return True


@njit(nogil=True, cache=True)
def scanned(tables, out, t, c, state, number):  # type: ignore[no-untyped-def]
    """A draw from component c by adding up its masses: (item, next unused draw), −1 where it has none."""
    total, _ = scan(tables, out, t, c, -1)
    if total == 0:
        return int64(-1), number
    while True:
        place = below(draw(state, number), uint64(total))
        number += uint64(1)
        if place >= 0:
            return scan(tables, out, t, c, place)[1], number


@njit(nogil=True, cache=True)
def scan(tables, out, t, c, place):  # type: ignore[no-untyped-def]
    """Go through the candidates of component c, memory by memory in the order of rows, adding up their masses.

    Returns (sum of all masses, −1) when place is −1, else (sum so far, item) where the sum first exceeds place.
    """
    n, total = tables.settings[0], int64(0)
    if c >= tables.settings[2]:
        units = tables.prior[c - tables.settings[2]]
        for x in range(n):
            if units[x] > 0 and allowed(tables, out, t, x):
                total += int64(units[x])
                if 0 <= place < total:
                    return total, int64(x)
        return total, int64(-1)
    stride, offset, reach, memory = (
        tables.components[c, 0],
        tables.components[c, 1],
        tables.components[c, 2],
        tables.components[c, 4],
    )
    read = min(int64(t), reach)
    for j in range(read):
        fade, row = int64(tables.memory[memory, read - 1, j]), int64(out[t - 1 - j]) * stride + offset
        for e in range(tables.indptr[row], tables.indptr[row + 1]):
            x = int64(tables.indices[e])
            if allowed(tables, out, t, x):
                total += fade * int64(tables.weight[e])
                if 0 <= place < total:
                    return total, x
    return total, int64(-1)


@njit(nogil=True, cache=True)
def instead(tables, out, t, c, spare, state, number):  # type: ignore[no-untyped-def]
    """The step's item after component c was found without mass: (item or −1, component, next unused draw).

    spare: the lower 31 bits of the draw that named c. Components found without mass are left out, one by one.
    """
    parts, count = tables.settings[2], int64(len(tables.share))
    dead = uint64(1) << uint64(c)
    priors = c >= parts or spare < tables.settings[4]
    total = _left(tables, dead, priors)
    if total == 0:
        priors = not priors
        total = _left(tables, dead, priors)
    while total > 0:
        place = below(draw(state, number), uint64(total))
        number += uint64(1)
        if place < 0:
            continue
        c = (parts if priors else int64(0)) - 1
        while place >= 0:
            c += 1
            if not (dead >> uint64(c)) & uint64(1):
                place -= int64(tables.share[c])
        x, number = attempt(tables, out, t, c, state, number)
        if x >= 0:
            return x, c, number
        dead |= uint64(1) << uint64(c)
        total = _left(tables, dead, priors)
        if total == 0:
            priors = not priors
            total = _left(tables, dead, priors)
    return int64(-1), count, number


@njit(nogil=True, cache=True)
def _left(tables, dead, priors):  # type: ignore[no-untyped-def]
    """λ of the parts, or of the priors, that aren't known to be without mass."""
    total, parts = int64(0), tables.settings[2]
    for c in range(parts if priors else int64(0), int64(len(tables.share)) if priors else parts):
        if not (dead >> uint64(c)) & uint64(1):
            total += int64(tables.share[c])
    return total
