"""What a classifier of histories looks at: one row of numbers per history, and one per place in it.

All of it is computed from the graph users alone (`Known`), so that absent users and synthetic histories are seen in one light.
Nothing that tells is forbidden: the edges of the walks' graph and the law's own probabilities are among the features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from preceptor.core import rng
from preceptor.core.statistics import ranks
from preceptor.data.log import TrainSplit
from preceptor.generator.mixture_probability import conditional
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.graph import Graph

DIM = 32
LEAST_LOG = -30.0  # nats, in place of −inf
CHANNELS = 9  # numbers of each place, beside its item's vector

# feature: (what is said where it is higher in the synthetic histories, where it is lower)
FEATURES = {
    "popularity": ("their items are more popular", "their items are less popular"),
    "rarest item": ("their rarest item is more popular", "their rarest item is rarer"),
    "popularity spread": ("they mix popular and rare items more", "they mix popular and rare items less"),
    "popularity trend": ("later items are too popular beside earlier ones", "later items are too rare beside earlier ones"),
    "repeats": ("items come again more often", "items come again less often"),
    "edges": ("more neighbours have an edge in the item graph", "fewer neighbours have an edge in the item graph"),
    "similarity, lag 1": ("neighbours are more alike", "neighbours are less alike"),
    "similarity, lag 2": ("items two places apart are more alike", "items two places apart are less alike"),
    "similarity, lag 5": ("items five places apart are more alike", "items five places apart are less alike"),
    "similarity, all": ("their items are more alike on the whole", "their items are less alike on the whole"),
    "time spread": ("they mix items of more distant times", "their items are from nearer times"),
    "time trend": ("they move on in time faster", "they move on in time less"),
    "time jumps": ("neighbours are from more distant times", "neighbours are from nearer times"),
    "shared category": ("more neighbours share a category", "fewer neighbours share a category"),
    "law": ("the fitted law finds them likelier", "the fitted law finds them less likely"),
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """What the graph users' histories say of items: popularity float [I] (log of 1 + interactions), vectors float32 [I, DIM]
    (rows of the truncated SVD of their histories, unit length), time float [I] (mean time of an item's interactions, as a rank
    from 0 to 1), edges (sorted keys source·I + target of the walks' graph), categories bool-like sparse [I, kinds] or None, and
    the law of the whole mixture (None: of walks there is none that every history has).
    """

    popularity: np.ndarray
    vectors: np.ndarray
    time: np.ndarray
    edges: np.ndarray
    categories: csr_array | None
    law: MixtureTables | None


def known(train: TrainSplit, graph: Graph, law: MixtureTables | None, seed: int) -> Known:
    """train: the graph users' part. graph: that of the paper's walks on it."""
    popularity = train.popularity
    mean = np.bincount(train.item, weights=_ranked(np.asarray(train.time)), minlength=train.n_items) / np.maximum(popularity, 1)
    time = np.where(popularity > 0, mean, 0.5)
    keys = np.unique(graph.source.astype(np.int64) * graph.n_items + graph.indices)
    return Known(np.log1p(popularity), _vectors(train, seed), time, keys, _categories(train), law)


def plain(items: np.ndarray, lengths: np.ndarray, known: Known) -> np.ndarray:
    """FEATURES of each history, float64 [n, features]; 0 where a history is too short for one. items: int [n, L], −1 beyond
    lengths int [n], which are 2 or more."""
    inside = np.arange(items.shape[1]) < lengths[:, None]
    places = np.arange(items.shape[1])
    late = places >= (lengths[:, None] / 2)
    x = np.where(inside, items, 0)
    popularity, time = known.popularity[x], known.time[x]
    pairs = inside[:, 1:]
    closeness = _closeness(x, known)
    both = inside[:, :, None] & inside[:, None, :]
    jumps = np.abs(np.diff(time, axis=1))
    columns = [
        _mean(popularity, inside),
        np.where(inside, popularity, np.inf).min(axis=1),
        _spread(popularity, inside),
        _mean(popularity, inside & late) - _mean(popularity, inside & ~late),
        _mean(_repeated(items).astype(float), inside),
        _mean(_edges(x, known), pairs),
        *(_mean(np.diagonal(closeness, lag, 1, 2), inside[:, lag:]) for lag in (1, 2, 5)),
        _mean(closeness.reshape(len(x), -1), (both & (places[:, None] < places)).reshape(len(x), -1)),
        _spread(time, inside),
        _mean(time, inside & late) - _mean(time, inside & ~late),
        _mean(jumps, pairs),
        _mean(_shared(x, known), pairs),
        _mean(_law(items, lengths, known)[:, 1:], pairs),
    ]
    return np.stack(columns, axis=1)


def places(items: np.ndarray, lengths: np.ndarray, known: Known) -> np.ndarray:
    """Numbers of each place of each history, float32 [n, L, DIM + CHANNELS], 0 beyond the end."""
    inside = np.arange(items.shape[1]) < lengths[:, None]
    x = np.where(inside, items, 0)
    closeness = _closeness(x, known)
    earlier = np.tril(np.ones(closeness.shape[1:], bool), -1)
    before = np.where(earlier, closeness, 0.0)
    to_last = np.zeros(x.shape)
    to_last[:, 1:] = np.diagonal(closeness, 1, 1, 2)
    own = [
        known.popularity[x],
        known.time[x],
        _led(np.diff(known.time[x], axis=1)),
        _led(_edges(x, known)),
        to_last,
        before.sum(axis=2) / np.maximum(earlier.sum(axis=1), 1),
        before.max(axis=2),
        _repeated(items).astype(float) + _led(_shared(x, known)) / 2,
        _law(items, lengths, known),
    ]
    made = np.concatenate([known.vectors[x], np.stack(own, axis=2)], axis=2)
    return np.where(inside[:, :, None], made, 0.0).astype(np.float32)


def _closeness(x: np.ndarray, known: Known) -> np.ndarray:
    """Cosine of the vectors of any two places, float [n, L, L]."""
    vectors = known.vectors[x]
    return np.asarray(vectors @ vectors.transpose(0, 2, 1))


def _edges(x: np.ndarray, known: Known) -> np.ndarray:
    """Whether an edge leads from each place to the next, float [n, L − 1]."""
    wanted = x[:, :-1].astype(np.int64) * len(known.popularity) + x[:, 1:]
    return np.isin(wanted, known.edges).astype(float)


def _shared(x: np.ndarray, known: Known) -> np.ndarray:
    """Whether neighbours share a category, float [n, L − 1]; 0 without categories."""
    if known.categories is None:
        return np.zeros((len(x), x.shape[1] - 1))
    a, b = known.categories[x[:, :-1].ravel()], known.categories[x[:, 1:].ravel()]
    return np.asarray((a.multiply(b).sum(axis=1) > 0).reshape(len(x), -1), float)


def _law(items: np.ndarray, lengths: np.ndarray, known: Known) -> np.ndarray:
    """log p of each item after those before it under the whole mixture, float [n, L]; 0 at the first, and without a mixture."""
    if known.law is None:
        return np.zeros(items.shape)
    found = conditional(known.law, items, lengths).log_p
    return np.maximum(np.nan_to_num(found, nan=0.0, neginf=LEAST_LOG), LEAST_LOG)


def _repeated(items: np.ndarray) -> np.ndarray:
    """Whether a place holds an item of an earlier one, bool [n, L]."""
    same = items[:, :, None] == items[:, None, :]
    return np.asarray((same & np.tril(np.ones(same.shape[1:], bool), -1)).any(axis=2))


def _led(steps: np.ndarray) -> np.ndarray:
    """Numbers of steps [n, L − 1] at the places they lead to."""
    return np.pad(steps, ((0, 0), (1, 0)))


def _mean(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(inside, values, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1))


def _spread(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    mean = _mean(values, inside)
    return np.sqrt(_mean((values - mean[:, None]) ** 2, inside))


def _ranked(time: np.ndarray) -> np.ndarray:
    return ranks(time) / max(1, len(time))


def _vectors(train: TrainSplit, seed: int) -> np.ndarray:
    """Unit rows of the truncated SVD of the users' histories, popularity damped, float32 [I, DIM]; 0 of untouched items."""
    out = np.zeros((train.n_items, DIM), np.float32)
    popularity = np.maximum(train.popularity, 1)
    user, item = np.asarray(train.user), np.asarray(train.item)
    table = csr_array((1 / np.sqrt(popularity[item]), (user, item)), shape=(train.n_users, train.n_items))
    k = min(DIM, len(np.unique(user)) - 1, len(np.unique(item)) - 1)
    if k < 1:
        return out
    _, size, right = svds(table, k=k, v0=rng.generator(seed, "told/svd").standard_normal(min(table.shape)))
    made = (right * np.sqrt(size)[:, None]).T
    norm = np.linalg.norm(made, axis=1, keepdims=True)
    out[:, :k] = np.where(norm > 1e-9, made / np.maximum(norm, 1e-9), 0.0)
    return out


def _categories(train: TrainSplit) -> csr_array | None:
    if "categories" not in train.items.columns:
        return None
    column = train.items["categories"].to_list()
    kinds = {name: k for k, name in enumerate(sorted({c for row in column for c in row or ()}))}
    pairs = [(i, kinds[c]) for i, row in enumerate(column) for c in row or ()]
    if not pairs:
        return None
    item, kind = np.array(pairs).T
    return csr_array((np.ones(len(pairs), np.float32), (item, kind)), shape=(len(column), len(kinds)))
