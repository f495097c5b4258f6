"""Untrained rankers that every comparison stands beside: popularity and item-kNN."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from preceptor.data.log import Targets, TrainSplit
from preceptor.ranking.evaluate import histories_of


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


class ItemKNN:
    """Scores x by Σ_j decay^age(j) · cosine(j, x) over the history's items j, of which the newest has age 0.

    cosine(a, b) = users with both / √(users of a · users of b), kept for the `neighbours` nearest items of each a.
    """

    def __init__(self, train: TrainSplit, neighbours: int = 100, decay: float = 0.9) -> None:
        self._similarity = cosine_neighbours(train, neighbours)
        self._decay = decay

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        place, items = histories_of(targets, rows)
        size = np.bincount(place, minlength=len(rows))
        age = np.cumsum(size)[place] - 1 - np.arange(len(place))
        weight = np.float64(self._decay) ** age
        history = sparse.csr_matrix((weight, (place, items)), shape=(len(rows), self._similarity.shape[0]))
        return (history @ self._similarity).toarray().astype(np.float32)


def cosine_neighbours(train: TrainSplit, neighbours: int, rows: int = 1024) -> sparse.csr_matrix:
    """Cosine of item a with its nearest items (never itself), float64 CSR [I, I]; equal cosines by index.

    Users count once an item however often they met it. Rows are made `rows` at a time, so memory stays rows · I.
    """
    ones = np.ones(len(train.item))
    met = sparse.csc_matrix((ones, (train.user, train.item)), shape=(train.n_users, train.n_items))
    met.data[:] = 1.0
    users = np.asarray(met.sum(axis=0)).ravel()
    norm = np.sqrt(np.maximum(users, 1.0))
    blocks = []
    for begin in range(0, train.n_items, rows):
        end = min(begin + rows, train.n_items)
        both = (met[:, begin:end].T @ met).toarray()
        cosine = both / norm[begin:end, None] / norm
        cosine[np.arange(end - begin), np.arange(begin, end)] = 0.0
        kept = np.argsort(-cosine, axis=1, kind="stable")[:, :neighbours]
        values = np.take_along_axis(cosine, kept, axis=1)
        place = np.repeat(np.arange(end - begin), kept.shape[1])
        block = sparse.csr_matrix((values.ravel(), (place, kept.ravel())), shape=(end - begin, train.n_items))
        block.eliminate_zeros()
        blocks.append(block)
    return sparse.vstack(blocks, format="csr")
