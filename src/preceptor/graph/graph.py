"""The item graph: compressed sparse rows whose integer weights are exact transition probabilities.

Each non-empty row sums to TOTAL = 2^31, so the probability of a transition is exactly weight / 2^31: a sampler with integer
thresholds draws from it without rounding, and the log-probability of a walk is that of the sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from preceptor.core.disk import frozen, load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.graph.order import kth_largest

TOTAL = 1 << 31


@dataclass(frozen=True)
class Graph:
    """Items and their transitions.

    indptr: int64 [I + 1]; indices: int32 [E], ascending in a row, never the row itself; weight: uint32 [E], each ≥ 1, each
    non-empty row sums to 2^31. None can be written to.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weight: np.ndarray

    def __post_init__(self) -> None:
        for name in ("indptr", "indices", "weight"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def n_items(self) -> int:
        return len(self.indptr) - 1

    @property
    def n_edges(self) -> int:
        return len(self.indices)

    @property
    def degree(self) -> np.ndarray:
        """Outgoing edges per item, int64 [I]."""
        return np.diff(self.indptr)

    @property
    def source(self) -> np.ndarray:
        """The item each edge leaves, int32 [E]."""
        return np.repeat(np.arange(self.n_items, dtype=np.int32), self.degree)

    @property
    def connected(self) -> np.ndarray:
        """Items with at least one edge, in or out, bool [I]; the others are isolated."""
        touched = self.degree > 0
        touched[self.indices] = True
        return touched

    def transition(self) -> np.ndarray:
        """Transition probabilities weight / 2^31, float64 [E] (exact)."""
        return self.weight / TOTAL

    def row_entropy(self) -> np.ndarray:
        """Entropy of each item's transitions in nats, float64 [I]; 0 for items without edges."""
        p = self.transition()
        sums = np.bincount(self.source, weights=-p * np.log(p), minlength=self.n_items)
        return np.maximum(sums, 0.0)

    def induced(self, keep: np.ndarray, dropped: np.ndarray | None = None) -> Graph:
        """The sub-graph of the items in `keep` (bool [I]) without the `dropped` unordered pairs (int [P, 2]).

        Item indices stay as they are; rows are normalised anew.
        """
        gone_of, gone = _pairs_by_lower(dropped, self.n_items)
        size = np.zeros(self.n_items, np.int64)
        _induced_sizes(self.indptr, self.indices, keep, gone_of, gone, size)
        indptr = np.concatenate([[0], np.cumsum(size)])
        indices, weight = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.uint32)
        _induced(self.indptr, self.indices, self.weight, keep, gone_of, gone, indptr, indices, weight)
        _apportion_rows(indptr, weight, weight)
        return Graph(indptr, indices, weight)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("indptr", "indices", "weight"):
            save_array(folder / f"{name}.npy", getattr(self, name))

    def kept(self, folder: Path) -> Graph:
        """Itself, saved in a folder and memory-mapped: for graphs of which several would not fit."""
        self.save(folder)
        return Graph.load(folder)

    @classmethod
    def load(cls, folder: Path) -> Graph:
        """Open a saved graph, memory-mapped."""
        return cls(*(load_array(Path(folder) / f"{name}.npy", mmap=True) for name in ("indptr", "indices", "weight")))


def from_weights(indptr: np.ndarray, indices: np.ndarray, weight: np.ndarray) -> Graph:
    """Build a graph from positive real edge weights (float64 [E]), each row apportioned to 2^31.

    indices must ascend within a row. Raises PreceptorError on self-loops, unordered rows and weights that aren't positive
    and finite.
    """
    indptr, indices = np.asarray(indptr, np.int64), np.asarray(indices, np.int32)
    weight = np.asarray(weight, np.float64)
    out = np.empty(len(indices), np.uint32)
    if not _well_formed(indptr, indices, weight):
        _refuse(Graph(indptr, indices, out), weight)
    _apportion_rows(indptr, weight, out)
    return Graph(indptr, indices, out)


def _refuse(graph: Graph, weight: np.ndarray) -> None:
    """Say what is wrong with edges that aren't well-formed."""
    source, indices = graph.source, graph.indices
    if np.any(source == indices):
        item = int(source[source == indices][0])
        raise PreceptorError("Self-loop in an item graph", where=f"item {item}", expected="edges between different items")
    same_row = source[1:] == source[:-1]
    if np.any(same_row & (indices[1:] <= indices[:-1])):
        raise PreceptorError("Edges of an item must ascend and occur once", expected="sorted, distinct indices in each row")
    bad = int(np.flatnonzero(~((weight > 0) & np.isfinite(weight)))[0])
    raise PreceptorError(
        "Bad edge weight", where=f"edge {source[bad]} → {indices[bad]}", found=weight[bad], expected="positive and finite"
    )


def _pairs_by_lower(pairs: np.ndarray | None, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    """Unordered pairs (int [P, 2]) in rows of their lower item: int64 [I + 1], int32 [P] ascending in a row."""
    if pairs is None or not len(pairs):
        return np.zeros(n_items + 1, np.int64), np.empty(0, np.int32)
    key = np.sort(pairs.min(axis=1).astype(np.int64) * n_items + pairs.max(axis=1))
    return key.searchsorted(np.arange(n_items + 1) * n_items), (key % n_items).astype(np.int32)


def from_edges(n_items: int, source: Any, target: Any, weight: Any) -> Graph:
    """Build a graph from directed edges in any order; weights of repeated edges add up."""
    key = np.asarray(source, np.int64) * n_items + np.asarray(target, np.int64)
    unique, where = np.unique(key, return_inverse=True)
    total = np.bincount(where, weights=np.asarray(weight, np.float64), minlength=len(unique))
    indptr = np.searchsorted(unique, np.arange(n_items + 1, dtype=np.int64) * n_items).astype(np.int64)
    return from_weights(indptr, (unique % n_items).astype(np.int32), total)


def apportion(weight: np.ndarray) -> np.ndarray:
    """Divide 2^31 in proportion to positive weights by largest remainders, at least 1 each, ties to the lower index.

    Returns uint32 of the same length; it sums to exactly 2^31 (to 0 when there are no weights).
    """
    out = np.empty(len(weight), np.uint32)
    _apportion_rows(np.array([0, len(weight)], np.int64), np.asarray(weight, np.float64), out)
    return out


@njit(nogil=True, cache=True)
def _well_formed(indptr, indices, weight):  # type: ignore[no-untyped-def]
    """Whether indices ascend in each row, none is the row itself, and weights are positive and finite."""
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            late = e > indptr[row] and indices[e] <= indices[e - 1]
            if late or indices[e] == row or not 0 < weight[e] < np.inf:
                return False
    return True


@njit(nogil=True, cache=True)
def _stays(row, target, keep, gone_of, gone):  # type: ignore[no-untyped-def]
    if not keep[target]:
        return False
    low, high = min(row, target), max(row, target)
    begin, end = gone_of[low], gone_of[low + 1]
    at = begin + np.searchsorted(gone[begin:end], high)
    return at == end or gone[at] != high


@njit(nogil=True, cache=True)
def _induced_sizes(indptr, indices, keep, gone_of, gone, size):  # type: ignore[no-untyped-def]
    for row in range(len(size)):
        if keep[row]:
            for e in range(indptr[row], indptr[row + 1]):
                size[row] += _stays(row, indices[e], keep, gone_of, gone)


@njit(nogil=True, cache=True)
def _induced(indptr, indices, weight, keep, gone_of, gone, to, out_indices, out_weight):  # type: ignore[no-untyped-def]
    for row in range(len(to) - 1):
        at = to[row]
        if keep[row]:
            for e in range(indptr[row], indptr[row + 1]):
                if _stays(row, indices[e], keep, gone_of, gone):
                    out_indices[at], out_weight[at] = indices[e], weight[e]
                    at += 1


@njit(nogil=True, cache=True)
def _apportion_rows(indptr, weight, out):  # type: ignore[no-untyped-def]
    """Shares too small for a unit get one; the others their quota rounded down, and the largest remainders one more."""
    for row in range(len(indptr) - 1):
        first, last = indptr[row], indptr[row + 1]
        if first == last:
            continue
        share = weight[first:last] / weight[first:last].max()  # scaled, so that no sum overflows
        remainder = np.zeros(last - first)
        units = np.int64(TOTAL)
        forced = -1
        while forced != 0:
            forced = 0
            total = share.sum()
            for j in range(len(share)):
                if remainder[j] >= 0 and share[j] / total * units < 1:
                    share[j] = 0
                    remainder[j] = -1
                    forced += 1
            units -= forced
        left = units
        for j in range(len(share)):
            whole = np.int64(1)
            if remainder[j] >= 0:
                quota = share[j] / total * units
                whole = min(np.int64(quota), left)
                remainder[j] = quota - whole
                left -= whole
            out[first + j] = whole
        while left > 0:  # once, but for rounding in the sum of a very long row
            more = min(left, np.int64(len(remainder)))
            limit = kth_largest(remainder.copy(), more)
            ties = more
            for j in range(len(remainder)):
                ties -= remainder[j] > limit
            for j in range(len(remainder)):
                equal = remainder[j] == limit
                if remainder[j] > limit or (equal and ties > 0):  # ties to the lower index
                    ties -= equal
                    out[first + j] += 1
            left -= more
