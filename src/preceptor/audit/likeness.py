"""How alike are synthetic and real histories, measure by measure; each beside real-against-real, so that a reader knows what
good is. Measures as an auditor of data asks for them (LLM Data Auditor, arXiv 2601.17717); no total score is made of them.

Names are those of SDMetrics where it has the measure: TVComplement (1 less the total variation distance of two distributions)
and SequenceLengthSimilarity (1 less the Kolmogorov-Smirnov distance of the lengths); 1 is best. Classes are those of
told_rounds.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from preceptor.audit.told_rounds import MEMBERS, REFERENCE, STUDY, Histories, Round
from preceptor.core import rng
from preceptor.core.statistics import percentile_interval
from preceptor.data.log import TrainSplit

ITEMS, BIGRAMS, LENGTHS, LENGTHS_CUT = (
    "TVComplement, items",
    "TVComplement, bigrams",
    "SequenceLengthSimilarity",
    "SequenceLengthSimilarity, cut",
)
DISTINCT = ("distinct-1", "distinct-2", "distinct-3")
DUPLICATES = "near-duplicates"
NEAR = 0.7  # Jaccard index of two histories' items from which they are near-duplicates
_HALVINGS = 20  # of the absent users, for the range that real histories have among themselves


def report(train: TrainSplit, rounds: Sequence[Round], bootstraps: int, seed: int) -> dict[str, Any]:
    """What told.json holds as "likeness": means over the rounds.

    Returns {"histories", "compared": [{"measure", "name", "value"}], "range": {measure: [lo, hi]}, "own": [{"measure", "name",
    "value"}], "nearest": [{"name", "training", "held_out", "nearer", "interval"}]}. compared: a class beside the first absent
    group. range: 2.5 and 97.5 % of random halves of the absent users against each other. own: of a class by itself; name ""
    is the first absent group. nearest: mean distance of a history to the nearest of some graph users and of as many absent
    ones, and the share that is nearer to a graph user (ties count half), with its interval over histories and users. The
    distance of a history and a user is the share of its items that the user never met.
    """
    each = [_compared(train, made) for made in rounds]
    compared = [(measure, name) for measure, name in each[0]]
    ranges = [_range(made, seed, r) for r, made in enumerate(rounds)]
    own = [_own(made) for made in rounds]
    near = [_nearest(train, made) for made in rounds]
    draws = rng.generator(seed, "told/nearest")
    return {
        "histories": round(float(np.mean([len(made.classes[""]) for made in rounds]))),
        "compared": [{"measure": m, "name": c, "value": float(np.mean([one[m, c] for one in each]))} for m, c in compared],
        "range": {m: np.mean([one[m] for one in ranges], axis=0).tolist() for m in ranges[0]},
        "own": [{"measure": m, "name": c, "value": float(np.mean([one[m, c] for one in own]))} for m, c in own[0]],
        "nearest": [{"name": name, **_row([one[name] for one in near], bootstraps, draws)} for name in near[0]],
    }


def tv_complement(a: np.ndarray, b: np.ndarray) -> float:
    """1 less half the summed differences of the shares that each value has among a and among b."""
    values, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    shares = [np.bincount(part, minlength=len(values)) / len(part) for part in (place[: len(a)], place[len(a) :])]
    return float(1 - np.abs(shares[0] - shares[1]).sum() / 2)


def length_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """1 less the greatest difference of the two distribution functions."""
    at = np.unique(np.concatenate([a, b]))
    below = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (a, b)]
    return float(1 - np.abs(below[0] - below[1]).max())


def distinct(histories: Histories, n: int, n_items: int) -> float:
    """Share of the runs of n items that differ from one another (distinct-n, Li et al. 2016)."""
    runs = _runs(histories, n, n_items)
    return float(len(np.unique(runs)) / len(runs)) if len(runs) else 0.0


def near_duplicates(histories: Histories, n_items: int) -> float:
    """Share of histories whose items overlap with those of another one by a Jaccard index of NEAR or more."""
    among = _members(histories.items, n_items)
    both = (among @ among.T).toarray()
    size = np.asarray(among.sum(axis=1)).ravel()
    index = both / np.maximum(size[:, None] + size - both, 1)
    np.fill_diagonal(index, 0.0)
    return float((index.max(axis=1) >= NEAR).mean())


def distances(histories: Histories, users: np.ndarray, train: TrainSplit) -> np.ndarray:
    """The share of each history's items that each user never met in the training part, float64 [histories, users]."""
    asked = _members(histories.items, train.n_items)
    row = np.full(train.n_users, -1)
    row[users] = np.arange(len(users))
    mine = row[np.asarray(train.user)]
    pairs = np.unique(np.stack([mine, np.asarray(train.item)])[:, mine >= 0], axis=1)
    met = csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(len(users), train.n_items))
    return np.asarray(1 - (asked @ met.T).toarray() / np.asarray(asked.sum(axis=1)).reshape(-1, 1))


def _compared(train: TrainSplit, made: Round) -> dict[tuple[str, str], float]:
    real, found = made.classes[""], {}
    for name, other in made.classes.items():
        if name:
            found[ITEMS, name] = tv_complement(_runs(real, 1, train.n_items), _runs(other, 1, train.n_items))
            found[BIGRAMS, name] = tv_complement(_runs(real, 2, train.n_items), _runs(other, 2, train.n_items))
    met = np.diff(train.user_indptr)
    first, second = (met[users] for users in made.absent)
    longest = int(made.drawn.max())
    own = STUDY if STUDY in made.classes else _law_of(made)
    for name, lengths in ((REFERENCE, second), (own, made.drawn)):
        found[LENGTHS, name] = length_similarity(first, lengths)
        found[LENGTHS_CUT, name] = length_similarity(np.minimum(first, longest), np.minimum(lengths, longest))
    return found


def _law_of(made: Round) -> str:
    """The class of the study's own histories where they are walks."""
    return next(name for name in made.classes if name not in ("", REFERENCE, MEMBERS))


def _range(made: Round, seed: int, r: int) -> dict[str, list[float]]:
    """Ends of what random halves of all absent users' histories have against each other."""
    first, second = made.classes[""], made.classes[REFERENCE]
    items, lengths = np.concatenate([first.items, second.items]), np.concatenate([first.lengths, second.lengths])
    drawn: dict[str, list[float]] = {ITEMS: [], BIGRAMS: []}
    n_items = len(made.known.popularity)
    for k in range(_HALVINGS):
        order = rng.permutation(seed, f"told/halves/{r}/{k}", len(lengths))
        halves = [Histories(items[rows], lengths[rows], rows) for rows in (order[: len(first)], order[len(first) :])]
        for measure, n in ((ITEMS, 1), (BIGRAMS, 2)):
            drawn[measure].append(tv_complement(*(_runs(half, n, n_items) for half in halves)))
    return {measure: np.quantile(values, [0.025, 0.975]).tolist() for measure, values in drawn.items()}


def _own(made: Round) -> dict[tuple[str, str], float]:
    n_items, found = len(made.known.popularity), {}
    for name, histories in made.classes.items():
        for n, measure in enumerate(DISTINCT, 1):
            found[measure, name] = distinct(histories, n, n_items)
        found[DUPLICATES, name] = near_duplicates(histories, n_items)
    return found


def _nearest(train: TrainSplit, made: Round) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By class, distances to graph users and to absent users of the second group, as many of either.

    Of real histories those of the first absent group are asked about: neither side holds them.
    """
    sides = made.classes[MEMBERS].owner, made.classes[REFERENCE].owner
    asked = {name: h for name, h in made.classes.items() if name not in (MEMBERS, REFERENCE)}
    return {name: (distances(h, sides[0], train), distances(h, sides[1], train)) for name, h in asked.items()}


def _row(rounds: Sequence[tuple[np.ndarray, np.ndarray]], bootstraps: int, draws: np.random.Generator) -> dict[str, Any]:
    """Means over rounds, and the interval over resampled histories and users of both sides."""

    def nearer(resample: bool) -> float:
        shares = []
        for sides in rounds:
            n, users = sides[0].shape
            rows = draws.integers(0, n, n) if resample else np.arange(n)
            near = [side[:, draws.integers(0, users, users)].min(axis=1) if resample else side.min(axis=1) for side in sides]
            shares.append(float(((near[0] < near[1]) + 0.5 * (near[0] == near[1]))[rows].mean()))
        return float(np.mean(shares))

    found = percentile_interval(nearer(False), np.array([nearer(True) for _ in range(bootstraps)]))
    training, held_out = (float(np.mean([sides[k].min(axis=1).mean() for sides in rounds])) for k in (0, 1))
    return {"training": training, "held_out": held_out, "nearer": found.value, "interval": [found.lo, found.hi]}


def _runs(histories: Histories, n: int, n_items: int) -> np.ndarray:
    """A number for each run of n neighbouring items, equal for equal runs, int64 (modulo 2^64 from 2M items on)."""
    items = histories.items.astype(np.int64)
    width = items.shape[1] - n + 1
    if width < 1:
        return np.zeros(0, np.int64)
    key = np.zeros((len(items), width), np.int64)
    for k in range(n):
        key = key * n_items + items[:, k : k + width]
    return key[np.arange(width) + n <= histories.lengths[:, None]]


def _members(items: np.ndarray, n_items: int) -> csr_array:
    """Which items each history holds, as ones, float [histories, n_items]."""
    row, _ = np.nonzero(items >= 0)
    pairs = np.unique(np.stack([row, items[items >= 0]]), axis=1)
    return csr_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(len(items), n_items))
