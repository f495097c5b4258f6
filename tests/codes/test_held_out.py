"""Held-out items: a fifth, drawn by key, twins together, from training data only."""

from typing import Any

import numpy as np
import pytest

from preceptor.codes.held_out import held_out_items
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets, TrainSplit


def test_a_fifth_of_the_items_with_interactions(train: TrainSplit) -> None:
    base = np.arange(600, dtype=np.int32).reshape(300, 2)
    held = held_out_items(train, base, 0.2, seed=3)
    interacted = train.popularity > 0
    assert held.dtype == bool
    assert held.sum() == held[interacted].sum() == round(0.2 * interacted.sum())
    assert np.array_equal(held, held_out_items(train, base, 0.2, seed=3))
    assert not np.array_equal(held, held_out_items(train, base, 0.2, seed=4))


def test_twins_are_on_one_side(train: TrainSplit) -> None:
    base = np.stack([np.arange(300) // 3, np.zeros(300)], 1).astype(np.int32)
    held = held_out_items(train, base)
    interacted = train.popularity > 0
    assert abs(held[interacted].sum() - 0.2 * interacted.sum()) <= 3
    assert (held.reshape(100, 3).sum(1) % 3 == 0).all()


def test_order_and_users_of_interactions_do_not_matter(train: TrainSplit) -> None:
    base = np.arange(600, dtype=np.int32).reshape(300, 2)
    other = TrainSplit(train.items, train.n_users, train.user, train.item[::-1].copy(), train.time)
    assert np.array_equal(held_out_items(train, base), held_out_items(other, base))


def test_targets_are_refused(train: TrainSplit) -> None:
    zeros: Any = Targets(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(PreceptorError, match="Only training data"):
        held_out_items(zeros, np.zeros((1, 2), np.int32))
