from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import typeof

from generator import law_reference
from graph.graphs import random_graph
from preceptor.core.errors import PreceptorError
from preceptor.data.log import Targets
from preceptor.generator import likelihood
from preceptor.generator.events import inside, select
from preceptor.generator.mixture import Memory
from preceptor.graph.graph import Graph

DECAYS = (0.0, 0.6, 1.0)


def targets_of(histories: list[list[int]]) -> Targets:
    """Every place but the first of each history is a target."""
    ends = np.cumsum([0, *map(len, histories)])
    rows = [(u, ends[u], ends[u] + k) for u, h in enumerate(histories) for k in range(1, len(h))]
    user, start, end = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    return Targets(user.astype(np.int32), np.array([x for h in histories for x in h], np.int32), start, end)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Graph, Targets, np.ndarray, bool, int]:
    n = draw(st.integers(3, 12))
    graph = random_graph(n, draw(st.integers(2, 40)), draw(st.integers(0, 1000)))
    item = st.integers(0, n - 1)
    histories = draw(st.lists(st.lists(item, min_size=2, max_size=50), min_size=1, max_size=3))
    members = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    return graph, targets_of(histories), members, draw(st.booleans()), draw(st.integers(1, 60))


def test_kernels_see_one_type_of_what_is_made_and_of_what_is_opened(tmp_path: Path) -> None:
    graph, targets, members = random_graph(9, 20, 0), targets_of([[0, 1, 2, 3]]), np.ones(9, np.bool_)
    graph.save(tmp_path / "graph")
    targets.save(tmp_path / "targets")
    types = {
        (typeof(likelihood.edges_of(g, members)), typeof(likelihood.asked_of(t, np.array([0, 1]), False)))
        for g in (graph, Graph.load(tmp_path / "graph"))
        for t in (targets, Targets.load(tmp_path / "targets"))
    }
    assert len(types) == 1


@given(cases())
@settings(max_examples=80, deadline=None)
def test_densities_equal_the_definition_in_fractions(case: tuple[Graph, Targets, np.ndarray, bool, int]) -> None:
    graph, targets, members, repeats, longest = case
    chosen = select(targets, np.flatnonzero(inside(targets, members, repeats))[::-1])  # in any order, with gaps
    value, alive = likelihood.densities(graph, DECAYS, longest, chosen, members, repeats)
    for t in range(len(chosen)):
        history = chosen.history(t).tolist()
        allowed = law_reference.candidates(members, history, repeats)
        for m, decay in enumerate(DECAYS):
            found = law_reference.component(graph, Memory(decay, longest), history, allowed)
            assert alive[t, m] == bool(found)
            assert value[t, m] == pytest.approx(float(found.get(int(chosen.item[t]), 0)), rel=1e-14)


@given(cases(), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_priors_equal_the_definition(case: tuple[Graph, Targets, np.ndarray, bool, int], shift: int) -> None:
    graph, targets, members, repeats, _ = case
    popularity = (np.arange(graph.n_items) + shift) % 4
    chosen = select(targets, np.flatnonzero(inside(targets, members, repeats)))
    found = likelihood.prior_densities(popularity, (0.0, 0.5, 1.0), chosen, members, repeats)
    for t in range(len(chosen)):
        allowed = law_reference.candidates(members, chosen.history(t).tolist(), repeats)
        for q, alpha in enumerate((0.0, 0.5, 1.0)):
            worth = {x: float(popularity[x]) ** alpha for x in allowed}
            total = sum(worth.values())
            expected = worth[int(chosen.item[t])] / total if total else 1 / len(allowed)
            assert found[t, q] == pytest.approx(expected, rel=1e-12)


def test_the_use_of_sources_sums_to_the_events_that_have_mass() -> None:
    graph = random_graph(9, 30, 1)
    targets = targets_of([[0, 1, 2, 3], [4, 5], [8, 7, 6]])
    members = np.ones(9, bool)
    share = np.full(len(targets), 1 / len(targets))
    use = likelihood.source_use(graph, 0.5, 10, targets, members, False, share)
    alive = likelihood.densities(graph, (0.5,), 10, targets, members, False)[1]
    assert use.sum() == pytest.approx(float(share @ alive[:, 0]))


def test_too_long_a_memory_is_refused() -> None:
    with pytest.raises(PreceptorError, match="length of a memory"):
        likelihood.fades((0.5,), 513)
