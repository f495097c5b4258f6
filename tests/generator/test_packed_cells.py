"""Alias cells, packed for catalogues whose outcomes are short numbers, linked beyond."""

from pathlib import Path

import numpy as np
import pytest

from generator.mixtures import large_mixture, small_mixtures
from preceptor.core.artifact import Artifact
from preceptor.core.rng import purpose_key
from preceptor.core.stage import without_defaults
from preceptor.generator import mixture_reference, packed_cells, stage
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture_histories import history, sample
from preceptor.generator.mixture_probability import log_probability
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.graph.graph import TOTAL

LONG = [(repeats, share) for repeats in (False, True) for share in (None, 0.0, 0.1)]


def long_tables(repeats: bool, share: float | None) -> MixtureTables:
    return mixture_tables(large_mixture(repeats=repeats), np.ones(300), 20, share)


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_cells, "PACKED_BITS", 1)


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("name", small_mixtures())
def test_kernels_draw_from_linked_cells_by_the_definition(name: str) -> None:
    tables = small_mixtures()[name]
    assert tables.settings[6] == packed_cells.LINKED
    items, lengths = sample(tables, 1, "linked", 0, 150)
    out = np.empty(tables.longest, np.int32)
    for i, n in enumerate(lengths):
        assert mixture_reference.history(tables, 1, "linked", i)[0] == items[i, :n].tolist()
        assert history(tables, purpose_key(1, "linked"), i, out) == n
        assert out[:n].tolist() == items[i, :n].tolist()


@pytest.mark.parametrize(("repeats", "share"), LONG)
def test_both_kinds_of_cells_hold_the_same_law(repeats: bool, share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = long_tables(repeats, share)
    monkeypatch.setattr(packed_cells, "PACKED_BITS", 1)
    linked = long_tables(repeats, share)
    assert (packed.settings[6] > 0, linked.settings[6]) == (True, packed_cells.LINKED)
    items, lengths = sample(packed, 5, "law", 0, 3000)
    for a, b in zip((items, lengths), sample(linked, 5, "law", 0, 3000), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(log_probability(packed, items, lengths), log_probability(linked, items, lengths))


def test_rows_among_a_million_items_are_not_padded() -> None:
    """Three edges take four cells, as among a thousand items; padded as packed cells were, they took 128."""
    rng = np.random.default_rng(0)
    outcomes = np.sort(rng.integers(0, 1 << 20, (1000, 3)).astype(np.int32), axis=1).ravel()
    outcomes[-1] = (1 << 20) - 1
    weight = np.tile(np.array([TOTAL // 2, TOTAL // 4, TOTAL // 4], np.uint32), 1000)
    rows, cells, bits = packed_cells.packed_rows((np.arange(0, 3001, 3), outcomes, weight))
    assert bits == packed_cells.LINKED
    assert len(cells) == 4 * len(rows) == 4000
    for row in (0, 17, 999):
        units: dict[int, int] = {}
        first = int(rows[row]) >> 6
        for cell in cells[first : first + 4].tolist():
            threshold, alias = divmod(cell >> 32, 4)
            for outcome, share in ((cell, threshold), (int(cells[first + alias]), TOTAL // 4 - threshold)):
                units[outcome % 2**32] = units.get(outcome % 2**32, 0) + share
        wanted: dict[int, int] = {}
        for e in range(3 * row, 3 * row + 3):
            wanted[int(outcomes[e])] = wanted.get(int(outcomes[e]), 0) + int(weight[e])
        assert {k: v for k, v in units.items() if v} == wanted


@pytest.mark.parametrize(
    ("law", "items", "other"), [("mixture", (1 << 18) - 1, False), ("mixture", 1 << 18, True), ("paper", 1 << 18, False)]
)
def test_catalogues_with_linked_cells_have_a_key_of_their_own(law: str, items: int, other: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "held_out.npy", np.zeros(items, bool))
    config, inputs = GeneratorConfig(law=law), {"codes": Artifact(tmp_path, {"files": {}})}  # type: ignore[arg-type]
    found = stage.key(config, inputs).config
    assert ("cells" in found) == other
    assert {name: value for name, value in found.items() if name != "cells"} == without_defaults(config, ("since", "walks"))
