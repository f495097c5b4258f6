"""Statistics that several stages need: bootstraps over users, intervals, AUC, ranks, Spearman, Gini.

SciPy is imported inside the functions that use it: the light part imports this folder and has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.core import rng

_CELLS = 1 << 24  # resampled counts held at a time


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; NaN where it doesn't exist (a ratio to nothing)."""

    value: float
    lo: float
    hi: float


class Resamples:
    """Means of per-target values over all targets, in the sample and in `count` resamples of the users.

    A user's targets stand or fall together. One instance resamples the same users for whatever it is asked, which makes
    differences and ratios paired.
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
        # by order statistics: no interpolation, so infinite ratios stay infinite rather than becoming NaN
        return percentile_interval(value, drawn, self._confidence, "inverted_cdf")


def difference(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray], resamples: Resamples) -> Interval:
    """a − b of two (mean, resampled means) on the same users."""
    return resamples.interval(a[0] - b[0], a[1] - b[1])


def ratio(a: tuple[float, np.ndarray], b: tuple[float, np.ndarray], resamples: Resamples) -> Interval:
    """a / b of two (mean, resampled means) on the same users; infinite where b is 0 and a isn't, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return resamples.interval(float(np.divide(a[0], b[0])), np.divide(a[1], b[1]))


def resampled_users(generator: np.random.Generator, users: int, count: int) -> np.ndarray:
    """How often each user is drawn in each of `count` resamples, float64 [count, users]: the weights that `auc` takes."""
    return generator.multinomial(users, np.full(users, 1 / users), size=count).astype(np.float64)


def percentile_interval(value: float, drawn: np.ndarray, confidence: float = 0.95, method: str = "linear") -> Interval:
    """What lies between the outer quantiles of resampled values; NaN ends where there are none or one isn't a number."""
    if not len(drawn) or np.isnan(drawn).any() or np.isnan(value):
        return Interval(float(value), float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(drawn, [tail, 1 - tail], method=method)  # type: ignore[call-overload]
    return Interval(float(value), float(lo), float(hi))


def two_sided(drawn: np.ndarray) -> float:
    """p of "the value is 0", from its resampled values: twice the smaller share on one side of 0, never below 1 / (count + 1).

    NaN where a resampled value isn't a number.
    """
    drawn = np.asarray(drawn, np.float64)
    if not len(drawn) or np.isnan(drawn).any():
        return float("nan")
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(1.0, 2 * (fewer + 1) / (len(drawn) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p of several tests (1979), in the order given: at most α where the test holds among all of them at α.

    The k-th smallest is multiplied by the number of tests less k, and none is smaller than one before it. Raises ValueError
    for a p that isn't from 0 to 1.
    """
    if not all(0 <= x <= 1 for x in p):
        raise ValueError(f"p values are from 0 to 1: {list(p)}")
    adjusted, least = [0.0] * len(p), 0.0
    for place, k in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = max(least, min(1.0, (len(p) - place) * p[k]))
        adjusted[k] = least
    return adjusted


def mean_interval(values: Sequence[float] | np.ndarray, reach: float | None = None) -> Interval:
    """Mean of independent values ± `reach` standard errors; None: Student's for 95 %. NaN ends for a single value."""
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, float("nan"), float("nan"))
    reach = student(len(values) - 1) if reach is None else reach
    half = reach * float(values.std(ddof=1)) / float(np.sqrt(len(values)))
    return Interval(mean, mean - half, mean + half)


def student(dof: float, level: float = 0.95) -> float:
    """Student's t that bounds `level` of the probability, both sides."""
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, dof))


def falling(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares falling relation of y to x: (x, y) of its knots, x rising, one for each pool of points."""
    from scipy.optimize import isotonic_regression

    order = np.lexsort((y, x))
    found = isotonic_regression(y[order], increasing=False)
    size = np.diff(found.blocks)
    return np.add.reduceat(x[order], found.blocks[:-1]) / size, found.x[found.blocks[:-1]]


POWER_FACTOR = 1.959964 + 0.841621  # z_0.975 + z_0.80


def minimum_effect(sigma: float, users: int) -> float:
    """The smallest paired difference found with 80 % power at 5 %, two-sided. sigma: as `deviation_over_users` measures it."""
    return POWER_FACTOR * sigma / float(np.sqrt(users))


def users_needed(sigma: float, effect: float) -> int:
    """Users that make `effect` the minimum detectable one, at least 2."""
    return max(2, int(np.ceil((POWER_FACTOR * sigma / effect) ** 2)))


def deviation_over_users(values: np.ndarray, user: np.ndarray) -> float:
    """Standard deviation over users behind the mean of values float [targets]: that mean's standard error times √users.

    With s the sum and n the number of a user's values: of z = (s − n·mean) / n̄ (the delta method for a ratio of sums).
    """
    _, index = np.unique(user, return_inverse=True)
    count = np.bincount(index)
    z = (np.bincount(index, weights=values) - values.mean() * count) / count.mean()
    return float(np.sqrt((z**2).sum() / (len(z) - 1)))


def auc(
    score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None, owner: np.ndarray | None = None
) -> np.ndarray:
    """Area under the ROC curve, float64 [B]: P(a positive scores above a negative), ties half. NaN without both kinds.

    score: float [n]; positive: bool [n]. weights: float [B, owners], a row for each resample; None: one row of ones.
    owner: int [n], whose weight a score has; None: each its own.
    """
    from scipy.sparse import csr_array

    owner = np.arange(len(score)) if owner is None else owner
    weights = np.ones((1, int(owner.max(initial=-1)) + 1)) if weights is None else weights
    values, place = np.unique(score, return_inverse=True)
    shape = (weights.shape[1], len(values))
    above, under = (
        weights @ csr_array((np.ones(int(kind.sum())), (owner[kind], place[kind])), shape=shape)
        for kind in (positive, ~positive)
    )
    below = np.cumsum(under, axis=1) - under / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((above * below).sum(1) / (above.sum(1) * under.sum(1)))


def ranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 0.5, ties at their mean: float64, and their mean is half of len(x)."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(x) - 0.5)


def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    """Rank correlation with mean ranks for ties; None where either is constant."""
    x, y = (r - r.mean() if len(r) else r for r in (ranks(a), ranks(b)))
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    return float(x @ y / scale) if scale > 0 else None


def gini(counts: np.ndarray) -> float | None:
    """Gini coefficient of non-negative counts: 0 all equal, towards 1 all in one place. None where all are 0."""
    ordered = np.sort(counts)
    total = ordered.sum()
    n = len(ordered)
    if not total:
        return None
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
