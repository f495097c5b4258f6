"""The law of the next item in exact integers, for the sampler and for its log-probability alike. See policies.py."""

from __future__ import annotations

from numba import int64, njit, uint64

from preceptor.generator.policies import HISTORY, NODE2VEC
from preceptor.generator.walk_tables import link_place


@njit(inline="always")
def edge_weight(indptr, indices, weight, source, target):  # type: ignore[no-untyped-def]
    """Weight of the edge source → target, 0 where there is none: binary search in the row.

    Without branches, which would be guessed wrong half of the time; unsigned, as numba checks signed indices for being below 0.
    """
    at, rest = uint64(indptr[source]), uint64(indptr[source + 1] - indptr[source])
    if rest == 0:
        return int64(0)
    while rest > 1:
        half = rest >> uint64(1)
        at += half * uint64(indices[at + half] <= target)
        rest -= half
    return int64(weight[at]) if indices[at] == target else int64(0)


@njit(inline="always")
def linked(tables, source, x):  # type: ignore[no-untyped-def]
    """Whether source → x is an edge; for node2vec, whose tables have links."""
    if tables.rows[uint64(source)] < 0:
        return False
    place, begin, end = link_place(tables.rows[uint64(source)], x)
    links = tables.links
    while links[place] != x and links[place] >= 0:
        place += uint64(1)
        if place == end:
            place = begin
    return links[place] == x


@njit(inline="always")
def factor(tables, walk, t, x):  # type: ignore[no-untyped-def]
    """What the edge weight to candidate x is multiplied with, given walk[:t]; 0 where x is not allowed."""
    code = tables.policy[0]
    if tables.policy[1] == 0:
        for i in range(t):
            if walk[i] == x:
                return int64(0)
    elif code == HISTORY and walk[t - 1] == x:
        return int64(0)
    if code != NODE2VEC or t < 2:
        return int64(1)
    previous = walk[t - 2]
    if x == previous:
        return tables.policy[2]
    return tables.policy[3] if linked(tables, previous, x) else tables.policy[4]


@njit(nogil=True, cache=True)
def mass(tables, walk, t, x):  # type: ignore[no-untyped-def]
    """Integer mass of x as item number t after walk[:t]."""
    allowed = factor(tables, walk, t, x)
    if allowed == 0:
        return int64(0)
    indptr, indices, weight = tables.indptr, tables.indices, tables.weight
    if tables.policy[0] != HISTORY:
        return edge_weight(indptr, indices, weight, walk[t - 1], x) * allowed
    total = int64(0)
    for j in range(t):
        total += tables.policy[2 + j] * edge_weight(indptr, indices, weight, walk[t - 1 - j], x)
    return total


@njit(nogil=True, cache=True)
def scan(tables, walk, t, number):  # type: ignore[no-untyped-def]
    """Go through the candidates after walk[:t] in the order of rows, adding up their masses.

    Returns (sum of all masses, −1) when number is −1, else (sum so far, item) where the sum first exceeds number.
    """
    total = int64(0)
    back = t if tables.policy[0] == HISTORY else 1
    for j in range(back):
        scale = tables.policy[2 + j] if tables.policy[0] == HISTORY else int64(1)
        if scale == 0:
            continue
        row = walk[t - 1 - j]
        for e in range(tables.indptr[row], tables.indptr[row + 1]):
            x = tables.indices[e]
            total += scale * int64(tables.weight[e]) * factor(tables, walk, t, x)
            if number >= 0 and total > number:
                return total, int64(x)
    return total, int64(-1)
