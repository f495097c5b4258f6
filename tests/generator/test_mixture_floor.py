import numpy as np
import pytest

from generator.mixtures import all_histories, large_mixture, small_mixtures
from preceptor.generator import floor
from preceptor.generator.mixture_probability import log_probability
from preceptor.generator.mixture_tables import mixture_tables


@pytest.mark.parametrize("name", small_mixtures())
def test_monte_carlo_agrees_with_enumeration(name: str) -> None:
    """The interval's ±1.96 standard errors are widened to ±5: a false alarm in 1.7 million, and the seed is fixed."""
    tables = small_mixtures()[name]
    items, lengths = all_histories(tables)
    log_p = log_probability(tables, items, lengths)
    p = np.exp(log_p)
    expected = -(p[p > 0] @ log_p[p > 0]) / (p @ lengths)
    drawn = floor.monte_carlo(tables, 0, "floor", 20_000)
    assert drawn["items"] == pytest.approx(p @ lengths, rel=0.02)
    assert abs(drawn["mean"] - expected) < 5 * drawn["error"] + 1e-9
    assert drawn["high"] - drawn["low"] == pytest.approx(2 * 1.959964 * drawn["error"])


def test_standard_error_is_brought_to_what_is_asked() -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), 8)
    found = floor.to_precision(tables, 0, "floor", error=0.01)
    assert found["error"] <= 0.01
    finer = floor.to_precision(tables, 0, "floor", error=0.004)
    assert finer["error"] <= 0.004
    assert finer["histories"] > found["histories"]
    assert abs(finer["mean"] - found["mean"]) < 5 * np.hypot(found["error"], finer["error"])
    assert floor.to_precision(tables, 0, "floor", error=1e-6, most=3000)["histories"] == 3000
