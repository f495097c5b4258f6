"""The mixture's definition in plain Python: slow, and equal to the kernels history by history.

`components` and `distribution` are the law of mixture_tables.py by direct enumeration, in fractions. `history` makes the very
draws that the kernels make.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from preceptor.core import rng
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.generator.reference import below, draws_of
from preceptor.generator.step import TRIES
from preceptor.graph.graph import TOTAL

Law = dict[int, Fraction]


def candidates(tables: MixtureTables, history: Sequence[int], c: int) -> list[tuple[int, int]]:
    """(x, mass) for each way in which component c leads to a candidate, in the order of rows; an x may occur several times."""
    n, _, n_parts, repeats, *_ = tables.settings.tolist()
    if c >= n_parts:
        found = list(enumerate(tables.prior[c - n_parts].tolist()))
    else:
        stride, offset, reach, _, memory = tables.components[c].tolist()
        read = min(len(history), reach)
        found = []
        for j, fade in enumerate(tables.memory[memory, read - 1, :read].tolist()):
            row = history[-1 - j] * stride + offset
            edges = slice(tables.indptr[row], tables.indptr[row + 1])
            pairs = zip(tables.indices[edges].tolist(), tables.weight[edges].tolist(), strict=True)
            found += [(x, fade * w) for x, w in pairs]
    return [(x, m) for x, m in found if m > 0 and x < n and (repeats or x not in history)]


def components(tables: MixtureTables, history: Sequence[int]) -> dict[int, tuple[Fraction, Law]]:
    """Of each component with mass: its weight after this history, and K_c(x | history). Empty where the history ends."""
    n_parts, passed = int(tables.settings[2]), Fraction(int(tables.settings[4]), TOTAL)
    share = [Fraction(s, TOTAL) for s in tables.share.tolist()]
    laws: dict[int, Law] = {}
    for c in range(len(share)):
        law: Law = {}
        for x, m in candidates(tables, history, c):
            law[x] = law.get(x, Fraction(0)) + m
        total = sum(law.values())
        if total:
            laws[c] = {x: m / total for x, m in law.items()}
    alive = [sum(share[c] for c in laws if (c >= n_parts) == priors) for priors in (False, True)]
    silent = sum(share[:n_parts]) - alive[0]
    of_priors = Fraction(0) if not alive[1] else Fraction(1) if not alive[0] else sum(share[n_parts:]) + passed * silent
    weight = [1 - of_priors, of_priors]
    return {c: (share[c] / alive[c >= n_parts] * weight[c >= n_parts], law) for c, law in laws.items()}


def distribution(tables: MixtureTables, history: Sequence[int]) -> Law:
    """P(next item = x | history) for every possible x; empty at a dead end."""
    total: Law = {}
    for weight, law in components(tables, history).values():
        for x, p in law.items():
            total[x] = total.get(x, Fraction(0)) + weight * p
    return total


def probability(tables: MixtureTables, history: Sequence[int]) -> Fraction:
    """Exact probability of a whole history, start, length and dead end included."""
    p = Fraction(int(tables.start[history[0]]), TOTAL)
    for t in range(1, len(history)):
        p *= distribution(tables, history[:t]).get(history[t], 0)
    ends = (
        tables.length[len(history) :] if not distribution(tables, history) else tables.length[len(history) : len(history) + 1]
    )
    return p * Fraction(int(ends.astype(np.int64).sum()), TOTAL)


def history(tables: MixtureTables, seed: int, purpose: str, index: int) -> tuple[list[int], list[int]]:
    """History number `index` of (seed, purpose), and the components of its items from the second on."""
    draws = draws_of(rng.purpose_key(seed, purpose), index)
    base = int(tables.settings[0] * tables.settings[1])
    length = outcome(tables, base + 1, next(draws) >> 33)
    items, parts = [outcome(tables, base, next(draws) >> 33)], []
    while len(items) < length:
        found = _next_item(tables, items, draws)
        if found is None:
            break
        items.append(found[0])
        parts.append(found[1])
    return items, parts


def outcome(tables: MixtureTables, row: int, number: int) -> int:
    """The outcome that a number below 2^31 selects in an alias row."""
    first, log2_cells = divmod(int(tables.rows[row]), 64)
    at, place = divmod(number, TOTAL >> log2_cells)
    cell, size = int(tables.cells[first + at]), 2 ** int(tables.settings[6])
    if size == 1:  # a linked cell
        threshold, alias = divmod(cell >> 32, 2**log2_cells)
        return (cell if place < threshold else int(tables.cells[first + alias])) % 2**32
    threshold, above, below_it = cell // size // size, cell // size % size, cell % size
    return below_it if place < threshold else above


def _next_item(tables: MixtureTables, history: list[int], draws: Iterator[int]) -> tuple[int, int] | None:
    n, n_graphs, n_parts, _, passed, *_ = tables.settings.tolist()
    word = next(draws)
    c = outcome(tables, n * n_graphs + 2, word >> 33)
    x = _attempt(tables, history, c, draws)
    if x is not None:
        return x, c
    groups = [list(range(n_parts)), list(range(n_parts, len(tables.share)))]
    priors = c >= n_parts or word % 2**31 < passed
    groups[c >= n_parts].remove(c)
    for group in (groups[priors], groups[not priors]):
        while group:
            place = below(next(draws), sum(int(tables.share[d]) for d in group))
            if place is None:
                continue
            c = next(d for i, d in enumerate(group) if place < sum(int(tables.share[e]) for e in group[: i + 1]))
            x = _attempt(tables, history, c, draws)
            if x is not None:
                return x, c
            group.remove(c)
    return None


def _attempt(tables: MixtureTables, history: list[int], c: int, draws: Iterator[int]) -> int | None:
    n, _, n_parts, repeats, *_ = tables.settings.tolist()
    stride, offset, reach, memory, _ = tables.components[c].tolist()
    read = min(len(history), reach)
    degree = np.diff(tables.indptr)
    for _ in range(TRIES):
        word = next(draws)
        row = history[-1 - outcome(tables, memory + read - 1, word >> 33)] * stride + offset
        if c < n_parts and not degree[row]:
            if not any(degree[h * stride + offset] for h in history[-read:]):
                return None
            continue
        x = outcome(tables, row, word % 2**31)
        if x < n and (repeats or x not in history):
            return x
    choices = candidates(tables, history, c)
    total = sum(m for _, m in choices)
    if total == 0:
        return None
    while (place := below(next(draws), total)) is None:
        pass
    for x, m in choices:
        place -= m
        if place < 0:
            return x
    raise AssertionError("a place below the total lies in a choice")
