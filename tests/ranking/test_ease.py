"""EASE is its closed form, and refuses catalogues whose matrix wouldn't fit."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.ranking import ease


def test_weights_are_the_closed_form() -> None:
    train = tiny_split().train
    met = np.zeros((train.n_users, train.n_items))
    met[train.user, train.item] = 1
    p = np.linalg.inv(met.T @ met + 20 * np.eye(train.n_items))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    assert np.allclose(ease.ease_weights(train, 20.0), expected, atol=1e-4)


def test_scores_add_the_rows_of_the_history() -> None:
    split = tiny_split()
    weights = ease.ease_weights(split.train, 20.0)
    rows = np.array([3, 0])
    scores = ease.Ease(split.train, 20.0).scores(split.validation, rows)
    for place, t in enumerate(rows):
        assert np.allclose(scores[place], weights[split.validation.history(t)].sum(axis=0), atol=1e-5)
    faded = ease.Ease(split.train, 20.0).with_decay(0.5).scores(split.validation, rows)
    assert np.array_equal(faded, ease.Ease(split.train, 20.0, decay=0.5).scores(split.validation, rows))
    history = split.validation.history(3)
    assert np.allclose(faded[0], 0.5 ** np.arange(len(history))[::-1] @ weights[history], atol=1e-5)


def test_refuses_a_matrix_too_large() -> None:
    train = tiny_split().train
    items = pl.DataFrame({"item_id": [str(i) for i in range(ease.MOST_ITEMS + 1)]})
    with pytest.raises(PreceptorError, match="dense"):
        ease.ease_weights(dataclasses.replace(train, items=items), 20.0)
