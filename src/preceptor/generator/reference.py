"""The walks' definition in plain Python: slow, and equal to the kernels walk by walk.

`distribution` is the law of the next item (policies.py) by direct enumeration, in fractions. `walk` makes the very draws
that the kernels make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from preceptor.core import rng
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.policies import HISTORY, NODE2VEC
from preceptor.generator.step import TRIES
from preceptor.generator.walk_tables import WalkTables
from preceptor.graph.graph import TOTAL, Graph


def neighbours(graph: Graph, item: int) -> dict[int, int]:
    """Target → integer weight."""
    row = slice(graph.indptr[item], graph.indptr[item + 1])
    return dict(zip(graph.indices[row].tolist(), graph.weight[row].tolist(), strict=True))


def multiplier(tables: WalkTables, walk: Sequence[int], x: int) -> int:
    """What weights towards x are multiplied with after `walk`."""
    code, repeats, *numbers = tables.policy.tolist()
    if (not repeats and x in walk) or (code == HISTORY and x == walk[-1]):
        return 0
    if code != NODE2VEC or len(walk) < 2:
        return 1
    if x == walk[-2]:
        return numbers[0]
    return numbers[1] if x in neighbours(tables.graph, walk[-2]) else numbers[2]


def candidates(tables: WalkTables, walk: Sequence[int]) -> list[tuple[int, int]]:
    """(x, mass) for each edge that the next step can take, in the order of rows; an x may occur in several rows."""
    code, _, *fades = tables.policy.tolist()
    rows = [(walk[-1 - j], fades[j]) for j in range(len(walk))] if code == HISTORY else [(walk[-1], 1)]
    return [(x, fade * w * multiplier(tables, walk, x)) for h, fade in rows for x, w in neighbours(tables.graph, h).items()]


def distribution(tables: WalkTables, walk: Sequence[int]) -> dict[int, Fraction]:
    """P(next item = x | walk) for every possible x; empty at a dead end."""
    mass: dict[int, int] = {}
    for x, m in candidates(tables, walk):
        mass[x] = mass.get(x, 0) + m
    total = sum(mass.values())
    return {x: Fraction(m, total) for x, m in mass.items() if m}


def probability(tables: WalkTables, walk: Sequence[int]) -> Fraction:
    """Exact probability of a whole walk, start, length and dead end included."""
    p = Fraction(int(tables.start[walk[0]]), TOTAL)
    for t in range(1, len(walk)):
        p *= distribution(tables, walk[:t]).get(walk[t], 0)
    ends = tables.length[len(walk) :] if not distribution(tables, walk) else tables.length[len(walk) : len(walk) + 1]
    return p * Fraction(int(ends.astype(np.int64).sum()), TOTAL)


def walk(tables: WalkTables, seed: int, purpose: str, index: int) -> list[int]:
    """Walk number `index` of (seed, purpose)."""
    draws = draws_of(rng.purpose_key(seed, purpose), index)
    n = len(tables.rows) - 2
    length = outcome(tables, n + 1, next(draws) >> 33)
    items = [outcome(tables, n, next(draws) >> 33)]
    while len(items) < length:
        item = _next_item(tables, items, draws)
        if item is None:
            break
        items.append(item)
    return items


def draws_of(key: np.uint64, index: int) -> Iterator[int]:
    """The 64-bit draws of stream `index`, from the first on."""
    step = 0
    while True:
        yield int(rng.bits(key, np.array([index]), step)[0])
        step += 1


def outcome(tables: WalkTables | MixtureTables, row: int, number: int) -> int:
    """The outcome that a number below 2^31 selects in a row's cells."""
    first, log2_cells = divmod(int(tables.rows[row]), 64)
    cell, place = divmod(number, TOTAL >> log2_cells)
    threshold, below, above = tables.cells[first + cell].tolist()
    return below if place < threshold else above


def _next_item(tables: WalkTables, walk: list[int], draws) -> int | None:  # type: ignore[no-untyped-def]
    code, repeats, *numbers = tables.policy.tolist()
    alive = [bool(neighbours(tables.graph, h)) for h in walk]
    if code == HISTORY:
        sources = [(walk[-1 - j], numbers[j]) for j in range(len(walk)) if alive[-1 - j]]
        total = sum(fade for _, fade in sources)
        for _ in range(TRIES if total else 0):
            rest, bits = below(next(draws), total), next(draws)
            if rest is None:
                continue
            j = next(j for j in range(len(sources)) if rest < sum(fade for _, fade in sources[: j + 1]))
            x = outcome(tables, sources[j][0], bits >> 33)
            if multiplier(tables, walk, x):
                return x
    elif alive[-1]:
        second = code == NODE2VEC and len(walk) > 1
        k = numbers[3] if second else 0
        row = neighbours(tables.graph, walk[-1])
        beyond = max(0, numbers[0] - 2**k) if second and repeats else 0
        back = beyond * row.get(walk[-2], 0) if second else 0
        room = beyond * max(row.values())
        room = room if room <= 2 ** (28 + k) else back
        if code != NODE2VEC and repeats:
            return outcome(tables, walk[-1], next(draws) >> 33)
        for _ in range(TRIES):
            number = below(next(draws), 2 ** (31 + k) + room)
            if number is None or number >= 2 ** (31 + k) + back:
                continue
            if number >= 2 ** (31 + k):
                return walk[-2]
            x = outcome(tables, walk[-1], number >> k)
            if number % 2**k < multiplier(tables, walk, x):
                return x
    choices = candidates(tables, walk)
    total = sum(m for _, m in choices)
    if total == 0:
        return None
    while (place := below(next(draws), total)) is None:
        pass
    return next(x for i, (x, _) in enumerate(choices) if sum(m for _, m in choices[: i + 1]) > place)


def below(bits: int, total: int) -> int | None:
    """The number in range(total) that 64 bits give; None for the 2^64 mod total words that would favour some."""
    place, left = divmod(bits * total, 2**64)
    return None if left < 2**64 % total else place
