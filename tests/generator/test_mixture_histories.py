from pathlib import Path

import numpy as np
import pytest
from numba import njit, uint64
from scipy.stats import chi2

from generator.mixtures import all_histories, large_mixture, small_mixtures
from preceptor.core.rng import purpose_key
from preceptor.generator import mixture_reference as reference
from preceptor.generator.histories import load, save
from preceptor.generator.mixture_histories import (
    NO_COMPONENT,
    histories,
    histories_with_components,
    history,
    one_history,
    sample,
    sample_with_components,
)
from preceptor.generator.mixture_probability import log_probability
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables

FALSE_ALARM = 1e-6  # of each chi-square test; seeds are fixed, so a pass stays a pass


@pytest.mark.parametrize("name", small_mixtures())
def test_kernels_equal_the_definition_history_by_history(name: str) -> None:
    tables = small_mixtures()[name]
    items, lengths, component = sample_with_components(tables, 1, "reference", 0, 150)
    for i, n in enumerate(lengths):
        assert reference.history(tables, 1, "reference", i) == (items[i, :n].tolist(), component[i, 1:n].tolist())


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("share", [None, 0.0, 0.1])
def test_long_histories_equal_the_definition(repeats: bool, share: float | None) -> None:
    tables = mixture_tables(large_mixture(repeats=repeats), np.ones(300), 20, share)
    items, lengths, component = sample_with_components(tables, 5, "long", 0, 40)
    for i, n in enumerate(lengths):
        assert reference.history(tables, 5, "long", i) == (items[i, :n].tolist(), component[i, 1:n].tolist())


def test_interleaved_kernel_equals_the_plain_one() -> None:
    """Thousands of histories, more than take turns at once, of different lengths; components too."""
    for repeats, share, lengths in ((False, None, np.arange(41.0)), (False, 0.0, 8), (True, 0.05, np.arange(12.0))):
        tables = mixture_tables(large_mixture(60, repeats), np.ones(60), lengths, share)
        made = [_room(tables, 3000) for _ in range(2)]
        key = purpose_key(2, "plain")
        histories_with_components(tables, key, np.uint64(7), *made[0])
        _plainly(tables, key, uint64(7), *made[1])
        for a, b in zip(*made, strict=True):
            np.testing.assert_array_equal(a, b)


def _room(tables: MixtureTables, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape = (count, tables.longest)
    return np.full(shape, -1, np.int32), np.empty(count, np.int32), np.full(shape, NO_COMPONENT, np.uint8)


@njit
def _plainly(tables, key, first, items, lengths, component):  # type: ignore[no-untyped-def]
    for i in range(len(items)):
        lengths[i] = one_history(tables, key, first + uint64(i), items[i], component[i])


@pytest.mark.parametrize("name", small_mixtures())
def test_frequencies_match_stated_probabilities(name: str) -> None:
    tables, count = small_mixtures()[name], 50_000
    n = len(tables.start)
    items, lengths = sample(tables, 7, "frequencies", 0, count)
    code = lambda rows: (rows.astype(np.int64) + 1) @ (n + 1) ** np.arange(tables.longest)  # noqa: E731
    every, every_length = all_histories(tables)
    expected = np.exp(log_probability(tables, every, every_length)) * count
    codes = code(every)
    order = np.argsort(codes)
    seen, times = np.unique(code(items), return_counts=True)
    observed = np.zeros(len(every))
    observed[order[np.searchsorted(codes[order], seen)]] = times
    assert observed[expected == 0].sum() == 0
    large = expected >= 10
    cells_o = np.append(observed[large], observed[~large].sum())
    cells_e = np.append(expected[large], expected[~large].sum())
    cells_o, cells_e = cells_o[cells_e > 1e-9], cells_e[cells_e > 1e-9]
    statistic = ((cells_o - cells_e) ** 2 / cells_e).sum()
    assert statistic <= chi2.isf(FALSE_ALARM, max(1, len(cells_e) - 1))
    assert np.all((items >= 0) == (np.arange(tables.longest) < lengths[:, None]))


@pytest.mark.parametrize("name", small_mixtures())
def test_components_come_as_often_as_stated(name: str) -> None:
    """Chi-square over (first item, component of the second item), against the fractions of the definition."""
    tables, count = small_mixtures()[name], 50_000
    items, lengths, component = sample_with_components(tables, 8, "components", 0, count)
    n_components, cells = len(tables.share), []
    for first in range(len(tables.start)):
        weights = {c: float(w) for c, (w, _) in reference.components(tables, [first]).items()}
        here = component[(items[:, 0] == first) & (lengths > 1), 1]
        times = np.bincount(here, minlength=n_components)
        assert times[[c for c in range(n_components) if c not in weights]].sum() == 0
        cells += [(times[c], w * len(here)) for c, w in weights.items() if w * len(here) > 0]
    observed, expected = np.array(cells).T
    assert ((observed - expected) ** 2 / expected).sum() <= chi2.isf(FALSE_ALARM, len(cells))
    assert np.all(component[:, 0] == NO_COMPONENT)
    assert np.all((component != NO_COMPONENT) == ((items >= 0) & (np.arange(tables.longest) > 0)))


def test_members_alone_are_drawn_and_none_twice() -> None:
    mixture = large_mixture()
    items, lengths = sample(mixture_tables(mixture, np.ones(300), 40), 0, "x", 0, 2000)
    assert mixture.members[items].all()
    assert np.all(lengths == 40)
    assert all(len(set(row)) == 40 for row in items.tolist())


def test_histories_depend_on_their_number_alone() -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), 8)
    whole = sample_with_components(tables, 0, "x", 0, 5000, threads=1)
    for threads in (2, 3):
        for a, b in zip(whole, sample_with_components(tables, 0, "x", 0, 5000, threads=threads), strict=True):
            np.testing.assert_array_equal(a, b)
    items, lengths = sample(tables, 0, "x", 4321, 17)
    np.testing.assert_array_equal(items, whole[0][4321:4338])
    assert not np.array_equal(sample(tables, 0, "y", 0, 5000)[0], whole[0])
    assert not np.array_equal(sample(tables, 1, "x", 0, 5000)[0], whole[0])


def test_histories_can_be_called_from_jitted_code_on_opened_tables(tmp_path: Path) -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), 8)
    save(tables, tmp_path)

    @njit
    def caller(tables, key, items, lengths):  # type: ignore[no-untyped-def]
        histories(tables, key, uint64(5), items, lengths)
        return history(tables, key, uint64(3), items[0])

    room = _room(tables, 50)[:2]
    assert caller(load(tmp_path), purpose_key(3, "z"), *room) == 8
    items, _ = sample(tables, 3, "z", 0, 55)
    np.testing.assert_array_equal(room[0][1:], items[6:])
    np.testing.assert_array_equal(room[0][0], items[3])
