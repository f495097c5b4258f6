"""Untrained rankers that every comparison stands beside: popularity, and those that know how like items are."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Self

import numpy as np
from scipy import sparse

from preceptor.data.log import Targets, TrainSplit
from preceptor.ranking.evaluate import histories_of

_ROWS, _CELLS = 1024, 1 << 24  # of similarities made at a time: at most 128 MiB of float64, however many items there are


class Popularity:
    """Scores an item by its training interactions, the same for every history.

    recent: only the last such share of the training interactions (by time) counts; 1 counts all.
    """

    def __init__(self, train: TrainSplit, recent: float = 1.0) -> None:
        order = np.argsort(train.time, kind="stable")
        last = order[len(order) - max(1, round(len(order) * recent)) :]
        self._popularity = np.bincount(train.item[last], minlength=train.n_items).astype(np.float32)

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        return np.tile(self._popularity, (len(rows), 1))


class ItemSimilarity:
    """Scores x by Σ_j decay^age(j) · weights[j, x] over the history's items j, of which the newest has age 0.

    weights: [I, I], sparse or dense, float32 or float64. decay: 1 counts all items of the history the same.
    """

    def __init__(self, weights: sparse.csr_matrix | np.ndarray, decay: float) -> None:
        self._weights, self._decay = weights, decay

    def with_decay(self, decay: float) -> Self:
        """The same weights under another decay."""
        other = copy.copy(self)
        other._decay = decay
        return other

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        place, items = histories_of(targets, rows)
        size = np.bincount(place, minlength=len(rows))
        age = np.cumsum(size)[place] - 1 - np.arange(len(place))
        weight = (np.float64(self._decay) ** age).astype(self._weights.dtype)
        history = sparse.csr_matrix((weight, (place, items)), shape=(len(rows), self._weights.shape[0]))
        found = history @ self._weights
        return (found.toarray() if sparse.issparse(found) else np.asarray(found)).astype(np.float32)


class ItemKNN(ItemSimilarity):
    """cosine(a, b) = users with both / √(users of a · users of b), kept for the `neighbours` nearest items of each a."""

    def __init__(self, train: TrainSplit, neighbours: int = 100, decay: float = 0.9) -> None:
        super().__init__(cosine_neighbours(train, neighbours), decay)


class RP3Beta(ItemSimilarity):
    """RP3β (Paudel et al., TiiS 2016): the walk a → user → b with uniform steps, divided by popularity(b)^β.

    Σ_u 1 / (users of a · items of u) over the users of both, / (users of b)^β, kept for the `neighbours` likeliest of each a.
    """

    def __init__(self, train: TrainSplit, neighbours: int = 100, beta: float = 0.6, decay: float = 0.9) -> None:
        super().__init__(rp3beta_neighbours(train, neighbours, beta), decay)


def cosine_neighbours(train: TrainSplit, neighbours: int, rows: int | None = None) -> sparse.csr_matrix:
    """Cosine of item a with its nearest items (never itself), float64 CSR [I, I]; equal cosines by index.

    Users count once an item however often they met it. Rows are made `rows` at a time, so memory is bounded.
    """
    met = _met(train)
    norm = np.sqrt(_at_least_1(met.sum(axis=0)))
    return _nearest(met, lambda both, a, b: both / norm[a] / norm[b], neighbours, rows)


def rp3beta_neighbours(train: TrainSplit, neighbours: int, beta: float, rows: int | None = None) -> sparse.csr_matrix:
    """RP3β's weight of a → b for its `neighbours` likeliest items b (never itself), float64 CSR [I, I]; equal ones by index."""
    met = _met(train)
    users = _at_least_1(met.sum(axis=0))
    steps = sparse.diags_array(1 / np.sqrt(_at_least_1(met.sum(axis=1)))) @ met  # once on either side of the user
    return _nearest(sparse.csc_matrix(steps), lambda both, a, b: both / users[a] / users[b] ** beta, neighbours, rows)


def _met(train: TrainSplit) -> sparse.csc_matrix:
    """Whether a user met an item, float64 [users, I]."""
    ones = np.ones(len(train.item))
    met = sparse.csc_matrix((ones, (train.user, train.item)), shape=(train.n_users, train.n_items))
    met.data[:] = 1.0
    return met


def _at_least_1(counts: np.ndarray) -> np.ndarray:
    return np.maximum(np.asarray(counts).ravel(), 1.0)


def _nearest(
    met: sparse.csc_matrix,
    weigh: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    neighbours: int,
    rows: int | None,
) -> sparse.csr_matrix:
    """weigh((metᵀ met)[a, b], a, b), its `neighbours` largest b of each a, a itself aside; equal ones by index."""
    n_items = met.shape[1]
    step = rows or max(1, min(_ROWS, _CELLS // max(n_items, 1)))
    blocks = []
    for begin in range(0, n_items, step):
        both = (met[:, begin : begin + step].T @ met).tocoo()
        source, target, value = both.row, both.col, weigh(both.data, both.row + begin, both.col)
        order = np.lexsort((target, -value, source))
        order = order[source[order] + begin != target[order]]
        first = np.searchsorted(source[order], source[order])
        kept = order[np.arange(len(order)) - first < neighbours]
        blocks.append(sparse.csr_matrix((value[kept], (source[kept], target[kept])), shape=both.shape))
    return sparse.vstack(blocks, format="csr")
