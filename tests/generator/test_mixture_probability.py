import math

import numpy as np
import pytest

from generator.mixtures import ALL, LAST, all_histories, large_mixture, mixture, small_mixtures
from preceptor.generator import mixture_reference as reference
from preceptor.generator.mixture_histories import sample
from preceptor.generator.mixture_probability import conditional, log_probability
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.graph.graph import from_edges


@pytest.mark.parametrize("name", small_mixtures())
def test_probabilities_of_all_histories_sum_to_one(name: str) -> None:
    tables = small_mixtures()[name]
    assert np.exp(log_probability(tables, *all_histories(tables))).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", small_mixtures())
def test_log_probability_is_that_of_the_definition(name: str) -> None:
    tables = small_mixtures()[name]
    items, lengths = sample(tables, 2, "law", 0, 60)
    stated = log_probability(tables, items, lengths)
    for row, n, log_p in zip(items, lengths, stated, strict=True):
        assert math.log(reference.probability(tables, row[:n].tolist())) == pytest.approx(log_p, abs=1e-12)


@pytest.mark.parametrize("name", small_mixtures())
def test_conditional_law_is_that_of_the_definition(name: str) -> None:
    """On arbitrary sequences too: longer than the sampler's, with repeats, through dead ends."""
    tables = small_mixtures()[name]
    items = np.random.default_rng(0).integers(0, 5, (40, 6)).astype(np.int32)
    law = conditional(tables, items, np.full(40, 6))
    assert all(np.isnan(a[:, 0]).all() for a in law)
    for row, found in zip(items.tolist(), np.stack(law, axis=2), strict=True):
        for t in range(1, 6):
            parts = reference.components(tables, row[:t])
            for g in (0, 1):
                group = {c: w for c, (w, _) in parts.items() if (c >= tables.n_parts) == g}
                p = sum(w / sum(group.values()) * parts[c][1].get(row[t], 0) for c, w in group.items())
                assert found[t, 1 + g] == pytest.approx(math.log(p) if p else -math.inf, abs=1e-12)
            if parts:
                share = sum(w for c, (w, _) in parts.items() if c < tables.n_parts)
                assert found[t, 3] == pytest.approx(float(share), abs=1e-12)
            p = reference.distribution(tables, row[:t]).get(row[t], 0)
            assert found[t, 0] == pytest.approx(math.log(p) if p else -math.inf, abs=1e-12)


@pytest.mark.parametrize("share", [None, 0.0, 0.1])
def test_log_probability_of_long_histories(share: float | None) -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), np.arange(21.0), share)
    items, lengths = sample(tables, 3, "long", 0, 12)
    for row, n, log_p in zip(items, lengths, log_probability(tables, items, lengths), strict=True):
        p = reference.probability(tables, row[:n].tolist())
        exact = math.log(p.numerator) - math.log(p.denominator)
        assert exact == pytest.approx(log_p, rel=1e-12)


def test_threads_change_nothing() -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), 12)
    items, lengths = sample(tables, 3, "threads", 0, 2000)
    one = log_probability(tables, items, lengths, threads=1)
    np.testing.assert_array_equal(log_probability(tables, items, lengths, threads=3), one)
    for a, b in zip(conditional(tables, items, lengths, 1), conditional(tables, items, lengths, 3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(one).all()


def test_rows_of_popular_items_are_searched_to_the_same_probabilities() -> None:
    """The hub's row has more edges than 32 per item of a history; edges lead back from every third item alone."""
    n, random = 2000, np.random.default_rng(0)
    leaves = np.arange(1, n)
    back = leaves[::3]
    hub = from_edges(
        n, np.r_[np.zeros(n - 1, int), back], np.r_[leaves, np.zeros(len(back), int)], random.random(n - 1 + len(back)) + 0.1
    )
    ring = from_edges(n, np.arange(n), (np.arange(n) + 1) % n, np.ones(n))
    for repeats in (False, True):
        law = mixture((hub, ring), [(0, ALL, 0.5), (1, LAST, 0.3)], [(1.0, 0.2)], repeats)
        tables = mixture_tables(law, np.ones(n), 6)
        items, lengths = sample(tables, 3, "hub", 0, 12)
        items[:6, 1] = 0  # the hub in the middle of a history
        stated = log_probability(tables, items, lengths)
        for row, length, log_p in zip(items, lengths, stated, strict=True):
            p = reference.probability(tables, row[:length].tolist())
            assert log_p == pytest.approx(math.log(p) if p else -math.inf, abs=1e-12)
