"""Can somebody who has walks, and one person's whole history, tell whether the person was among those the walks were made from?

"Walks" are synthetic histories of any law. Scores of a history against the first M walks, higher for members if there is
anything to tell:

nearest walk  max over the walks of |items of both| / |items of either| (1 − Jaccard distance)
longest run   items in the longest run of the history, 2 to 8 items, that some walk holds
rare pairs    share of the history's pairs of different items at most `window` positions apart that are neighbours in some
              walk, either way round, each pair weighing 1 / (n_a·n_b), n the interactions of an item, taken to be public
pair counts   the same pairs and weights: mean of log (times both are in one walk, at any distance + ½) / (times expected by how
              often each item was drawn + ½)

And one against the law itself, all that a mixture's walks could ever show:

likelihood    mean of log p(item | those before it) over the first 100 items of the history, at least −20 each

AUC is the probability that a member scores higher than a non-member, ties half: 0.5 tells nothing, 1 tells everything. Another
attack may do better: these are lower bounds of what can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from preceptor.audit.runs import Runs, flat
from preceptor.generator.mixture_probability import conditional
from preceptor.generator.mixture_tables import MixtureTables

ATTACKS = ("nearest walk", "longest run", "rare pairs", "pair counts")
LIKELIHOOD = "likelihood"
LONGEST = 8
READ = 100  # items of a history whose likelihood is asked for
LEAST_LOG = -20.0  # nats: items that the law can't give


@dataclass(frozen=True)
class People:
    """Histories that are asked about: items int32, indptr int64 [people + 1], and their pairs.

    keys: int64, sorted and distinct: low·I + high of each pair of items that some history has; key: place in it of each pair
    of owner[p] (int64) with its weight[p] (float64).
    """

    items: np.ndarray
    indptr: np.ndarray
    n_items: int
    keys: np.ndarray
    key: np.ndarray
    owner: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, items: np.ndarray, indptr: np.ndarray, popularity: np.ndarray, window: int) -> People:
        found = [_pairs(items, indptr, gap, len(popularity)) for gap in range(1, min(window, max(len(items) - 1, 0)) + 1)]
        owner, a, b = (np.concatenate([np.zeros(0, np.int64), *(f[k] for f in found)]) for k in range(3))
        keys, key = np.unique(a * len(popularity) + b, return_inverse=True)
        weight = 1.0 / np.maximum(popularity[a].astype(np.float64) * popularity[b], 1.0)
        return cls(np.ascontiguousarray(items, np.int32), indptr, len(popularity), keys, key, owner, weight)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def share(self, found: np.ndarray) -> np.ndarray:
        """Weighted share of each history's pairs that are found (bool by place in keys)."""
        return self.mean(found)

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Weighted mean over each history's pairs of values (float by place in keys); 0 without pairs."""
        hit = np.bincount(self.owner, weights=self.weight * values[self.key], minlength=len(self))
        return np.asarray(hit / np.maximum(np.bincount(self.owner, weights=self.weight, minlength=len(self)), 1e-300))


def scores(people: People, walks: np.ndarray, lengths: np.ndarray, released: Sequence[int]) -> dict[str, np.ndarray]:
    """Each attack's scores, float64 [len(released), people].

    walks: int32 [count, longest], −1 beyond lengths int32 [count]. released: how many of the walks, from the first, somebody
    has; ascending.
    """
    walked, borders = flat(walks, lengths)
    limits = np.asarray(released, np.int64)
    return {
        "nearest walk": _nearest(people, walks, lengths, limits),
        "longest run": _longest(people, walked, borders, limits),
        "rare pairs": _rare(people, walked, borders, limits),
        "pair counts": _counts(people, walked, borders, limits),
    }


def pairs_among(people: People, known: np.ndarray) -> np.ndarray:
    """The score of rare pairs against all that walks can ever show: known, int64 keys low·I + high of the graph's edges."""
    return people.share(np.isin(people.keys, known))


def likelihood(people: People, law: MixtureTables) -> np.ndarray:
    """The score of likelihood, float64 [people]; 0 for a history of one item."""
    lengths = np.minimum(np.diff(people.indptr), READ)
    items = np.full((len(people), int(lengths.max(initial=1))), -1, np.int32)
    inside = np.arange(items.shape[1]) < lengths[:, None]
    items[inside] = people.items[(people.indptr[:-1, None] + np.arange(items.shape[1]))[inside]]
    each = np.maximum(conditional(law, items, lengths).log_p, LEAST_LOG)  # NaN at the first item and beyond the end
    return np.asarray(np.nansum(each, axis=1) / np.maximum(lengths - 1, 1))


def _nearest(people: People, walks: np.ndarray, lengths: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """By an inverted index: the walks of each item, each once."""
    n = people.n_items
    ordered = np.sort(np.where(np.arange(walks.shape[1]) < lengths[:, None], walks, n), axis=1)
    once = (ordered < n) & np.concatenate([np.ones((len(walks), 1), bool), np.diff(ordered, axis=1) > 0], axis=1)
    walk, item = np.nonzero(once)[0].astype(np.int32), ordered[once]
    by_item = np.argsort(item, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=n))]).astype(np.int64)
    step = np.searchsorted(limits, np.arange(len(walks)), side="right")  # the least number released that holds each walk
    out = np.zeros((len(limits) + 1, len(people)))
    _overlaps(people.items, people.indptr, start, walk[by_item], once.sum(axis=1).astype(np.int64), step, n, out)
    return np.maximum.accumulate(out[:-1], axis=0)


def _longest(people: People, walked: np.ndarray, borders: np.ndarray, limits: np.ndarray) -> np.ndarray:
    out = np.zeros((len(limits), len(people)))
    owner = np.repeat(np.arange(len(people)), np.diff(people.indptr))
    for n in range(2, LONGEST + 1):
        place = Runs.of(walked, borders, n).find(people.items, people.indptr)
        found = place >= 0
        if not found.any():
            break
        walk = np.searchsorted(borders, place[found], side="right") - 1
        for row, limit in enumerate(limits):
            out[row, owner[found][walk < limit]] = n
    return out


def _rare(people: People, walked: np.ndarray, borders: np.ndarray, limits: np.ndarray) -> np.ndarray:
    walk, a, b = _pairs(walked, borders, 1, people.n_items)
    known, first = np.unique(a * people.n_items + b, return_index=True)
    at = np.full(len(people.keys), np.iinfo(np.int64).max)
    _, mine, theirs = np.intersect1d(people.keys, known, assume_unique=True, return_indices=True)
    at[mine] = walk[first[theirs]]
    return np.stack([people.share(at < limit) for limit in limits])


def _counts(people: People, walked: np.ndarray, borders: np.ndarray, limits: np.ndarray) -> np.ndarray:
    n, longest = people.n_items, int(np.diff(borders).max(initial=1))
    found = [_pairs(walked, borders, gap, n) for gap in range(1, longest)]
    walk, low, high = (np.concatenate([np.zeros(0, np.int64), *(f[k] for f in found)]) for k in range(3))
    key, known = low * n + high, np.append(people.keys, np.iinfo(np.int64).max)
    place = np.searchsorted(known, key)
    mine = known[place] == key
    a, b = np.divmod(people.keys, n)
    out = np.zeros((len(limits), len(people)))
    for row, limit in enumerate(limits):
        met = np.bincount(place[mine & (walk < limit)], minlength=len(people.keys))
        drawn = np.bincount(walked[: borders[min(limit, len(borders) - 1)]], minlength=n).astype(np.float64)
        pairs = int((walk < limit).sum())
        expected = 2 * pairs * drawn[a] * drawn[b] / max(float(drawn.sum()), 1.0) ** 2
        out[row] = people.mean(np.log((met + 0.5) / (expected + 0.5)))
    return out


def _pairs(items: np.ndarray, indptr: np.ndarray, gap: int, n_items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sequence, lower and higher item (int64) of every pair of different items `gap` places apart, in order of sequences."""
    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    a, b = items[:-gap].astype(np.int64), items[gap:].astype(np.int64)
    rows = (owner[gap:] == owner[:-gap]) & (a != b)
    return owner[gap:][rows], np.minimum(a, b)[rows], np.maximum(a, b)[rows]


@njit(nogil=True, cache=True)
def _overlaps(histories, indptr, start, walk_of, size, step, n_items, out):  # type: ignore[no-untyped-def]
    """out[s, u]: the greatest Jaccard index of history u with the walks of step s."""
    both = np.zeros(len(size), np.int32)
    touched = np.empty(len(size), np.int32)
    last = np.full(n_items, -1, np.int64)
    for u in range(len(indptr) - 1):
        distinct, n_touched = 0, 0
        for p in range(indptr[u], indptr[u + 1]):
            item = histories[p]
            if last[item] == u:
                continue
            last[item] = u
            distinct += 1
            for e in range(start[item], start[item + 1]):
                w = walk_of[e]
                if both[w] == 0:
                    touched[n_touched] = w
                    n_touched += 1
                both[w] += 1
        for k in range(n_touched):
            w = touched[k]
            index = both[w] / (distinct + size[w] - both[w])
            both[w] = 0
            out[step[w], u] = max(out[step[w], u], index)
