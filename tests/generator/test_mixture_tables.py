from pathlib import Path

import numpy as np
import pytest

from generator.mixtures import ALL, FADING, LAST, large_mixture, mixture, small_mixtures
from graph.graphs import small_graphs
from preceptor.core.errors import PreceptorError
from preceptor.generator import histories
from preceptor.generator import mixture_reference as reference
from preceptor.generator.mixture import Memory
from preceptor.generator.mixture_histories import sample
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.graph.graph import TOTAL, from_edges

RING = small_graphs()["equal weights"]


def drawn_units(tables: MixtureTables, row: int, n_outcomes: int) -> np.ndarray:
    """How many of the 2^31 numbers select each outcome of an alias row, counted from the cells."""
    first, log2_cells = divmod(int(tables.rows[row]), 64)
    size = 2 ** int(tables.settings[6])
    cells = [divmod(int(c), size) for c in tables.cells[first : first + (1 << log2_cells)]]
    units = np.zeros(n_outcomes, np.int64)
    for high, below in cells:
        threshold, above = divmod(high, size)
        units[below] += threshold
        units[above] += (TOTAL >> log2_cells) - threshold
    return units


@pytest.mark.parametrize("name", small_mixtures())
def test_cells_hold_exactly_the_stated_integers(name: str) -> None:
    tables = small_mixtures()[name]
    n, g = tables.settings[:2].tolist()
    for row in range(n * g):
        edges = slice(tables.indptr[row], tables.indptr[row + 1])
        if edges.start == edges.stop:
            assert drawn_units(tables, row, n + 1)[n] == TOTAL
            continue
        expected = np.bincount(tables.indices[edges], weights=tables.weight[edges], minlength=n + 1)
        np.testing.assert_array_equal(drawn_units(tables, row, n + 1), expected)
        assert expected.sum() == TOTAL
    np.testing.assert_array_equal(drawn_units(tables, n * g, n), tables.start)
    np.testing.assert_array_equal(drawn_units(tables, n * g + 1, len(tables.length)), tables.length)
    np.testing.assert_array_equal(drawn_units(tables, n * g + 2, len(tables.share)), tables.share)
    for p, units in enumerate(tables.prior):
        np.testing.assert_array_equal(drawn_units(tables, n * g + 3 + p, n), units)
    for _, _, reach, first, memory in tables.components[: tables.n_parts].tolist():
        for read in range(reach):
            np.testing.assert_array_equal(drawn_units(tables, first + read, reach), tables.memory[memory, read, :reach])


@pytest.mark.parametrize("name", small_mixtures())
def test_law_sums_to_one_in_fractions(name: str) -> None:
    tables = small_mixtures()[name]
    random = np.random.default_rng(0)
    for length in (1, 2, 3, 4, 5):
        history = random.permutation(5)[:length].tolist()
        law = reference.distribution(tables, history)
        assert sum(law.values()) in (0, 1)
        assert sum(w for w, _ in reference.components(tables, history).values()) == (1 if law else 0)
        assert tables.repeats or not set(law) & set(history)


def test_law_by_hand() -> None:
    """After 0, 1: the ring leads from 1 to 0 and 2, from 0 to 1 and 4, all alike; memory 0.5 reads both."""
    tables = mixture_tables(mixture((RING,), [(0, Memory(0.5, 2), 0.8)], [(0.0, 0.2)]), np.ones(5), 4)
    law = {x: float(p) for x, p in reference.distribution(tables, [0, 1]).items()}
    assert law == pytest.approx({2: 0.8 * 2 / 3 + 0.2 / 3, 3: 0.2 / 3, 4: 0.8 / 3 + 0.2 / 3}, abs=1e-8)
    again = mixture((RING,), [(0, Memory(0.5, 2), 0.8)], [(0.0, 0.2)], repeats=True)
    law = {x: float(p) for x, p in reference.distribution(mixture_tables(again, np.ones(5), 4), [0, 1]).items()}
    expected = {0: 0.8 / 3 + 0.04, 1: 0.8 / 6 + 0.04, 2: 0.8 / 3 + 0.04, 3: 0.04, 4: 0.8 / 6 + 0.04}
    assert law == pytest.approx(expected, abs=1e-8)


def test_weight_of_a_part_without_mass_goes_where_the_dial_says() -> None:
    """Item 3 has no row in the second graph, λ = 0.4: to the priors in the whole mixture, to the other part in the signal."""
    other = from_edges(5, [0, 1], [1, 0], [1.0, 1.0])
    made = mixture((RING, other), [(0, LAST, 0.4), (1, LAST, 0.4)], [(0.0, 0.2)])
    share = {None: 0.4, 0.0: 1.0, 0.1: 0.9 - 0.45 / 2}
    for dial, expected in share.items():
        tables = mixture_tables(made, np.ones(5), 4, dial)
        signal = sum(w for c, (w, _) in reference.components(tables, [3]).items() if c < tables.n_parts)
        assert float(signal) == pytest.approx(expected, abs=1e-8)
        assert tables.prior_share == pytest.approx(0.2 if dial is None else dial, abs=1e-8)


def test_dial_at_its_ends() -> None:
    """At 0 the law of the parts alone; at the fitted share the whole mixture, byte for byte."""
    whole = large_mixture()
    fitted = sum(p.weight for p in whole.priors) / sum(p.weight for p in (*whole.parts, *whole.priors))
    for a, b in zip(mixture_tables(whole, np.ones(300), 6), mixture_tables(whole, np.ones(300), 6, fitted), strict=True):
        np.testing.assert_array_equal(a, b)
    alone = mixture(whole.graphs, [(p.graph, p.memory, p.weight) for p in whole.parts], [], members=whole.members)
    for a, b in zip(mixture_tables(alone, np.ones(300), 6), mixture_tables(whole, np.ones(300), 6, 0.0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_saved_and_loaded_tables_are_equal(tmp_path: Path) -> None:
    tables = mixture_tables(large_mixture(), np.ones(300), 8)
    histories.save(tables, tmp_path, "uih_")
    loaded = histories.load(tmp_path, "uih_")
    for a, b in zip(tables, loaded, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(sample(tables, 0, "x", 0, 50), sample(loaded, 0, "x", 0, 50), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_law_of_priors_alone_is_drawn_whole_although_its_shares_sum_to_almost_one() -> None:
    made = mixture((RING,), [], [(0.0, 0.7), (1.0, 0.2), (0.5, 0.1)])
    assert made.prior_share != 1.0
    assert mixture_tables(made, np.ones(5), 4, 1.0 * made.prior_share).prior_share == 1.0


def test_bad_input_is_refused() -> None:
    made = mixture((RING,), [(0, FADING, 0.7)], [(0.0, 0.3)])
    with pytest.raises(PreceptorError, match="share of the priors"):
        mixture_tables(made, np.ones(5), 4, 0.5)
    with pytest.raises(PreceptorError, match="share of the priors"):
        mixture_tables(made, np.ones(5), 4, -0.1)
    with pytest.raises(PreceptorError, match="no signal"):
        mixture_tables(mixture((RING,), [], [(0.0, 1.0)]), np.ones(5), 4, 0.0)
    with pytest.raises(PreceptorError, match="history length"):
        mixture_tables(made, np.ones(5), np.array([1.0, 1.0]))
    with pytest.raises(PreceptorError, match="No history can start"):
        mixture_tables(mixture((RING,), [(0, ALL, 1.0)], [], members=np.arange(5) == 1), np.ones(5), 4)
    with pytest.raises(PreceptorError, match="weights of a mixture"):
        mixture_tables(mixture((RING,), [(0, ALL, -1.0)], [(0.0, 2.0)]), np.ones(5), 4)
    with pytest.raises(PreceptorError, match="Bad memory"):
        mixture_tables(mixture((RING,), [(0, Memory(1.5, 3), 1.0)], []), np.ones(5), 4)
    with pytest.raises(PreceptorError, match="Bad prior"):  # item 4 alone is a member, and was never met
        mixture_tables(mixture((RING,), [(0, ALL, 0.5)], [(1.0, 0.5)], members=np.arange(5) == 4), np.ones(5), 4)
    with pytest.raises(PreceptorError, match="too many components"):
        mixture_tables(mixture((RING,), [(0, ALL, 0.01)] * 70, []), np.ones(5), 4)
    with pytest.raises(PreceptorError, match="different catalogues"):
        mixture_tables(mixture((RING, small_graphs()["one neighbour"]), [(0, ALL, 0.5), (1, ALL, 0.5)], []), np.ones(5), 4)
