import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from preceptor.core import rng


def test_array_form_equals_scalar_form() -> None:
    key = rng.purpose_key(7, "walks")
    expected = [rng.draw(rng.stream_state(key, np.uint64(i)), np.uint64(3)) for i in range(100)]
    assert rng.bits(key, np.arange(100), step=3).tolist() == [int(x) for x in expected]


def test_words_are_the_first_draws_of_a_stream() -> None:
    key = rng.purpose_key(7, "dropout")
    state = rng.stream_state(key, np.uint64(5))
    assert rng.words(key, 5, 20).tolist() == [int(rng.draw(state, np.uint64(i))) for i in range(20)]
    assert len(rng.words(key, 5, 0)) == 0


def test_golden_draws() -> None:
    """Made once by this code; a change would change every artifact ever made."""
    assert rng.bits(rng.purpose_key(0, "x"), np.arange(3), 3).tolist() == [
        13236091562896567074,
        13348796081853298096,
        7242074369147435261,
    ]


def test_draws_are_uniform_along_indices_and_steps() -> None:
    """Chi-square over 256 cells for the top and the bottom byte; false-alarm rate 4 × 1e-4."""
    key = rng.purpose_key(1, "uniformity")
    along_index = rng.bits(key, np.arange(200_000))
    along_step = np.array([int(rng.draw(rng.stream_state(key, np.uint64(5)), np.uint64(s))) for s in range(50_000)], np.uint64)
    for draws in (along_index, along_step):
        for shift in (0, 56):
            counts = np.bincount(((draws >> np.uint64(shift)) & np.uint64(255)).astype(int), minlength=256)
            assert stats.chisquare(counts).pvalue > 1e-4


def test_purposes_and_seeds_are_unrelated() -> None:
    a = rng.uniform(rng.purpose_key(0, "a"), np.arange(20_000))
    for other in (rng.purpose_key(0, "b"), rng.purpose_key(1, "a")):
        b = rng.uniform(other, np.arange(20_000))
        assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(20_000)  # five standard deviations


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
def test_permuted_is_a_permutation(n: int, key: int) -> None:
    image = {int(rng.permuted(np.uint64(key), np.uint64(n), np.uint64(i))) for i in range(n)}
    assert image == set(range(n))


@pytest.mark.parametrize("n", [2, 5, 6])
def test_permuted_reaches_every_position(n: int) -> None:
    """Where element 0 goes over many keys is uniform; chi-square, false-alarm rate 1e-4 each."""
    keys = rng.bits(rng.purpose_key(0, "keys"), np.arange(6000))
    counts = np.bincount([int(rng.permuted(k, np.uint64(n), np.uint64(0))) for k in keys], minlength=n)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_permutation_array() -> None:
    order = rng.permutation(3, "items", 1000)
    assert sorted(order.tolist()) == list(range(1000))
    assert not np.array_equal(order, rng.permutation(4, "items", 1000))
