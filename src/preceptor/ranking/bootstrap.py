"""Intervals by resampling users: a user's targets stand or fall together, and arms are compared on the same users.

Metrics are averaged over seeds first, so an interval speaks of the mean model; the spread between seeds is reported beside it
and is no part of the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core import rng

_CELLS = 1 << 24  # resampled counts held at a time


@dataclass(frozen=True)
class Interval:
    """An estimate and its percentile interval; NaN where it doesn't exist (a ratio to nothing)."""

    value: float
    lo: float
    hi: float


class Resamples:
    """Means of per-target values over all targets, in the sample and in `count` resamples of the users.

    One instance resamples the same users for whatever it is asked, which makes differences and ratios paired.
    """

    def __init__(self, user: np.ndarray, count: int, seed: int, confidence: float = 0.95) -> None:
        _, self._index = np.unique(user, return_inverse=True)
        self.users = int(self._index.max()) + 1 if len(user) else 0
        self._count, self._seed, self._confidence = count, seed, confidence

    def means(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """values: float [targets, M]. Returns (means [M], resampled means [count, M])."""
        values = np.asarray(values, dtype=np.float64)
        sums = np.stack([np.bincount(self._index, weights=column, minlength=self.users) for column in values.T], axis=1)
        counts = np.bincount(self._index, minlength=self.users).astype(np.float64)
        table = np.column_stack([sums, counts])
        drawn = np.empty((self._count, table.shape[1]))
        generator = rng.generator(self._seed, "bootstrap")
        step = max(1, _CELLS // max(self.users, 1))
        for begin in range(0, self._count, step):
            rows = min(step, self._count - begin)
            picks = generator.integers(0, self.users, (rows, self.users)) + np.arange(rows)[:, None] * self.users
            weight = np.bincount(picks.ravel(), minlength=rows * self.users).reshape(rows, self.users)
            drawn[begin : begin + rows] = weight.astype(np.float64) @ table
        return sums.sum(0) / counts.sum(), drawn[:, :-1] / drawn[:, -1:]

    def interval(self, value: float, drawn: np.ndarray) -> Interval:
        """Percentile interval of resampled values; NaN ends if any of them isn't a number."""
        if not len(drawn) or np.isnan(drawn).any() or np.isnan(value):
            return Interval(float(value), float("nan"), float("nan"))
        tail = (1 - self._confidence) / 2
        # by order statistics: no interpolation, so infinite ratios stay infinite rather than becoming NaN
        lo, hi = np.quantile(drawn, [tail, 1 - tail], method="inverted_cdf")
        return Interval(float(value), float(lo), float(hi))


def difference(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray], resamples: Resamples) -> Interval:
    """a − b of two (mean, resampled means) on the same users."""
    return resamples.interval(a[0] - b[0], a[1] - b[1])


def ratio(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray], resamples: Resamples) -> Interval:
    """a / b of two (mean, resampled means) on the same users; infinite where b is 0 and a isn't, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return resamples.interval(float(np.divide(a[0], b[0])), np.divide(a[1], b[1]))
