"""Items that no training document of the language model may show (design §3)."""

from __future__ import annotations

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.rng import bits, purpose_key
from preceptor.data.log import TrainSplit


def only_train(train: object) -> TrainSplit:
    """Refuse anything but a TrainSplit: whatever shapes the curriculum may see nothing else (the leak rule)."""
    if not isinstance(train, TrainSplit):
        raise PreceptorError(
            "Only training data may shape codes", found=type(train).__name__, expected="TrainSplit", remedy="pass split.train"
        )
    return train


def held_out_items(
    train: TrainSplit, base_codes: np.ndarray, share: float = 0.2, seed: int = 0, among: np.ndarray | None = None
) -> np.ndarray:
    """Draw the held-out items: bool [I].

    `share` of the items with training interactions, in the order of keyed draws. Items with identical base codes stay on
    one side (a held-out item whose twin was shown would not be unseen), so groups are drawn; one that would overshoot is
    passed over. An item without training interactions follows its group and is otherwise on the seen side. among: bool [I], the
    items of which the share is drawn, whole groups each; None: all.
    """
    train = only_train(train)
    _, first, group = np.unique(base_codes, axis=0, return_index=True, return_inverse=True)
    group = group.ravel()
    interacted = train.popularity > 0 if among is None else (train.popularity > 0) & among
    size = np.bincount(group[interacted], minlength=len(first))
    left = round(share * int(interacted.sum()))
    chosen = np.zeros(len(first), bool)
    # A group is named by its first item, so that later items don't change its draw.
    for g in np.argsort(bits(purpose_key(seed, "codes/held-out"), first), kind="stable"):
        if 0 < size[g] <= left:
            chosen[g] = True
            left -= int(size[g])
    return chosen[group]
