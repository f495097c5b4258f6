"""A floor that isn't one of these losses is found, and noise is not taken for that."""

import numpy as np
import pytest

from preceptor.scaling.against_floor import against_floor
from preceptor.scaling.points import Points
from scaling.planted import LAW, sweep


def floored(floor: float, seeds: int = 3, **more: list[float]) -> Points:
    points = sweep(6, 6, seeds=seeds, noise=0.001, law=LAW | {"A": 1e-9})
    return Points.of(points.columns() | {"floor": [floor] * len(points)} | more)


def test_a_cell_that_lies_below_on_all_seeds_contradicts_a_floor() -> None:
    points = floored(2.0)
    lowest = np.unique(points.tokens)[-1]
    last = points.tokens == lowest
    one = last & (points.params == points.params.max())
    low = Points.of(points.columns() | {"loss": np.where(one, points.loss - 0.27, points.loss)})
    notes: list[str] = []
    kept, floor = against_floor(low, notes)
    assert floor is None
    assert kept.known_floor() is None
    assert len(kept) == len(low)
    assert "3 runs of 700k parameters and 1M tokens have a mean loss of 1.969 " in notes[0]
    assert "none of theirs" in notes[0]


@pytest.mark.parametrize("draw", range(3))
def test_noise_about_a_floor_contradicts_nothing(draw: int) -> None:
    gen = np.random.default_rng(draw)
    points = floored(2.0)
    last = points.tokens == points.tokens.max()
    loss = np.where(last & (points.seed == 0), 2.0 * np.exp(0.001 * gen.standard_normal(len(points))), points.loss)
    notes: list[str] = []
    _, floor = against_floor(Points.of(points.columns() | {"loss": loss}), notes)
    assert floor == 2.0
    assert not notes or "leave them out" in notes[0]


def test_what_all_seeds_were_measured_with_may_be_off_by_its_standard_error() -> None:
    points = floored(2.0, se=[0.02] * 108)
    one = (points.tokens == points.tokens.max()) & (points.params == points.params.max())
    low = Points.of(points.columns() | {"loss": np.where(one, points.loss - 0.27, points.loss)})
    assert against_floor(low, [])[1] == 2.0


def test_without_seeds_only_a_share_of_the_points_decides() -> None:
    points = floored(2.0, seeds=1)
    one = (points.tokens == points.tokens.max()) & (points.params == points.params.max())
    notes: list[str] = []
    assert against_floor(Points.of(points.columns() | {"loss": np.where(one, 1.9, points.loss)}), notes)[1] == 2.0
    assert "1 of 36 losses lie below" in notes[0]
    assert against_floor(Points.of(points.columns() | {"loss": points.loss - 0.5}), [])[1] is None
