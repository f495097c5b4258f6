"""Which source a block comes from, and what a block of a finite source holds. Light: numpy, numba, core.

Both are functions of (seed, block number): a trainer on any worker, in any order, after any interruption reads the same
bytes, and knows how often every finite source has been repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, uint64

from preceptor.core.errors import PreceptorError
from preceptor.core.rng import permuted, purpose_key, uniform

PERIOD = 1000  # blocks over which the shares hold exactly


class Schedule:
    """The source of every block, so that shares hold at any length.

    In each period of 1,000 blocks source s has n_s slots (its share, by largest remainder). Slot t of the n_s stands at
    (t + u)/n_s with a keyed uniform u, and the slots in order of these places are the period's blocks: after any number of
    blocks a source is at most about two blocks away from its share. Phases follow one another (staged order); the
    last has no end.
    """

    def __init__(self, seed: int, phases: Sequence[tuple[int | None, Sequence[float]]]) -> None:
        self.n_sources = len(phases[0][1])
        self._phases: list[tuple[int, np.uint64, np.ndarray]] = []  # first block, key, slots of each source
        self._before: list[np.ndarray] = []  # blocks of each source before the phase
        self._periods: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        first, before = 0, np.zeros(self.n_sources, np.int64)
        for i, (blocks, shares) in enumerate(phases):
            self._phases.append((first, purpose_key(seed, f"stream/schedule/{i}"), apportion(shares, PERIOD)))
            self._before.append(before)
            if blocks is None:
                break
            first += blocks
            before = self.counts(first)

    def at(self, block: int) -> tuple[int, int]:
        """(source of the block, how many earlier blocks had that source)."""
        phase, period, place = self._locate(block)
        order, rank = self._period(phase, period)
        source = int(order[place])
        slots = self._phases[phase][2]
        return source, int(self._before[phase][source] + period * slots[source] + rank[place])

    def counts(self, blocks: int) -> np.ndarray:
        """How many of the first `blocks` blocks each source has, int64 [sources]."""
        if blocks == 0:
            return np.zeros(self.n_sources, np.int64)
        phase, period, place = self._locate(blocks - 1)
        order, _ = self._period(phase, period)
        inside = np.bincount(order[: place + 1], minlength=self.n_sources)
        return self._before[phase] + period * self._phases[phase][2] + inside

    def _locate(self, block: int) -> tuple[int, int, int]:
        if block < 0:
            raise PreceptorError("No such block", found=block, expected="a number ≥ 0")
        phase = sum(first <= block for first, _, _ in self._phases) - 1
        return (phase, *divmod(block - self._phases[phase][0], PERIOD))

    def _period(self, phase: int, period: int) -> tuple[np.ndarray, np.ndarray]:
        """Source of each block of the period, and its rank among the period's blocks of that source."""
        cached = self._periods.get((phase, period))
        if cached is None:
            _, key, slots = self._phases[phase]
            source = np.repeat(np.arange(self.n_sources), slots)
            turn = np.concatenate([np.arange(n) for n in slots])
            u = uniform(key, np.arange(PERIOD) + period * PERIOD)
            by_place = np.argsort((turn + u) / slots[source], kind="stable")
            cached = source[by_place], turn[by_place]
            if len(self._periods) > 64:
                self._periods.clear()
            self._periods[phase, period] = cached
        return cached


def apportion(shares: Sequence[float], seats: int) -> np.ndarray:
    """Whole numbers in proportion to the shares, summing to `seats` (largest remainder; a positive share gets ≥ 1)."""
    weights = np.asarray(shares, np.float64)
    if weights.ndim != 1 or not (weights >= 0).all() or not np.isfinite(weights).all() or weights.sum() <= 0:
        raise PreceptorError("Bad shares", found=list(shares), expected="numbers ≥ 0, at least one above 0")
    exact = weights / weights.sum() * seats
    whole = np.floor(exact).astype(np.int64)
    rest = np.argsort(whole - exact, kind="stable")[: seats - int(whole.sum())]
    whole[rest] += 1
    for s in np.flatnonzero((whole == 0) & (weights > 0)):
        whole[np.argmax(whole)] -= 1
        whole[s] = 1
    return whole


class FiniteSource:
    """Blocks of a finite list of documents: a keyed permutation an epoch, and a cumulative length index of it.

    An epoch has S // T blocks (S tokens in all, T a block). Block j of it starts with the first document that begins at or
    after j·S/blocks in the epoch's order, and takes T tokens from there; the last document is cut, and what remains of the
    order after the epoch's end is taken from its beginning. Any block is found by one binary search.
    """

    def __init__(self, name: str, seed: int, tokens: np.ndarray, offsets: np.ndarray, block_tokens: int) -> None:
        if len(offsets) < 2:
            raise PreceptorError(f"Source {name!r} has no documents", remedy="give it a share of 0")
        self.name, self.seed, self.block_tokens = name, seed, block_tokens
        self.tokens, self.offsets = tokens, np.asarray(offsets, np.int64)
        self.size = int(self.offsets[-1])
        self.blocks_per_epoch = max(1, self.size // block_tokens)
        self._epochs: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def block(self, j: int) -> np.ndarray:
        """Block number j of this source, int32 [T]."""
        epoch, place = divmod(j, self.blocks_per_epoch)
        order, starts = self._index(epoch)
        first = int(np.searchsorted(starts, place * self.size // self.blocks_per_epoch))
        out = np.empty(self.block_tokens, np.int32)
        _copy(self.tokens, self.offsets, order, first % len(order), out)
        return out

    def _index(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Documents in the epoch's order, and where each begins. Threads may read side by side."""
        found = self._epochs.get(epoch)
        if found is None:
            found = _epoch(purpose_key(self.seed, f"stream/{self.name}/epoch/{epoch}"), self.offsets)
            if len(self._epochs) > 1:
                self._epochs.clear()
            self._epochs[epoch] = found
        return found


@njit(cache=True)
def _epoch(key: Any, offsets: Any) -> Any:
    n = len(offsets) - 1
    order = np.empty(n, np.int64)
    starts = np.empty(n, np.int64)
    at = 0
    for i in range(n):
        d = np.int64(permuted(key, uint64(n), uint64(i)))
        order[i] = d
        starts[i] = at
        at += offsets[d + 1] - offsets[d]
    return order, starts


@njit(cache=True)
def _copy(tokens: Any, offsets: Any, order: Any, first: Any, out: Any) -> None:
    at, i = 0, first
    while at < len(out):
        d = order[i]
        for t in range(offsets[d], min(offsets[d + 1], offsets[d] + len(out) - at)):
            out[at] = tokens[t]
            at += 1
        i += 1
        if i == len(order):
            i = 0
