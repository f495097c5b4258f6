"""One step of a walk: a draw from exactly the law of law.py.

Rejection sampling under the edge weights; it is memoryless, so that after TRIES refusals a scan of the candidates draws
from what is still exactly the law of the step.
"""

from __future__ import annotations

from numba import int64, njit, uint64

from preceptor.core.rng import below, draw
from preceptor.generator.mass import edge_weight, factor, scan
from preceptor.generator.policies import HISTORY, NODE2VEC

TRIES = 32


@njit(inline="always")
def pick(rows, cells, row, bits):  # type: ignore[no-untyped-def]
    """The outcome of `row` that 64 random bits select (their upper 31 are used); the row must not be empty."""
    entry = rows[row]
    shift = 31 - (entry & 63)
    number = int64(bits >> uint64(33))
    cell = (entry >> 6) + (number >> shift)
    place = number & ((int64(1) << shift) - 1)
    return int64(cells[cell, 1 + int64(place >= int64(cells[cell, 0]))])  # no branch: it would be guessed wrong


@njit(nogil=True, cache=True)
def step(tables, out, t, state, number):  # type: ignore[no-untyped-def]
    """Item number t after out[:t] (−1: none is possible), and the number of the next unused draw."""
    if tables.policy[0] == HISTORY:
        x, number = _try_history(tables, out, t, state, number)
        if x >= 0:
            return x, number
    elif tables.rows[out[t - 1]] >= 0:
        under, extra, k, sure = proposal(tables, out, t)
        for _ in range(TRIES):
            place = below(draw(state, number), uint64(under + extra))
            number += uint64(1)
            if place < 0:
                continue
            if place < under:
                x = pick(tables.rows, tables.cells, out[t - 1], uint64(place >> k) << uint64(33))
                if accepted(tables, out, t, x, place & ((int64(1) << k) - 1), sure):
                    return x, number
            elif place - under < returning(tables, out, t):
                return int64(out[t - 2]), number
    return by_scan(tables, out, t, state, number)


@njit(inline="always")
def proposal(tables, out, t):  # type: ignore[no-untyped-def]
    """How to propose item t of a first-order or node2vec walk: (under, extra, k, sure).

    A number below `under` = 2^(31 + k) holds an edge (upper 31 bits) and a height (lower k bits); x is taken if the height is
    below its factor, as it is for any x below `sure`. Where going back has a factor above 2^k, the rest of its mass is an
    outcome of its own: `extra` is that mass, or what it would be at the row's largest weight, if that isn't much.
    """
    policy = tables.policy
    if policy[0] != NODE2VEC or t < 2:
        return int64(1) << 31, int64(0), int64(0), int64(0)
    k, extra = policy[5], int64(0)
    if policy[1] != 0 and policy[2] > int64(1) << k:
        extra = (policy[2] - (int64(1) << k)) * int64(tables.peak[uint64(out[t - 1])])
        if extra > int64(1) << (28 + k):
            extra = returning(tables, out, t)
    sure = min(policy[2], policy[3], policy[4]) if policy[1] != 0 else int64(0)
    return int64(1) << (31 + k), extra, k, sure


@njit(inline="always")
def returning(tables, out, t):  # type: ignore[no-untyped-def]
    """Mass of going back to out[t − 2] beyond a factor of 2^k, which it has above the others'."""
    back = edge_weight(tables.indptr, tables.indices, tables.weight, out[t - 1], out[t - 2])
    return (tables.policy[2] - (int64(1) << tables.policy[5])) * back


@njit(inline="always")
def accepted(tables, out, t, x, height, sure):  # type: ignore[no-untyped-def]
    """Whether the proposed x is taken."""
    return height < sure or height < factor(tables, out, t, x)


@njit(nogil=True, cache=True)
def by_scan(tables, out, t, state, number):  # type: ignore[no-untyped-def]
    """Item number t by adding up all masses; −1 where there are none."""
    total, _ = scan(tables, out, t, -1)
    if total == 0:
        return int64(-1), number
    while True:
        place = below(draw(state, number), uint64(total))
        number += uint64(1)
        if place >= 0:
            return scan(tables, out, t, place)[1], number


@njit(nogil=True, cache=True)
def _try_history(tables, out, t, state, number):  # type: ignore[no-untyped-def]
    """Choose an item of the walk by its fade, then an edge of that item; −1 after TRIES refusals."""
    policy, rows = tables.policy, tables.rows
    fades = int64(0)
    for j in range(t):
        fades += policy[2 + j] if rows[out[t - 1 - j]] >= 0 else 0
    for _ in range(TRIES if fades > 0 else 0):
        rest = below(draw(state, number), uint64(fades))
        bits = draw(state, number + uint64(1))
        number += uint64(2)
        if rest < 0:
            continue
        j = -1
        while rest >= 0:
            j += 1
            if rows[out[t - 1 - j]] >= 0:
                rest -= policy[2 + j]
        x = pick(rows, tables.cells, out[t - 1 - j], bits)
        if factor(tables, out, t, x) != 0:
            return x, number
    return int64(-1), number
