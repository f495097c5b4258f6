"""Walk tables: all that a sampler needs, as plain arrays.

A row of the graph is drawn from by the alias method (Walker 1977, Vose 1991) in integers. The row's k edges are padded to
K = 2^m cells; each cell's capacity 2^31 / K is then an integer, and one 31-bit number selects the cell (upper m bits) and
the place inside it (lower 31 − m bits) at once. No rounding happens anywhere: P(edge) is exactly weight / 2^31.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit, uint64

from preceptor.core.disk import frozen, load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.generator import policies
from preceptor.graph.graph import TOTAL, Graph, apportion

_EMPTY = -1
_SCATTER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio (Knuth, multiplicative hashing)


class WalkTables(NamedTuple):
    """The sampler. All arrays are read-only, so that built and memory-mapped tables are of one numba type.

    rows: int64 [I + 2]: 64 · (first cell) + log2(number of cells) of each item, −1 for an item without edges; row I draws
        the first item, row I + 1 the length.
    cells: uint32 [C, 3]: threshold, outcome below it, outcome at or above it.
    indptr, indices, weight: the graph (int64 [I + 1], int32 [E], uint32 [E]).
    start: uint32 [I], sums to 2^31: P(first item) · 2^31.
    length: uint32 [longest + 1], sums to 2^31: P(length) · 2^31.
    policy: int64: the policy's number, repeats allowed or not, its parameters (policies.py).
    links: int32, of node2vec alone (else one −1): item t's neighbours as a hash table of twice as many places as t has cells,
        from twice its first cell on; −1 is an empty place (law.linked).
    peak: uint32 [I], of node2vec alone (else one 0): the largest weight of each item's row.
    """

    rows: np.ndarray
    cells: np.ndarray
    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray
    start: np.ndarray
    length: np.ndarray
    policy: np.ndarray
    links: np.ndarray
    peak: np.ndarray

    @property
    def longest(self) -> int:
        """Items in the longest walk: the width of a row of walks."""
        return len(self.length) - 1

    @property
    def graph(self) -> Graph:
        return Graph(self.indptr, self.indices, self.weight)

    def checked(self) -> WalkTables:
        """Itself. Raises PreceptorError where the policy was exchanged without what it needs (`with_policy` does it)."""
        if self.policy[0] == policies.NODE2VEC and len(self.peak) != len(self.start):
            raise PreceptorError(
                "These walk tables are another policy's", remedy="exchange policies by graph.tables.with_policy"
            )
        return self


def walk_tables(graph: Graph, start: np.ndarray, length: int | np.ndarray, policy: np.ndarray | None = None) -> WalkTables:
    """Make the tables of a sampler.

    start: non-negative weights [I] of the first item; items without an outgoing edge are given none.
    length: items in a walk, or weights [longest + 1] of each length (that of 0 must be 0).
    policy: from policies.py; first-order with repeats by default.
    Raises PreceptorError when no walk could start.
    """
    lengths = np.zeros(length + 1) if isinstance(length, int | np.integer) else np.asarray(length, np.float64)
    if isinstance(length, int | np.integer):
        lengths[length] = 1.0
    if len(lengths) < 2 or lengths[0] != 0 or not lengths.sum() > 0:
        raise PreceptorError("Bad walk length", found=length, expected="at least one item")
    p_start = exact_weights(np.where(graph.degree > 0, start, 0.0))
    p_length = exact_weights(lengths)
    if not p_start.any():
        raise PreceptorError(
            "No walk can start: the item graph has no edge",
            found=f"{graph.n_items} items, {graph.n_edges} edges",
            remedy="lower min_users or widen the window",
        )
    supports = [np.flatnonzero(p).astype(np.int32) for p in (p_start, p_length)]
    indptr = np.concatenate([graph.indptr, graph.indptr[-1] + np.cumsum([len(s) for s in supports])])
    outcomes = np.concatenate([graph.indices, *supports])
    weight = np.concatenate([graph.weight, p_start[supports[0]], p_length[supports[1]]])
    rows = row_entries(indptr)
    sizes = np.where(rows >= 0, np.int64(1) << (rows & 63), 0)
    cells = np.empty((int(sizes.sum()), 3), np.uint32)
    alias_cells(indptr, outcomes, weight, rows, cells)
    empty = (np.full(1, -1, np.int32), np.zeros(1, np.uint32))
    first_order = policies.first_order()
    tables = WalkTables(rows, cells, graph.indptr, graph.indices, graph.weight, p_start, p_length, first_order, *empty)
    return with_policy(tables, first_order if policy is None else policy)


def with_policy(tables: WalkTables, policy: np.ndarray) -> WalkTables:
    """The sampler on the same graph, start and lengths under another policy."""
    links, peak = np.full(1, -1, np.int32), np.zeros(1, np.uint32)
    if policy[0] == policies.NODE2VEC:
        n = len(tables.start)
        cells = np.where(tables.rows[:n] >= 0, np.int64(1) << np.maximum(tables.rows[:n] & 63, 0), 0).sum()
        links, peak = np.full(2 * int(cells), -1, np.int32), np.zeros(n, np.uint32)
        _fill_links(tables.indptr, tables.indices, tables.weight, tables.rows, links, peak)
    made = tables._replace(policy=np.asarray(policy, np.int64), links=links, peak=peak)
    return WalkTables(*(frozen(a) for a in made))


def row_entries(indptr: np.ndarray, least: int = 0) -> np.ndarray:
    """64 · first cell + log2(number of cells) of each row, −1 for an empty one; at least 2^least cells. int64 [R]."""
    size = np.zeros(len(indptr) - 1, np.int64)
    _log2_cells(indptr, size)
    size = np.where(size >= 0, np.maximum(size, least), -1)
    first = np.concatenate([[0], np.cumsum(np.where(size >= 0, np.int64(1) << np.maximum(size, 0), 0))])
    return np.where(size >= 0, first[:-1] * 64 + size, _EMPTY)


def exact_weights(weight: np.ndarray) -> np.ndarray:
    """Non-negative weights as integers that sum to 2^31, zero exactly where the weight is zero. uint32, same length."""
    weight = np.asarray(weight, np.float64)
    out = np.zeros(len(weight), np.uint32)
    support = np.flatnonzero(weight > 0)
    out[support] = apportion(weight[support])
    return out


def save_tables(tables: WalkTables | Any, folder: Path, prefix: str = "") -> None:
    """Write each array of a sampler's named tuple as FOLDER/<prefix><field>.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in tables._asdict().items():
        save_array(folder / f"{prefix}{name}.npy", array)


def load_tables(folder: Path, prefix: str = "", kind: Any = None) -> Any:
    """Open a saved sampler (of `kind`, by default WalkTables), memory-mapped: processes that draw side by side share it."""
    kind = kind or WalkTables
    paths = (Path(folder) / f"{prefix}{name}.npy" for name in kind._fields)
    return kind(*(frozen(load_array(path, mmap=True)) for path in paths))


@njit(nogil=True, cache=True)
def _log2_cells(indptr, size):  # type: ignore[no-untyped-def]
    for row in range(len(size)):
        k = indptr[row + 1] - indptr[row]
        size[row] = -1 if k == 0 else 0
        while k > 1 << max(size[row], 0):
            size[row] += 1


@njit(inline="always")
def link_place(entry, x):  # type: ignore[no-untyped-def]
    """Where a search for neighbour x begins among the links of the item with this row entry, and where they begin and end."""
    slots = uint64(2) << (uint64(entry) & uint64(63))
    begin = (uint64(entry) >> uint64(6)) * uint64(2)
    return begin + ((uint64(x) * uint64(_SCATTER) >> uint64(20)) & (slots - uint64(1))), begin, begin + slots


@njit(nogil=True, cache=True)
def _fill_links(indptr, indices, weight, rows, links, peak):  # type: ignore[no-untyped-def]
    for item in range(len(peak)):
        for e in range(indptr[item], indptr[item + 1]):
            peak[item] = max(peak[item], weight[e])
            place, begin, end = link_place(rows[item], indices[e])
            while links[place] >= 0:
                place += uint64(1)
                if place == end:
                    place = begin
            links[place] = indices[e]


@njit(nogil=True, cache=True)
def alias_cells(indptr, outcomes, weight, rows, cells):  # type: ignore[no-untyped-def]
    """The cells of each row."""
    for row in range(len(rows)):
        if rows[row] < 0:
            continue
        first, last, base = indptr[row], indptr[row + 1], rows[row] >> 6
        threshold, alias = paired(weight[first:last], np.int64(1) << (rows[row] & 63))
        for c in range(len(threshold)):
            own = c if c < last - first else alias[c]
            cells[base + c, 0] = threshold[c]
            cells[base + c, 1] = outcomes[first + own]
            cells[base + c, 2] = outcomes[first + alias[c]]


@njit(nogil=True, cache=True)
def paired(weight, n_cells):  # type: ignore[no-untyped-def]
    """Vose's pairing of small and large cells, in integers: threshold and alias of each cell (int64 [n_cells] each).

    Places below a cell's threshold are of the weight of its own number, the others of that of its alias. Cells beyond the
    weights hold nothing: they go wholly to their alias.
    """
    capacity = np.int64(TOTAL) // n_cells
    k = len(weight)
    rest, alias = np.zeros(n_cells, np.int64), np.arange(n_cells)
    small, large = np.empty(n_cells, np.int64), np.empty(n_cells, np.int64)
    n_small, n_large = 0, 0
    for j in range(n_cells - 1, -1, -1):
        if j < k:
            rest[j] = np.int64(weight[j])
        if rest[j] < capacity:
            small[n_small] = j
            n_small += 1
        else:
            large[n_large] = j
            n_large += 1
    threshold = np.full(n_cells, capacity)  # what is not paired is whole
    while n_small > 0:  # integers: what small cells lack, large ones have, to the last unit
        n_small -= 1
        n_large -= 1
        s, g = small[n_small], large[n_large]
        threshold[s], alias[s] = rest[s], g
        rest[g] -= capacity - rest[s]
        if rest[g] < capacity:
            small[n_small] = g
            n_small += 1
        else:
            large[n_large] = g
            n_large += 1
    return threshold, alias
