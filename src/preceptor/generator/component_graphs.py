"""From descriptions of components to item graphs: pairs are counted once a window, and weighed once a description."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numba import njit

from preceptor.core import memory
from preceptor.core.errors import PreceptorError
from preceptor.data.log import TrainSplit
from preceptor.generator import smooth
from preceptor.generator.components import GraphSpec
from preceptor.graph.cooccurrence import Cooccurrence, cooccurrence, item_users
from preceptor.graph.graph import Graph, from_edges, from_weights
from preceptor.graph.item_graph import build_graph, text_edges, weighting_of
from preceptor.graph.weights import Weighting

MOST_PAIRS = 40_000_000  # beyond, smoothed rows come from each item's strongest pairs
PAIR_BYTES = 48  # at the peak, of a pair that is held while its window's descriptions are weighed
PAIRS_SHARE = 0.25  # of the memory of a run, for such pairs. Beyond, each description is counted on its own and cut at once


def graphs(
    split: TrainSplit, specs: tuple[GraphSpec, ...], embeddings: np.ndarray | None = None
) -> Iterator[tuple[int, Graph]]:
    """Yield (place in specs, graph) for each description, those that share counts one after another.

    One graph is made at a time, so that whoever reads it and lets go holds one. embeddings: float [I, d], for text rows.
    """
    users_of = item_users(split)
    most = int(memory.budget() * PAIRS_SHARE / PAIR_BYTES)
    for places in _groups(specs).values():
        found = None
        possible = 0 if specs[places[0]].smooth == "text" else _possible_pairs(split, specs[places[0]])
        if 0 < possible <= most:
            found = _pairs(split, specs[places[0]], 0)
        for place in places:
            smoothed = specs[place].smooth in {"svd", "ease"}
            if smoothed and (found is None or possible > MOST_PAIRS):
                held = _pairs(split, specs[place], 0 if possible <= MOST_PAIRS else 4 * specs[place].top_k)
                yield place, _graph(split, specs[place], held, users_of, embeddings)
                del held
            else:
                yield place, _graph(split, specs[place], found, users_of, embeddings)
        del found


def one(split: TrainSplit, spec: GraphSpec, embeddings: np.ndarray | None = None) -> Graph:
    """The graph of one description, as `graphs` gives it, counted and cut on its own."""
    found = None
    if spec.smooth in {"svd", "ease"}:
        found = _pairs(split, spec, 0 if _possible_pairs(split, spec) <= MOST_PAIRS else 4 * spec.top_k)
    return _graph(split, spec, found, item_users(split), embeddings)


def _groups(specs: tuple[GraphSpec, ...]) -> dict[tuple[object, ...], list[int]]:
    found: dict[tuple[object, ...], list[int]] = {}
    for place, spec in enumerate(specs):
        own = spec.weight == "rp3beta" or spec.smooth == "text"
        key = (spec.window, spec.directed, spec.decay, spec.min_users, spec.name if own else "")
        found.setdefault(key, []).append(place)
    return found


def _possible_pairs(split: TrainSplit, spec: GraphSpec) -> int:
    """An upper bound of the pairs in rows."""
    lengths = np.diff(split.user_indptr).astype(np.int64)
    reach = np.minimum(lengths - 1, spec.window or lengths.max(initial=1))
    per_item = np.bincount(split.item, weights=2.0 * np.repeat(np.maximum(reach, 0), lengths), minlength=split.n_items)
    return int(np.minimum(per_item, split.n_items).sum())


def _pairs(split: TrainSplit, spec: GraphSpec, top_k: int) -> Cooccurrence:
    weighting = weighting_of(spec.config(), split)
    return cooccurrence(split, weighting, spec.window, spec.directed, spec.decay, spec.min_users, top_k)


def _graph(
    split: TrainSplit, spec: GraphSpec, found: Cooccurrence | None, users_of: np.ndarray, embeddings: np.ndarray | None
) -> Graph:
    if spec.smooth == "text":
        if embeddings is None:
            raise PreceptorError("Text rows need embeddings", where=spec.name, expected="embeddings, float [items, d]")
        return from_edges(split.n_items, *text_edges(embeddings, users_of == 0, spec.top_k))
    if spec.smooth in {"svd", "ease"}:
        assert found is not None, "counted by the caller"
        if spec.smooth == "svd":
            return smooth.svd_rows(found, users_of, spec.rank, spec.top_k, spec.gamma)
        return smooth.ease_rows(found, users_of, spec.ridge, spec.top_k, spec.gamma)
    if found is None:
        plain = build_graph(split, spec.config())
    else:
        plain = weighed(found, weighting_of(spec.config(), split), users_of, spec)
    return smooth.two_hop(plain, spec.top_k) if spec.smooth == "two-hop" else plain


def weighed(found: Cooccurrence, weighting: Weighting, users_of: np.ndarray, spec: GraphSpec) -> Graph:
    """The graph of all pairs (`cooccurrence` with top_k 0), cut to each row's strongest: equal to `build_graph`.

    Undirected pairs stay if either end keeps them.
    """
    weight = weighting.of_rows(found.indptr, found.indices, found.strength, users_of)
    kept = np.ones(len(weight), np.bool_)
    if spec.top_k:
        smooth.mark_strongest(found.indptr, weight, spec.top_k, kept)
        if not spec.directed:
            _either_end(found.indptr, found.indices, kept)
    weight = (weight / weight.max(initial=1e-300)) ** spec.gamma
    weight = np.maximum(weight, np.finfo(np.float64).tiny)
    before = np.concatenate([[0], np.cumsum(kept)])
    return from_weights(before[found.indptr], found.indices[kept], weight[kept])


@njit(nogil=True, cache=True)
def _either_end(indptr, indices, kept):  # type: ignore[no-untyped-def]
    """Keep an edge whose reverse is kept. Rows ascend, so the reverses of the edges into an item are met in its row's order."""
    at = indptr[:-1].copy()
    reverse = np.empty(len(indices), np.int64)
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            reverse[e] = at[indices[e]]
            at[indices[e]] += 1
    own = kept.copy()
    for e in range(len(indices)):
        kept[e] = own[e] or own[reverse[e]]
