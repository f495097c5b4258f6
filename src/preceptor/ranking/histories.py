"""Training batches from the real log.

A source of histories is asked for update number u and answers with a batch (items int32 [B, L + 1], lengths int32 [B], at
least 2 each) that is a function of (source, u), so a run can be repeated exactly. Every batch holds at most `positions`
predicted positions, padding included: arms that train with the same number get the same compute an update.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numba import njit

from preceptor.core import rng
from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Training

Batch = tuple[np.ndarray, np.ndarray]


class Histories(Protocol):
    """A source of training batches: real histories here, walks over the item graph in `synthetic`."""

    def batch(self, update: int) -> Batch:
        """(items int32 [B, L + 1], lengths int32 [B]) of update number `update`, from 0."""
        ...


class RealHistories:
    """Windows of the users' real histories, all of them once an epoch.

    A history of more than length + 1 items is cut into windows that share one item, so each transition is predicted once an
    epoch; where the first cut falls is drawn anew each epoch. Windows of like length are batched together, in keyed order.
    """

    def __init__(self, train: Training, length: int, positions: int, seed: int) -> None:
        self._item = np.ascontiguousarray(train.item, dtype=np.int32)
        indptr = train.user_indptr
        enough = np.diff(indptr) >= 2
        self._start, self._stop = indptr[:-1][enough], indptr[1:][enough]
        if not len(self._start):
            raise PreceptorError(
                "No history to train on", found="no user with two training interactions", expected="at least one"
            )
        self._length, self._positions, self._seed = length, positions, seed
        self._epoch, self._first_update = -1, 0
        self._batches: list[np.ndarray] = []
        self._windows = np.empty((0, 2), dtype=np.int64)

    def batch(self, update: int) -> Batch:
        if update < self._first_update:
            self._epoch, self._first_update, self._batches = -1, 0, []
        while update >= self._first_update + len(self._batches):
            self._first_update += len(self._batches)
            self._epoch += 1
            self._begin_epoch()
        windows = self._windows[self._batches[update - self._first_update]]
        return _cut(self._item, windows)

    def _begin_epoch(self) -> None:
        offset = rng.bits(rng.purpose_key(self._seed, f"windows/{self._epoch}"), np.arange(len(self._start)))
        windows = _windows(self._start, self._stop, offset, self._length)
        size = windows[:, 1] - windows[:, 0]
        shuffled = rng.permutation(self._seed, f"order/{self._epoch}", len(windows))
        order = shuffled[np.argsort(size[shuffled], kind="stable")]
        batches = []
        begin = len(order)
        while begin > 0:  # longest first: the padded width of a batch is that of its last window
            width = max(int(size[order[begin - 1]]) - 1, 1)
            rows = max(1, self._positions // width)
            batches.append(order[max(0, begin - rows) : begin])
            begin -= rows
        self._windows = windows
        self._batches = [batches[i] for i in rng.permutation(self._seed, f"batches/{self._epoch}", len(batches))]


@njit(cache=True)
def _windows(start: Any, stop: Any, offset: Any, length: int) -> Any:
    """Begin and end of every window, int64 [windows, 2]."""
    count = 0
    for u in range(len(start)):
        count += (stop[u] - start[u]) // length + 2
    out = np.empty((count, 2), dtype=np.int64)
    n = 0
    for u in range(len(start)):
        if stop[u] - start[u] <= length + 1:
            out[n] = (start[u], stop[u])
            n += 1
            continue
        end = start[u] + 2 + np.int64(offset[u] % np.uint64(length))  # the first window has 2 … length + 1 items
        begin = start[u]
        while True:
            end = min(end, stop[u])
            out[n] = (begin, end)
            n += 1
            if end == stop[u]:
                break
            begin = end - 1
            end = begin + length + 1
    return out[:n]


@njit(cache=True)
def _cut(item: Any, windows: Any) -> Any:
    lengths = (windows[:, 1] - windows[:, 0]).astype(np.int32)
    items = np.zeros((len(windows), lengths.max()), dtype=np.int32)
    for b in range(len(windows)):
        items[b, : lengths[b]] = item[windows[b, 0] : windows[b, 1]]
    return items, lengths
