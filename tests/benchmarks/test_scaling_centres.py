import math

import numpy as np
import pytest

from benchmarks.scaling.centres import AVERAGES, Guess, of_cell, summary
from preceptor.scaling.points import Points

FLOOR = 2.0


def planted(tokens: np.ndarray) -> np.ndarray:
    """Excess with a slope whose change halves with each doubling."""
    return np.asarray(900.0 * tokens**-0.4 * np.exp(3e4 / tokens))


def test_every_later_budget_within_reach_is_forecast_from_every_cut() -> None:
    tokens = 2.0 ** np.arange(16, 22)
    points = Points.of(
        {"params": np.full(6, 1e5), "tokens": tokens, "loss": FLOOR + planted(tokens), "floor": np.full(6, FLOOR)}
    )
    found = list(of_cell(points, {2**21}))
    assert [g.doublings for g in found] == pytest.approx([1, 2, 3, 1, 2, 1])
    assert [g.held for g in found] == [False, False, True, False, True, True]
    for g in found:
        assert g.said[2] == pytest.approx(g.came, abs=1e-5)
        assert g.said[1] < g.came  # a line never bends


def test_errors_are_shares_of_the_excess_and_shared_cells_count_once() -> None:
    guess = Guess(False, 1.0, (math.log(1.1), math.log(1.0), math.log(1.3)), 0.0)
    rows = {row["average"]: row for row in summary([guess, guess]) if (row["part"], row["beyond"]) == ("below", "one doubling")}
    assert list(rows) == list(AVERAGES)
    assert rows["late"]["forecasts"] == 1
    assert [rows[name]["median"] for name in ("late", "line", "bend")] == ["0.1000", "0.0000", "0.3000"]
    assert rows["late, line, bend (a plan)"]["median"] == f"{(1.1 * 1.3) ** (1 / 3) - 1:.4f}"
