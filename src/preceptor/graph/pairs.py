"""Unordered item pairs with their basket statistics, and which of them are held out.

A basket is a user's history, or a session: confidence and lift count baskets, the fewest users a pair needs counts users.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.disk import load_array, save_array
from preceptor.core.rng import purpose_key, uniform
from preceptor.data.log import TrainSplit
from preceptor.graph.baskets import session_pairs
from preceptor.graph.cooccurrence import Cooccurrence, cooccurrence, item_users
from preceptor.graph.weights import Weighting

TRAIN, BOTH_SEEN, ONE_UNSEEN, BOTH_UNSEEN = 0, 1, 2, 3


@dataclass(frozen=True)
class Pairs:
    """items: int32 [P, 2], a < b, ascending; users: int32 [P] distinct users with both; item_users: int32 [I].

    split: uint8 [P]: 0 train, 1 held out though both items are seen, 2 one item unseen, 3 both unseen.
    baskets: int32 [P] with both; item_baskets: int32 [I]; n_baskets. Users again where a basket is a user.
    """

    items: np.ndarray
    users: np.ndarray
    item_users: np.ndarray
    split: np.ndarray
    baskets: np.ndarray
    item_baskets: np.ndarray
    n_baskets: int

    @property
    def held_out(self) -> np.ndarray:
        """Held-out pairs of seen items, int32 [H, 2]: these leave the seen graph."""
        return self.items[self.split == BOTH_SEEN]

    def save(self, folder: Path) -> None:
        for name, field in _FILES.items():
            save_array(folder / f"{name}.npy", getattr(self, field))
        save_array(folder / "n_baskets.npy", np.int64(self.n_baskets))

    @classmethod
    def load(cls, folder: Path) -> Pairs:
        """Read what `save` wrote; the arrays are memory-mapped."""
        arrays = {f: load_array(folder / f"{n}.npy", mmap=True) for n, f in _FILES.items()}
        return cls(**arrays, n_baskets=int(load_array(folder / "n_baskets.npy")))


_FILES = {
    "pairs": "items",
    "pair_users": "users",
    "item_users": "item_users",
    "pair_split": "split",
    "pair_baskets": "baskets",
    "item_baskets": "item_baskets",
}


def find_pairs(
    split: TrainSplit,
    held_out_items: np.ndarray,
    min_users: int,
    per_item: int,
    held_out_share: float,
    seed: int,
    basket: str = "user",
    found: Cooccurrence | None = None,
    kept: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Pairs:
    """Pairs with at least `min_users` distinct users, the `per_item` strongest (cosine) of each item, either end keeping.

    held_out_items: bool [I]. Whether a pair of seen items is held out depends on (seed, the pair) alone. basket: user or
    session; raises PreceptorError where the log has no sessions. found: what `cooccurrence` gives for `counting`, where users
    are baskets and it is counted already. kept: what an earlier run's draw makes of pairs and their split (`earlier.KeptDraw`).
    """
    counted = item_users(split)
    if basket == "session":
        met = session_pairs(split, min_users, per_item)
        items, users, baskets = met.items, met.users, met.sessions
        item_baskets, n_baskets = met.item_sessions, met.n_sessions
    else:
        if found is None:
            found = cooccurrence(split, **counting(min_users, per_item))
        once = found.source < found.indices
        items = np.stack([found.source[once], found.indices[once]], axis=1).astype(np.int32)
        users = baskets = found.users[once].astype(np.int32)
        item_baskets, n_baskets = counted, len(np.unique(split.user))
    unseen = held_out_items[items].sum(axis=1)
    chance = uniform(purpose_key(seed, "graph/held-out pairs"), items[:, 0].astype(np.int64) * split.n_items + items[:, 1])
    part = np.select([unseen == 2, unseen == 1, chance < held_out_share], [BOTH_UNSEEN, ONE_UNSEEN, BOTH_SEEN], TRAIN)
    part = part if kept is None else kept(items, part)
    return Pairs(items, users, counted, part.astype(np.uint8), baskets, item_baskets, n_baskets)


def counting(min_users: int, per_item: int) -> dict[str, Any]:
    """How pairs of items are counted where users are baskets: arguments of `cooccurrence`."""
    return {"weighting": Weighting("cosine"), "min_users": min_users, "top_k": per_item}
