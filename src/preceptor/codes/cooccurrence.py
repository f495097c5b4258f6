"""How well shared codes tell what people do together: real pairs of items against pairs with a partner as popular."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.codes.held_out import only_train
from preceptor.core import statistics
from preceptor.core.rng import bits, generator, purpose_key
from preceptor.data.log import Targets, TrainSplit

PAIRS = 20_000
NEIGHBOURS = 20  # a random partner is drawn among as many items next in popularity
RESAMPLES = 1000


@dataclass(frozen=True)
class MatchedPairs:
    """Item a, the item b that the user went on to, and another item about as popular as b: int [n] each; user: int [n]."""

    a: np.ndarray
    b: np.ndarray
    other: np.ndarray
    user: np.ndarray


def training_pairs(train: TrainSplit, seed: int) -> MatchedPairs | None:
    """Items that follow one another in a training history, up to 20,000 drawn by key; None if there are none."""
    train = only_train(train)
    user, item = np.asarray(train.user), np.asarray(train.item)
    follows = np.flatnonzero((user[1:] == user[:-1]) & (item[1:] != item[:-1]))
    by_popularity = np.argsort(-train.popularity, kind="stable")
    by_popularity = by_popularity[: int((train.popularity > 0).sum())]
    if len(follows) > PAIRS:
        order = np.argsort(bits(purpose_key(seed, "codes/quality/pairs"), follows), kind="stable")
        follows = np.sort(follows[order[:PAIRS]])
    return _matched(by_popularity, item[follows], item[follows + 1], user[follows], follows, seed)


def held_out_pairs(train: TrainSplit, targets: Targets, seed: int) -> MatchedPairs | None:
    """The last item of each history and the target that came after it. Popularity is that of the training part; the random
    partner of a target without any is another such item."""
    last = targets.end > targets.start
    a, b = targets.sequence[targets.end[last] - 1], targets.item[last]
    number = np.flatnonzero(last)
    differ = a != b
    order = np.argsort(-only_train(train).popularity, kind="stable")
    return _matched(order, a[differ], b[differ], np.asarray(targets.user)[last][differ], number[differ], seed)


def _matched(
    by_popularity: np.ndarray, a: np.ndarray, b: np.ndarray, user: np.ndarray, number: np.ndarray, seed: int
) -> MatchedPairs | None:
    if not len(a) or len(by_popularity) < 3:
        return None
    rank = np.zeros(int(max(by_popularity.max(), a.max(), b.max())) + 1, np.int64)
    rank[by_popularity] = np.arange(len(by_popularity))
    half = min(NEIGHBOURS // 2, (len(by_popularity) - 1) // 2)
    draw = bits(purpose_key(seed, "codes/quality/partner"), number)
    step = (draw % np.uint64(half)).astype(np.int64) + 1
    step = np.where(draw >> np.uint64(63), step, -step)
    near = np.abs(rank[b] + step)  # reflected at either end: the most popular and the untouched have their like beside them
    other = by_popularity[np.minimum(near, 2 * (len(by_popularity) - 1) - near)]
    keep = (other != a) & (other != b)
    return MatchedPairs(a[keep], b[keep], other[keep], user[keep]) if keep.any() else None


def shared_codes(codes: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many codes of item a item b has too, float64 [n]. codes: int [I, n_codes]."""
    return (codes[a][:, :, None] == codes[b][:, None, :]).any(2).sum(1).astype(np.float64)


def cosines(embeddings: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Inner products of the embeddings of a and b, float [n]."""
    return np.einsum("nd,nd->n", embeddings[a], embeddings[b])


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """P(score of a real pair > score of a matched random one) + half of the ties, over all combinations."""
    return round(float(statistics.auc(*_labelled(positive, negative))[0]), 6)


class UserResamples:
    """AUCs in resamples of the users: whoever is asked, the same users are drawn, so that differences are paired."""

    def __init__(self, user: np.ndarray, seed: int = 0) -> None:
        names, self._user = np.unique(user, return_inverse=True)
        self._weights = statistics.resampled_users(generator(seed, "codes/compare/users"), len(names), RESAMPLES)

    def aucs(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """AUC in each resample, float64 [RESAMPLES]. Scores are put into at most a thousand bins."""
        score, real = _labelled(positive, negative)
        edges = np.unique(score)
        if len(edges) > 1000:
            edges = np.unique(np.quantile(score, np.linspace(0, 1, 1000)))
        place = np.searchsorted(edges, score, "right") - 1
        return statistics.auc(place, real, self._weights, np.tile(self._user, 2))


def _labelled(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All scores, and which of them are those of real pairs."""
    score = np.concatenate([positive, negative])
    return score, np.arange(len(score)) < len(positive)
