import numpy as np
import pytest

from generator.mixtures import large_mixture, small_mixtures
from preceptor.generator import mixture_reference as reference
from preceptor.generator.mixture_histories import sample_with_components
from preceptor.generator.mixture_tables import mixture_tables


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
