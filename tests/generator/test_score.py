import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator import law_reference
from generator.test_likelihood import targets_of
from graph.graphs import random_graph
from preceptor.data.log import Targets
from preceptor.generator import dense, em, score
from preceptor.generator.events import inside, select
from preceptor.generator.mixture import Memory, Mixture, Part, Prior


@st.composite
def laws(draw: st.DrawFn) -> tuple[Mixture, Targets]:
    n = draw(st.integers(3, 10))
    graphs = tuple(random_graph(n, draw(st.integers(2, 40)), draw(st.integers(0, 1000))) for _ in range(2))
    weights = draw(st.lists(st.floats(0.01, 1), min_size=5, max_size=5))
    a, b, c, d, e = np.array(weights) / sum(weights)
    parts = (Part(0, Memory(0.0, 20), a), Part(1, Memory(0.7, 20), b), Part(1, Memory(1.0, 20), c))
    popularity = np.array(draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)))
    members = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n))) | (popularity > 0)
    members[0] = True
    mixture = Mixture(graphs, ("a", "b"), parts, (Prior(0.0, d), Prior(1.0, e)), popularity, members, draw(st.booleans()))
    item = st.integers(0, n - 1)
    return mixture, targets_of(draw(st.lists(st.lists(item, min_size=2, max_size=12), min_size=1, max_size=3)))


@given(laws())
@settings(max_examples=60, deadline=None)
def test_rows_equal_the_definition_and_give_every_candidate_something(case: tuple[Mixture, Targets]) -> None:
    mixture, targets = case
    for rows, p in dense.law_rows(mixture, targets):
        for place, t in enumerate(rows):
            expected = law_reference.law(mixture, targets.history(t).tolist())
            found = {x: p[place, x] for x in np.flatnonzero(p[place]).tolist()}
            assert found == pytest.approx(expected, rel=1e-10)
            if expected:
                assert sum(found.values()) == pytest.approx(1)


@given(laws())
@settings(max_examples=40, deadline=None)
def test_the_table_gives_the_same_as_the_rows(case: tuple[Mixture, Targets]) -> None:
    mixture, targets = case
    good = np.flatnonzero(inside(targets, mixture.members, mixture.repeats))
    if not len(good):
        return
    p = em.probability(score.table(mixture, select(targets, good)), score.weights_of(mixture))
    scored = score.score(mixture, targets)
    assert -np.log(p) == pytest.approx(scored.nats[good], rel=1e-9)
    assert np.isnan(np.delete(scored.nats, good)).all()
    assert (np.delete(scored.rank, good) == len(mixture.members)).all()
    assert score.regret(mixture, targets) >= -1e-6


def test_the_scorer_gives_the_rows_asked_for() -> None:
    graph = random_graph(6, 20, 0)
    mixture = Mixture(
        (graph,), ("a",), (Part(0, Memory(0.5, 9), 0.7),), (Prior(0.0, 0.3),), np.arange(6), np.ones(6, bool), False
    )
    targets = targets_of([[0, 1, 2], [3, 4]])
    found = dense.LawScorer(mixture).scores(targets, np.array([2, 0]))
    whole = np.concatenate([p for _, p in dense.law_rows(mixture, targets)])
    assert found == pytest.approx(whole[[2, 0]])
    assert found.dtype == np.float32
