import json
from pathlib import Path

import numpy as np
import pytest
from numba import njit, uint64
from scipy.stats import chi2

from generator.golden import values
from graph.graphs import all_policies, all_walks, random_graph, small_graphs
from preceptor.core.rng import purpose_key
from preceptor.generator import reference
from preceptor.generator.policies import first_order, history, node2vec
from preceptor.generator.probability import log_probability
from preceptor.generator.walk_tables import load_tables, save_tables, walk_tables
from preceptor.generator.walks import sample, walk

LENGTHS = np.array([0, 0, 1.0, 2.0, 3.0])
FALSE_ALARM = 1e-6  # of each chi-square test; seeds are fixed, so a pass stays a pass


@pytest.mark.parametrize("policy", all_policies())
@pytest.mark.parametrize("name", small_graphs())
def test_frequencies_match_stated_probabilities(name: str, policy: str) -> None:
    graph = small_graphs()[name]
    n, count = graph.n_items, 50_000
    tables = walk_tables(graph, np.arange(n) + 1.0, LENGTHS, all_policies()[policy])
    items, lengths = sample(tables, 7, "frequencies", 0, count)
    code = lambda rows: (rows.astype(np.int64) + 1) @ (n + 1) ** np.arange(tables.longest)  # noqa: E731
    every, every_length = all_walks(tables)
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


@pytest.mark.parametrize("policy", all_policies())
@pytest.mark.parametrize("name", small_graphs())
def test_kernels_equal_the_definition_walk_by_walk(name: str, policy: str) -> None:
    graph = small_graphs()[name]
    tables = walk_tables(graph, np.ones(graph.n_items), LENGTHS, all_policies()[policy])
    items, lengths = sample(tables, 1, "reference", 0, 60)
    for i in range(60):
        assert reference.walk(tables, 1, "reference", i) == items[i, : lengths[i]].tolist()


def test_walks_without_repeats_have_none() -> None:
    for policy in (first_order(False), node2vec(0.1, 3, False), history(0.8, 8, False)):
        tables = walk_tables(random_graph(12, 60, 5), np.ones(12), 8, policy)
        items, lengths = sample(tables, 0, "x", 0, 2000)
        assert all(len(set(row[:n].tolist())) == n for row, n in zip(items, lengths, strict=True))


@pytest.mark.parametrize("policy", [first_order(), node2vec(0.2, 3), history(0.5, 8)], ids=["first", "second", "history"])
def test_walks_depend_on_their_number_alone(policy: np.ndarray) -> None:
    tables = walk_tables(random_graph(60, 500, 5), np.ones(60), 8, policy)
    items, lengths = sample(tables, 0, "x", 0, 5000, threads=1)
    for threads in (2, 3):
        again, again_lengths = sample(tables, 0, "x", 0, 5000, threads=threads)
        np.testing.assert_array_equal(again, items)
        np.testing.assert_array_equal(again_lengths, lengths)
    part, _ = sample(tables, 0, "x", 4321, 17)
    np.testing.assert_array_equal(part, items[4321:4338])
    assert not np.array_equal(sample(tables, 0, "y", 0, 5000)[0], items)
    assert not np.array_equal(sample(tables, 1, "x", 0, 5000)[0], items)


def test_walk_can_be_called_from_jitted_code_on_opened_tables(tmp_path: Path) -> None:
    tables = walk_tables(random_graph(60, 500, 5), np.ones(60), 8)
    save_tables(tables, tmp_path)

    @njit
    def caller(tables, key, out):  # type: ignore[no-untyped-def]
        for i in range(len(out)):
            out[i, 8] = walk(tables, key, uint64(i), out[i])

    out = np.full((50, 9), -1, np.int32)
    caller(load_tables(tmp_path), purpose_key(3, "z"), out)
    items, lengths = sample(tables, 3, "z", 0, 50)
    np.testing.assert_array_equal(out[:, :8], items)
    np.testing.assert_array_equal(out[:, 8], lengths)


def test_walks_are_those_of_the_golden_digests() -> None:
    """The bytes of walks are a promise. golden.json is written by `make golden` alone (first on numpy 2.4, numba 0.68)."""
    assert values() == json.loads((Path(__file__).parent / "golden.json").read_text())
