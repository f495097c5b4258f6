"""Reading one quantity off another: within what was measured, with the error at runs that were left out."""

import numpy as np
import pytest

from preceptor.core.relation import Relation, read_off, relate


def measured(scatter: float, seed: int = 0) -> Relation | str:
    x = np.tile(np.linspace(2, 3, 10), 6)
    y = 1 - 0.3 * x + scatter * np.random.default_rng(seed).standard_normal(60)
    return relate(x.tolist(), y.tolist(), [f"run{k // 10}" for k in range(60)])


def test_readings_cover_new_runs_as_often_as_they_say() -> None:
    """95 % intervals at a known loss; 400 new runs, false alarm under one in a thousand below 90 %."""
    relation = measured(0.01)
    assert isinstance(relation, Relation)
    gen = np.random.default_rng(1)
    inside = 0
    for x in gen.uniform(2.05, 2.95, 400):
        reading = read_off(relation, x, (x, x), (x, x))
        assert reading.interval_95 is not None
        lo, hi = reading.interval_95
        inside += lo <= 1 - 0.3 * x + 0.01 * gen.standard_normal() <= hi  # type: ignore[operator]
    assert inside >= 360


def test_nothing_is_read_beyond_what_was_measured_and_an_end_there_is_open() -> None:
    relation = measured(0.0)
    assert isinstance(relation, Relation)
    assert read_off(relation, 1.9, None, None).value is None
    assert relation.inverse(0.9) is None
    reading = read_off(relation, 2.1, (2.0, 2.2), (1.9, 2.3))
    assert reading.interval_95 is not None
    assert reading.interval_95[1] is None
    assert reading.interval_80 is not None
    assert None not in reading.interval_80
    assert relation.at(relation.inverse(0.25) or 0) == pytest.approx(0.25)


def test_what_does_not_fall_and_what_is_too_little_is_refused_in_words() -> None:
    x = np.linspace(2, 3, 12).tolist()
    runs = [f"r{k % 4}" for k in range(12)]
    assert "doesn't follow" in str(relate(x, np.sin(np.arange(12.0)).tolist(), runs))
    assert "doesn't follow" in str(relate(x, x, runs))
    assert "8 of 3 are needed" in str(relate(x[:4], x[:4], runs[:4]))
