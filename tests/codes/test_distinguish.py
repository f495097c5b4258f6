"""Every item its own codes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.codes.distinguish import distinguish
from preceptor.core.errors import PreceptorError

LATENTS = 60


def choices_of(base: np.ndarray, i: int) -> np.ndarray:
    order = np.roll(np.arange(LATENTS), -int(base[i, -1]))
    return order[~np.isin(order, base[i, :-1])]


def resolve(base: np.ndarray, fixed: np.ndarray | None = None) -> np.ndarray:
    return distinguish(base, lambda i, most: choices_of(base, i)[:most], fixed)


bases = st.lists(st.tuples(st.integers(0, 2), st.integers(3, 6)), min_size=1, max_size=40).map(lambda r: np.array(r, np.int32))


@settings(max_examples=100, deadline=None)
@given(bases)
def test_rows_become_distinct_and_only_last_codes_change(base: np.ndarray) -> None:
    codes = resolve(base)
    assert len(np.unique(codes, axis=0)) == len(base)
    assert np.array_equal(codes[:, :-1], base[:, :-1])
    first = np.sort(np.unique(base, axis=0, return_index=True)[1])[0]
    assert np.array_equal(codes[first], base[first])


@settings(max_examples=50, deadline=None)
@given(bases, bases)
def test_items_added_later_change_nothing(base: np.ndarray, more: np.ndarray) -> None:
    assert np.array_equal(resolve(np.concatenate([base, more]))[: len(base)], resolve(base))


def test_the_next_best_is_taken() -> None:
    assert resolve(np.array([[1, 5], [1, 5], [1, 6], [1, 5]], np.int32)).tolist() == [[1, 5], [1, 6], [1, 7], [1, 8]]


def test_known_codes_stay_wherever_their_item_is() -> None:
    base = np.array([[1, 5], [1, 5], [1, 5]], np.int32)
    fixed = np.array([[-1, -1], [-1, -1], [1, 5]], np.int32)
    assert resolve(base, fixed).tolist() == [[1, 6], [1, 7], [1, 5]]


def test_too_many_alike_is_said_with_a_remedy() -> None:
    with pytest.raises(PreceptorError, match="n_latents") as error:
        resolve(np.zeros((LATENTS + 1, 2), np.int32))
    assert "share the leading codes" in str(error.value)


def test_more_choices_are_asked_for_where_few_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    base = np.array([[1, 5]] * 40 + [[2, 7]] * 3, np.int32)
    expected = resolve(base)
    monkeypatch.setattr("preceptor.codes.distinguish.FEW", 2)
    assert np.array_equal(resolve(base), expected)
