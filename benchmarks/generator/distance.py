"""T: how far a model is from the law that it was taught, at real histories.

T(D) = mean KL(p(· | h) ‖ q(· | h)) over real validation histories. It needs no targets, is at least 0, and is exactly 0 where
the model has become the law.
"""

from __future__ import annotations

import numpy as np

from preceptor.data.log import Targets
from preceptor.generator.dense import law_rows
from preceptor.generator.mixture import Mixture


def law_of(mixture: Mixture, targets: Targets) -> np.ndarray:
    """p(· | h) of each target's history, float32 [targets, I]."""
    out = np.empty((len(targets), len(mixture.members)), np.float32)
    for rows, p in law_rows(mixture, targets):
        out[rows] = p
    return out


def divergence(p: np.ndarray, q: np.ndarray, batch: int = 512) -> np.ndarray:
    """KL(p ‖ q) of each row, nats, float64 [rows]; infinite where q lacks what p has. Rows of both sum to 1."""
    out = np.empty(len(p))
    for begin in range(0, len(p), batch):
        a, b = p[begin : begin + batch].astype(np.float64), q[begin : begin + batch].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            out[begin : begin + batch] = np.where(a > 0, a * (np.log(a) - np.log(b)), 0.0).sum(axis=1)
    return out


def divergence_from_scores(p: np.ndarray, scores: np.ndarray, batch: int = 512) -> np.ndarray:
    """KL(p ‖ softmax(scores)) of each row; scores: −inf outside X(h), as `calibrate.dense` makes them."""
    out = np.empty(len(p))
    for begin in range(0, len(p), batch):
        a, s = p[begin : begin + batch].astype(np.float64), scores[begin : begin + batch].astype(np.float64)
        top = s.max(axis=1, keepdims=True)
        log_q = s - top - np.log(np.exp(s - top).sum(axis=1, keepdims=True))
        with np.errstate(divide="ignore", invalid="ignore"):
            out[begin : begin + batch] = np.where(a > 0, a * (np.log(a) - log_q), 0.0).sum(axis=1)
    return out
