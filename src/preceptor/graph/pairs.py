"""Unordered item pairs with their basket statistics, and which of them are held out. A basket is a user's history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core.rng import purpose_key, uniform
from preceptor.data.log import TrainSplit
from preceptor.graph.cooccurrence import cooccurrence, item_users
from preceptor.graph.weights import Weighting

TRAIN, BOTH_SEEN, ONE_UNSEEN, BOTH_UNSEEN = 0, 1, 2, 3


@dataclass(frozen=True)
class Pairs:
    """items: int32 [P, 2], a < b, ascending; users: int32 [P] with both; item_users: int32 [I]; split: uint8 [P].

    split: 0 train, 1 held out though both items are seen, 2 one item unseen, 3 both unseen.
    """

    items: np.ndarray
    users: np.ndarray
    item_users: np.ndarray
    split: np.ndarray

    @property
    def held_out(self) -> np.ndarray:
        """Held-out pairs of seen items, int32 [H, 2]: these leave the seen graph."""
        return self.items[self.split == BOTH_SEEN]

    def save(self, folder: Path) -> None:
        for name, array in self._files().items():
            np.save(folder / f"{name}.npy", array)

    def _files(self) -> dict[str, np.ndarray]:
        return {"pairs": self.items, "pair_users": self.users, "item_users": self.item_users, "pair_split": self.split}


def find_pairs(
    split: TrainSplit, held_out_items: np.ndarray, min_users: int, per_item: int, held_out_share: float, seed: int
) -> Pairs:
    """Pairs with at least `min_users` distinct users, the `per_item` strongest (cosine) of each item, either end keeping.

    held_out_items: bool [I]. Whether a pair of seen items is held out depends on (seed, the pair) alone.
    """
    found = cooccurrence(split, Weighting("cosine"), min_users=min_users, top_k=per_item)
    source = found.source
    once = source < found.indices
    items = np.stack([source[once], found.indices[once]], axis=1).astype(np.int32)
    unseen = held_out_items[items].sum(axis=1)
    chance = uniform(purpose_key(seed, "graph/held-out pairs"), items[:, 0].astype(np.int64) * split.n_items + items[:, 1])
    part = np.select([unseen == 2, unseen == 1, chance < held_out_share], [BOTH_UNSEEN, ONE_UNSEEN, BOTH_SEEN], TRAIN)
    return Pairs(items, found.users[once].astype(np.int32), item_users(split), part.astype(np.uint8))
