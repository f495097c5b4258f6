"""How large an effect the test users of a split can show, before any model is trained.

Two rankers are compared on the same users, as `ranking` does: the mean over all targets, users resampled. With s_u the sum
of a user's paired differences, n_u the user's targets, n̄ their mean and D = Σ s_u / Σ n_u, the deviation of user u is
z_u = (s_u − D·n_u) / n̄, σ its standard deviation over users, and D has the standard error σ / √users. A two-sided test at
5 % finds an effect with probability 80 % if it is at least

    MDE = (z_0.975 + z_0.80) · σ / √users = 2.80 · σ / √users,   so that   users = (2.80 · σ / effect)².

σ is measured on the *validation* targets between popularity and item-kNN, which are about as unlike as two rankers get; models
that rank alike differ less from user to user, and then need fewer users. The test part is only counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from preceptor.core import metrics, rng
from preceptor.core.statistics import deviation_over_users, minimum_effect, users_needed
from preceptor.data.log import Targets, TrainSplit

METRICS = (("ndcg", 10), ("recall", 10), ("recall", 100))
EFFECTS = (0.05, 0.1, 0.2)  # of the better one's value
FEW = 30  # validation users below which σ is a guess
_USERS, _TARGETS = 2000, 20_000  # most that are looked at
_LAST, _NEIGHBOURS, _DECAY = 10, 100, 0.9
_PER_ITEM, _PER_USER = 500, 100  # users of an item, and latest items of such a user, that make its neighbours


@dataclass(frozen=True)
class Power:
    """What a metric can tell under a split.

    split: its name. metric, k. popularity, knn: what the two get on validation. sigma: standard deviation of a user's paired
    difference; validation_users: over so many. users: test users. mde: the smallest effect found 4 times in 5, absolute;
    relative: as a share of the better of the two
    (None where both are 0). needed: test users for an effect of 5, 10, 20 % of that. cold: share of the validation targets
    whose item has no training interaction, which neither can find.
    """

    split: str
    metric: str
    k: int
    popularity: float
    knn: float
    sigma: float
    validation_users: int
    users: int
    mde: float
    relative: float | None
    needed: dict[str, int]
    cold: float


def power(split: str, train: TrainSplit, validation: Targets, test_users: int, seed: int = 0) -> list[Power]:
    """Measure σ on validation targets for each metric of METRICS; empty where there are no two users to measure it on."""
    rows = _sample(validation, seed)
    user = np.asarray(validation.user)[rows]
    if test_users < 1 or len(np.unique(user)) < 2:
        return []
    ranks = _ranks(train, validation, rows, seed)
    cold = float((train.popularity[np.asarray(validation.item)[rows]] == 0).mean())
    found = []
    for metric, k in METRICS:
        by_popularity, by_knn = (metrics.value(metric, r, k) for r in ranks)
        sigma = deviation_over_users(by_knn - by_popularity, user)
        mde, best = minimum_effect(sigma, test_users), float(max(by_knn.mean(), by_popularity.mean()))
        found.append(
            Power(
                split=split,
                metric=metric,
                k=k,
                popularity=float(by_popularity.mean()),
                knn=float(by_knn.mean()),
                sigma=sigma,
                validation_users=len(np.unique(user)),
                users=test_users,
                mde=mde,
                relative=mde / best if best > 0 else None,
                needed={f"{e:.0%}": users_needed(sigma, e * best) for e in EFFECTS} if best > 0 and sigma > 0 else {},
                cold=cold,
            )
        )
    return found


def _sample(targets: Targets, seed: int) -> np.ndarray:
    """Rows of all targets of some users, drawn by key: at most _USERS users and about _TARGETS targets."""
    users, index, count = np.unique(np.asarray(targets.user), return_inverse=True, return_counts=True)
    chosen = rng.permutation(seed, "describe/users", len(users))[:_USERS]
    enough = int(np.searchsorted(np.cumsum(count[chosen]), _TARGETS)) + 1
    kept = np.zeros(len(users), bool)
    kept[chosen[:enough]] = True
    return np.flatnonzero(kept[index])


def _ranks(train: TrainSplit, targets: Targets, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pessimistic ranks (1 = best) by popularity and by item-kNN among all items; the history's items are not offered
    unless the log repeats items. An item that no neighbour points to is ranked last."""
    start, end = np.asarray(targets.start)[rows], np.asarray(targets.end)[rows]
    item, n, popularity = np.asarray(targets.item)[rows], train.n_items, train.popularity
    size = end - start
    place = np.repeat(np.arange(len(rows)), size)
    age = np.repeat(end, size) - 1 - (np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size) + start[place])
    past = np.asarray(targets.sequence)[end[place] - 1 - age]
    seen = sparse.csr_matrix((np.ones(len(place), np.float32), (place, past)), shape=(len(rows), n))
    seen.sum_duplicates()
    seen.data[:] = 1
    masked = _repeats(train) < 1e-3
    ordered = np.sort(popularity)
    at_least = n - np.searchsorted(ordered, popularity[item])
    if masked:
        owner = np.repeat(np.arange(len(rows)), np.diff(seen.indptr))
        above = (popularity[seen.indices] >= popularity[item[owner]]) & (seen.indices != item[owner])
        at_least = at_least - np.bincount(owner[above], minlength=len(rows))
    lately = age < _LAST
    weight = np.float64(_DECAY) ** age[lately]
    history = sparse.csr_matrix((weight, (place[lately], past[lately])), shape=(len(rows), n))
    scores = (history @ _cosine(train, np.unique(past[lately]), seed)).tocsr()
    if masked:
        keep = sparse.csr_matrix((np.ones(len(rows)), (np.arange(len(rows)), item)), shape=(len(rows), n))
        hidden = seen - seen.multiply(keep)
        scores = scores - scores.multiply(hidden)
        scores.eliminate_zeros()
    own = np.asarray(scores[np.arange(len(rows)), item]).ravel()
    owner = np.repeat(np.arange(len(rows)), np.diff(scores.indptr))
    better = scores.data >= own[owner]
    by_knn = np.where(own > 0, np.bincount(owner[better], minlength=len(rows)), n)
    return np.maximum(at_least, 1), np.maximum(by_knn, 1)


def _repeats(train: TrainSplit) -> float:
    key = np.asarray(train.user, np.int64) * train.n_items + np.asarray(train.item)
    return 1 - len(np.unique(key)) / max(len(key), 1)


def _cosine(train: TrainSplit, items: np.ndarray, seed: int) -> sparse.csr_matrix:
    """Cosine of `items` with their nearest neighbours, CSR [I, I]; of an item with many users, a keyed sample of them."""
    user, item, n = np.asarray(train.user), np.asarray(train.item), train.n_items
    last = np.searchsorted(user, user, side="right") - 1 - np.arange(len(user)) < _PER_USER
    ones = np.ones(len(user))
    whole = sparse.csr_matrix((ones, (user, item)), shape=(train.n_users, n))
    recent = sparse.csr_matrix((ones[last], (user[last], item[last])), shape=(train.n_users, n))
    for matrix in (whole, recent):
        matrix.sum_duplicates()
        matrix.data[:] = 1
    users = np.maximum(np.asarray(whole.sum(axis=0)).ravel(), 1.0)
    columns = whole.tocsc()[:, items]
    column = np.repeat(np.arange(len(items)), np.diff(columns.indptr))
    chance = rng.bits(rng.purpose_key(seed, "describe/item users"), np.arange(len(column)))
    drawn = np.lexsort((chance, column))
    rank = np.empty(len(column), np.int64)
    rank[drawn] = np.arange(len(column)) - columns.indptr[:-1][column[drawn]]
    columns.data = np.where(rank < _PER_ITEM, np.maximum(users[items][column] / _PER_ITEM, 1.0), 0.0)
    columns.eliminate_zeros()
    both = (columns.T @ recent).tocsr()
    row = np.repeat(np.arange(len(items)), np.diff(both.indptr))
    value = both.data / np.sqrt(users[items][row] * users[both.indices])
    value[both.indices == items[row]] = 0.0
    best = np.lexsort((both.indices, -value, row))
    kept = best[(np.arange(len(best)) - both.indptr[:-1][row[best]] < _NEIGHBOURS) & (value[best] > 0)]
    return sparse.csr_matrix((value[kept], (items[row[kept]], both.indices[kept])), shape=(n, n))
