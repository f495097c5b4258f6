"""Inverse exposure for the objective `unbiased`: events and meetings count 1/e, e the chance that the item was shown.

e is given for each interaction, or popularity^β, β a stated assumption that the log never chooses. Weights are self-normalised
(mean 1) and clipped. A meeting a → b counts 1/e(b), the mean over b's interactions: 1/e(a) is common to the row of a.
"""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator.fit_config import FitConfig
from preceptor.graph.graph import Graph, from_weights

LEAST = 200.0  # effective events


def inverse(split: TrainSplit, beta: float | None, clip: float, propensities: np.ndarray | None = None) -> np.ndarray:
    """1/e of each training interaction, mean 1, at most `clip`: float64 [n]. Raises PreceptorError where e isn't known."""
    if propensities is not None:
        e = np.asarray(propensities, np.float64)
        if e.shape != np.asarray(split.item).shape or not np.all((e > 0) & np.isfinite(e)):
            raise PreceptorError(
                "Bad propensities",
                found=f"shape {e.shape}",
                expected=f"{len(split.item)} positive numbers, one per interaction",
            )
    elif beta is not None and np.isfinite(beta) and beta >= 0:
        e = split.popularity[split.item].astype(np.float64) ** beta
    else:
        raise PreceptorError(
            "The objective `unbiased` needs the exposure of items",
            where="beta",
            found=beta,
            expected="propensities, or beta ≥ 0 with exposure = popularity ** beta (an assumption)",
        )
    if clip < 1:
        raise PreceptorError("Bad clip of inverse exposure", where="clip", found=clip, expected="1 or more (in means)")
    w = 1.0 / e
    for _ in range(50):  # clipping lowers the mean, so a few rounds
        w = np.minimum(w / w.mean(), clip)
        if abs(w.mean() - 1) < 1e-9:
            break
    return w


def asked(split: TrainSplit, config: FitConfig, propensities: np.ndarray | None = None) -> np.ndarray | None:
    """As `inverse`, where the objective asks for it; else None."""
    return inverse(split, config.beta, config.clip, propensities) if config.objective == "unbiased" else None


def of_items(split: TrainSplit, weight: np.ndarray) -> np.ndarray:
    """Mean weight of each item's interactions, float64 [I]; 1 without any."""
    n = split.popularity
    return np.where(n > 0, np.bincount(split.item, weights=weight, minlength=split.n_items) / np.maximum(n, 1), 1.0)


def reweighed(graph: Graph, of_target: np.ndarray) -> Graph:
    """Each edge's weight times that of its target, rows normalised anew."""
    return from_weights(graph.indptr, graph.indices, graph.weight * of_target[graph.indices])


def refuse_few(effective: float) -> None:
    """Raise PreceptorError under LEAST effective events."""
    if effective < LEAST:
        raise PreceptorError(
            "Too few effective next items for the objective `unbiased`",
            found=f"{effective:.0f}",
            expected=f"at least {LEAST:.0f}",
            remedy="clip lower, assume a smaller beta, or give a longer log",
        )
