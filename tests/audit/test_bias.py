"""The bias figures on counts whose answers are known."""

import numpy as np
import pytest

from preceptor.audit.bias import of_histories, position_curve, rank_curve, zipf_exponent


def test_zipf_exponent_of_a_power_law() -> None:
    assert zipf_exponent(1e6 * np.arange(1, 200.0) ** -0.8) == pytest.approx(0.8)
    assert zipf_exponent(np.array([5.0, 1.0, 0.0])) is None


def test_histories_that_follow_popularity() -> None:
    popularity = np.array([8, 4, 2, 1, 0])
    items = np.repeat(np.arange(5), popularity)
    report = of_histories(items, np.arange(len(items)), popularity)
    assert report["steps"] == 15
    assert report["coverage"] == 0.8
    assert report["exposure_correlation"] == pytest.approx(1)
    assert report["position_correlation"] < -0.9, "popular ones came first"


def test_exposure_is_split_at_half_and_four_fifths_of_the_interactions() -> None:
    popularity = np.array([50, 20, 10, 10, 10, 0])
    report = of_histories(np.array([0, 0, 1, 5]), np.array([0, 1, 2, 3]), popularity)
    assert report["exposure"] == {"head": 0.5, "mid": 0.25, "tail": 0.0, "unseen": 0.25}


def test_position_curve_gives_uniform_items_one_half() -> None:
    popularity = np.arange(10)
    curve = position_curve(np.tile(popularity, 2), np.repeat([0, 3], 10), popularity)
    assert curve == [[1, 0.5, 10], [4, 0.5, 10]]
    ((_, top, _),) = position_curve(np.array([9]), np.array([0]), popularity)
    assert top == 0.95


def test_rank_curve_runs_from_first_to_last_rank() -> None:
    curve = rank_curve(np.array([0, 2.0, 6.0, 2.0]))
    assert curve == [[1, 0.6], [2, 0.2], [3, 0.2]]
    assert rank_curve(np.zeros(3)) == []
