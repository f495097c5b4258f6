"""The same calibration for every arm: a temperature, and shares of popularity and of uniform, fitted on validation.

q'(x | h) = λ_m·softmax(s/T)(x) + λ_p·popularity(x)^α + λ_u, each a distribution over the candidates X(h): items with training
interactions, less the history where items don't repeat. It gives every scorer nats per target that can be compared, and it
puts back the part of the law that a model of the signal was not taught. Ranks are those of q'.

Weights by Newton's method (concave), α on a grid, T by golden section on log T.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from preceptor.core import metrics
from preceptor.data.rows import Targets
from preceptor.ranking.evaluate import Scorer, histories_of

ALPHAS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
TEMPERATURES = (0.02, 50.0)  # of scores whose spread is about 1, see `dense`
_STEPS = 18  # of golden section: log T to about 0.002
_LEAST = 1e-300
_BATCH = 512
_CELLS = 1 << 22  # probabilities worked on at a time
_PSEUDO, _GAP, _TURNS, _HALVINGS = 1e-3, 1e-6, 100, 30


@dataclass(frozen=True)
class Offer:
    """Targets with their candidates. open: bool [targets, I], X(h). inside: bool [targets], whether the item is a candidate.

    prior: what popularity^α of each of ALPHAS, and uniform, give each target's item; float64 [targets, ALPHAS + 1].
    """

    targets: Targets
    popularity: np.ndarray
    open: np.ndarray
    inside: np.ndarray
    prior: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """temperature T, exponent α of popularity, and the weights λ of model, popularity and uniform, which sum to 1."""

    temperature: float
    alpha: float
    model: float
    popularity: float
    uniform: float


RAW = Calibration(1.0, 1.0, 1.0, 0.0, 0.0)  # the model as it is: its softmax over X(h)


def offer(targets: Targets, popularity: np.ndarray, repeats: bool) -> Offer:
    """X(h) of each target. popularity: training interactions, int [I]; items without any aren't candidates."""
    open_ = np.repeat((popularity > 0)[None], len(targets), axis=0)
    if not repeats:
        place, items = histories_of(targets, np.arange(len(targets)))
        open_[place, items] = False
    inside = open_[np.arange(len(targets)), targets.item]
    worth = np.stack([*(popularity.astype(np.float64) ** a for a in ALPHAS), (popularity > 0) * 1.0])
    prior = np.zeros((len(targets), len(worth)))
    for begin in range(0, len(targets), _BATCH):
        rows = slice(begin, begin + _BATCH)
        rest = open_[rows] @ worth.T
        prior[rows] = np.where(inside[rows, None], worth[:, targets.item[rows]].T / np.maximum(rest, _LEAST), 0.0)
    return Offer(targets, popularity, open_, inside, prior)


def dense(scorer: Scorer, offered: Offer, log: bool = False, batch: int = 256) -> np.ndarray:
    """Scores over X(h), float32 [targets, I], −inf outside, each row's largest 0. log: the scorer gives probabilities."""
    targets = offered.targets
    out = np.empty(offered.open.shape, np.float32)
    order = np.argsort(targets.end - targets.start, kind="stable")  # a batch pads little
    for begin in range(0, len(targets), batch):
        rows = order[begin : begin + batch]
        found = scorer.scores(targets, rows)
        out[rows] = np.log(np.maximum(found, 1e-30)) if log else found
    out[~offered.open] = -np.inf
    out -= out.max(axis=1, keepdims=True)
    return out


def fit(scores: np.ndarray, offered: Offer) -> Calibration:
    """The calibration with the fewest nats on the targets inside X(h). scores: as `dense` makes them."""
    prior = offered.prior
    inside = np.flatnonzero(offered.inside)
    own = scores[inside, offered.targets.item[inside]].astype(np.float64)
    start: dict[int, np.ndarray] = {}

    def best(log_t: float) -> tuple[float, Calibration]:
        t = float(np.exp(log_t))
        p_model = np.exp(own / t - _log_mass(scores, inside, t))
        found: list[tuple[float, Calibration]] = []
        for a, alpha in enumerate(ALPHAS):
            matrix = np.column_stack([p_model, prior[inside, a], prior[inside, -1]])
            y = _shares(matrix, start.get(a, np.array([0.9, 0.05, 0.05])))
            start[a] = np.maximum(y, 1e-4) / np.maximum(y, 1e-4).sum()
            nats = -float(np.log(np.maximum(matrix @ y, _LEAST)).mean())
            found.append((nats, Calibration(t, alpha, *(float(v) for v in y))))
        return min(found, key=lambda pair: pair[0])

    some = scores[inside[:512]]  # a beam may have lost candidates too
    scale = float(np.std(some[np.isfinite(some)])) if len(inside) else 1.0
    low, high = (float(np.log(t * max(scale, 1e-6))) for t in TEMPERATURES)
    return _golden(best, low, high)


def probabilities(scores: np.ndarray, calibration: Calibration, offered: Offer, rows: np.ndarray | None = None) -> np.ndarray:
    """q' of each target's candidates, float32 [rows, I]; 0 outside X(h), each row sums to 1."""
    rows = np.arange(len(scores)) if rows is None else rows
    worth = (offered.popularity.astype(np.float64) ** calibration.alpha).astype(np.float32)
    out = np.empty((len(rows), scores.shape[1]), np.float32)
    step = max(1, _CELLS // max(scores.shape[1], 1))
    for begin in range(0, len(rows), step):
        here = rows[begin : begin + step]
        p = np.exp(scores[here] / np.float32(calibration.temperature))
        out[begin : begin + step] = blended(p, worth, offered.open[here], calibration)
    return out


def blended(p: np.ndarray, worth: np.ndarray, open_: np.ndarray, calibration: Calibration) -> np.ndarray:
    """q' [rows, I] from a model's weights p [rows, I], which are overwritten and 0 outside X(h). worth: popularity^α, [I], of
    the dtype of p. open_: X(h), bool [rows, I]."""
    model, popularity, uniform = (p.dtype.type(v) for v in (calibration.model, calibration.popularity, calibration.uniform))
    p *= model / p.sum(axis=1, keepdims=True)
    offered = open_ * worth
    p += offered * (popularity / np.maximum(offered.sum(axis=1, keepdims=True), np.finfo(p.dtype).tiny))
    p += open_ * (uniform / np.maximum(open_.sum(axis=1, keepdims=True), 1).astype(p.dtype))
    return p


@dataclass(frozen=True)
class Judged:
    """nats: float64 [targets], NaN outside X(h); rank: int32 [targets], the last one outside X(h)."""

    nats: np.ndarray
    rank: np.ndarray


def judge(p: np.ndarray, offered: Offer) -> Judged:
    """Nats and ranks of all targets under probabilities over X(h)."""
    item = offered.targets.item
    own = p[np.arange(len(p)), item].astype(np.float64)
    nats = np.where(offered.inside, -np.log(np.maximum(own, _LEAST)), np.nan)
    rank = metrics.ranks(np.where(offered.open, p, -np.inf), item)
    return Judged(nats, rank)


@njit(cache=True)
def _shares(matrix: Any, start: Any) -> Any:
    """y on the simplex that maximises Σ log(matrix · y), with _PSEUDO events of each share, to _GAP nats; matrix [n, 3] ≥ 0.

    Newton's steps in y_0 and y_1, never past 99 % of the way to a side, halved until they help. The gap bounds what is left to
    gain, as in `generator.em`.
    """
    n = len(matrix)
    w = 1.0 / (n + 3 * _PSEUDO)
    a = _PSEUDO * w
    y = start / start.sum()
    tried = np.empty(3)
    step = np.empty(3)
    now = -np.inf
    for _ in range(_TURNS):
        u = a / y
        h00, h01, h11 = a / y[0] ** 2 + a / y[2] ** 2, a / y[2] ** 2, a / y[1] ** 2 + a / y[2] ** 2
        now = a * (np.log(y[0]) + np.log(y[1]) + np.log(y[2]))
        for e in range(n):
            p = max(matrix[e, 0] * y[0] + matrix[e, 1] * y[1] + matrix[e, 2] * y[2], _LEAST)
            r0, r1, r2 = matrix[e, 0] / p, matrix[e, 1] / p, matrix[e, 2] / p
            now += w * np.log(p)
            u[0] += w * r0
            u[1] += w * r1
            u[2] += w * r2
            h00 += w * (r0 - r2) * (r0 - r2)
            h01 += w * (r0 - r2) * (r1 - r2)
            h11 += w * (r1 - r2) * (r1 - r2)
        if max(u[0], u[1], u[2]) - 1.0 <= _GAP:
            break
        g0, g1 = u[0] - u[2], u[1] - u[2]
        h00, h11 = h00 * (1 + 1e-12), h11 * (1 + 1e-12)
        det = h00 * h11 - h01 * h01
        step[0] = (h11 * g0 - h01 * g1) / det
        step[1] = (h00 * g1 - h01 * g0) / det
        step[2] = -step[0] - step[1]
        far = 1.0
        for c in range(3):
            if step[c] < 0:
                far = min(far, -0.99 * y[c] / step[c])
        better = False
        for _ in range(_HALVINGS):
            tried[:] = y + far * step
            then = a * (np.log(tried[0]) + np.log(tried[1]) + np.log(tried[2]))
            for e in range(n):
                p = matrix[e, 0] * tried[0] + matrix[e, 1] * tried[1] + matrix[e, 2] * tried[2]
                then += w * np.log(max(p, _LEAST))
            if then > now:
                better = True
                break
            far *= 0.3
        if not better:
            break
        y[:] = tried
    return y / y.sum()


def _log_mass(scores: np.ndarray, rows: np.ndarray, temperature: float) -> np.ndarray:
    out = np.empty(len(rows))
    for begin in range(0, len(rows), _BATCH):
        part = np.exp(scores[rows[begin : begin + _BATCH]] / np.float32(temperature))
        out[begin : begin + _BATCH] = np.log(part.sum(axis=1, dtype=np.float64))
    return out


def _golden(best, low: float, high: float) -> Calibration:  # type: ignore[no-untyped-def]
    """Golden section for the least first value; returns what came with it."""
    ratio = (np.sqrt(5.0) - 1) / 2
    a, b = low, high
    c, d = b - ratio * (b - a), a + ratio * (b - a)
    at_c, at_d = best(c), best(d)
    for _ in range(_STEPS):
        if at_c[0] <= at_d[0]:
            b, d, at_d = d, c, at_c
            c = b - ratio * (b - a)
            at_c = best(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + ratio * (b - a)
            at_d = best(d)
    return min(at_c, at_d, key=lambda pair: pair[0])[1]
