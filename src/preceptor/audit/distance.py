"""How far an estimate of "what comes after i" is from a known truth, in measures whose meaning is plain.

A law gives rows: law(items int [n]) -> float64 [n, I], row by row the probabilities of the next item, 0 at the item itself;
a row of zeros says nothing of its item (it has no edges). A truth is such a law without rows of zeros.

tv         total variation ½ Σ_j |P(i→j) − T(i→j)|: the share of next items that would have to change. 0 equal, 1 disjoint.
js         Jensen–Shannon divergence in bits: 0 equal, 1 disjoint; gentler than tv on many small errors.
overlap    share of the truth's 10 likeliest next items that are among the estimate's 10 likeliest: the order at the top.
exposure_tv total variation between the mean row of the estimate and that of the truth: who is led to, whoever leads there.
NAME_drift mean percentile of the next item by NAME (popularity, promotion, shelf), estimate less truth: 0 is as often as
           is true, above 0 leads to more popular items than people would choose. Not the same as flat.

The first three are means over source items, once each item alike and once weighted by the truth's share of it. An item
without edges counts as wholly wrong (tv = js = 1, overlap = 0), since leaving items out is no way to come nearer; "defined"
are the means over the others. exposure_tv and the drifts are over source items with edges, each alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import sparse

from preceptor.graph.graph import TOTAL, Graph

Law = Callable[[np.ndarray], np.ndarray]
TOP = 10
_CELLS = 1 << 22  # of a block of rows


def distances(
    law: Law, truth: Law, sources: np.ndarray, share: np.ndarray, percentiles: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The measures above over source items (int [n]).

    share: the truth's share of every item, float64 [I]. percentiles: of every item by each NAME, float64 [I].
    """
    tv, js, overlap = np.ones(len(sources)), np.ones(len(sources)), np.zeros(len(sources))
    defined = np.zeros(len(sources), bool)
    mean_p, mean_t = np.zeros(len(share)), np.zeros(len(share))
    size = max(1, _CELLS // max(1, len(share)))
    for first in range(0, len(sources), size):
        block = slice(first, first + size)
        p, t = law(sources[block]), truth(sources[block])
        there = p.any(axis=1)
        p, t = p[there], t[there]
        rows = first + np.flatnonzero(there)
        defined[rows] = True
        tv[rows] = 0.5 * np.abs(p - t).sum(axis=1)
        js[rows] = jensen_shannon(p, t)
        overlap[rows] = top_overlap(p, t)
        mean_p += p.sum(axis=0)
        mean_t += t.sum(axis=0)
    weight = share[sources] / share[sources].sum()
    found: dict[str, Any] = {"sources": len(sources), "undefined": float(1 - defined.mean())}
    for name, values in (("tv", tv), ("js", js), ("overlap", overlap)):
        found[name] = float(values.mean())
        found[f"{name}_by_truth"] = float(weight @ values)
        found[f"{name}_defined"] = float(values[defined].mean()) if defined.any() else None
    n = max(1, int(defined.sum()))
    found["exposure_tv"] = float(0.5 * np.abs(mean_p - mean_t).sum() / n) if defined.any() else None
    for name, percentile in percentiles.items():
        found[f"{name}_drift"] = float(percentile @ (mean_p - mean_t) / n) if defined.any() else None
    return found


def jensen_shannon(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Jensen–Shannon divergence of each pair of rows, in bits."""
    middle = 0.5 * (p + t)

    def part(x: np.ndarray) -> np.ndarray:
        ratio = np.divide(x, middle, out=np.ones_like(x), where=x > 0)
        return (x * np.log2(ratio)).sum(axis=1)

    return np.clip(0.5 * (part(p) + part(t)), 0.0, 1.0)


def top_overlap(p: np.ndarray, t: np.ndarray, k: int = TOP) -> np.ndarray:
    """Share of the k likeliest columns of t that are among the k likeliest of p, row by row. Zeros are not among them."""
    k = min(k, p.shape[1])
    best_p, best_t = (np.argpartition(-x, k - 1, axis=1)[:, :k] for x in (p, t))
    inside = np.zeros(p.shape, bool)
    np.put_along_axis(inside, best_p, True, axis=1)
    inside &= p > 0
    asked = np.take_along_axis(t, best_t, axis=1) > 0
    return (np.take_along_axis(inside, best_t, axis=1) & asked).sum(axis=1) / np.maximum(asked.sum(axis=1), 1)


def law_of_graph(graph: Graph) -> Law:
    """The graph's transition probabilities as a law."""
    weight = np.asarray(graph.weight, np.float64) / TOTAL
    matrix = sparse.csr_matrix((weight, graph.indices, graph.indptr), shape=(graph.n_items, graph.n_items))
    return lambda items: matrix[items].toarray()


def law_of_shares(share: np.ndarray) -> Law:
    """The law that knows no item from another: the next item by its share, whatever came before."""

    def rows(items: np.ndarray) -> np.ndarray:
        found = np.tile(np.asarray(share, np.float64), (len(items), 1))
        found[np.arange(len(items)), items] = 0.0
        return found / found.sum(axis=1, keepdims=True)

    return rows


def law_of_matrix(matrix: np.ndarray) -> Law:
    """Rows of a dense matrix, normalised; rows of zeros stay."""
    total = matrix.sum(axis=1, keepdims=True)
    rows = np.divide(matrix, total, out=np.zeros_like(matrix, np.float64), where=total > 0)
    return lambda items: rows[items]
