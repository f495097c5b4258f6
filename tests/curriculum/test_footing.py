"""On one footing: rivals are distributions over what is offered, after the history that the model is shown."""

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.curriculum import footing, references
from preceptor.curriculum.footing import Asked
from preceptor.curriculum.next_items import NextItems, positions
from preceptor.data.log import Targets
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.graph.graph import from_edges

SPLIT = tiny_split(n_users=60)
N = SPLIT.train.n_items
MEMBERS = SPLIT.train.popularity > 0
CANDIDATES = np.flatnonzero(MEMBERS)


def law() -> Mixture:
    rng = np.random.default_rng(0)
    source, step = rng.integers(0, N, 400), rng.integers(1, N, 400)
    graph = from_edges(N, source, (source + step) % N, rng.integers(1, 50, 400))
    parts = (Part(0, Memory(0.0, 512), 0.3), Part(0, Memory(1.0, 512), 0.4))
    priors = (Prior(1.0, 0.2), Prior(0.0, 0.1))
    return Mixture((graph,), ("g",), parts, priors, SPLIT.train.popularity, MEMBERS, False)


def asked(history: list[int], given: int) -> Asked:
    """Every candidate that isn't in the history, each as a target after it; the document holds the last `given` of it."""
    items = [int(i) for i in CANDIDATES if i not in history]
    n, zero = len(items), np.zeros(len(items), np.int64)
    lines = Targets(zero.astype(np.int32), np.array(history, np.int32), zero, zero + len(history))
    return Asked(lines, np.array(items), np.full(n, given))


def test_probabilities_of_all_that_is_offered_sum_to_one() -> None:
    some = asked([3, 8, 5, 9], 2)
    nats = footing.counted(references.fit(SPLIT.train), some, CANDIDATES, repeats=False)
    nats["generator"], rows = footing.of_law(law(), some, CANDIDATES, np.arange(5))
    for name, found in nats.items():
        assert np.exp(-found).sum() == pytest.approx(1), name
    assert np.ptp(nats["uniform"]) == 0
    np.testing.assert_allclose(rows.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(rows[0][np.searchsorted(CANDIDATES, some.item)], np.exp(-nats["generator"]), rtol=1e-5)


def of_history(history: list[int], given: int) -> dict[int, float]:
    some = asked(history, given)
    return dict(zip(some.item.tolist(), np.exp(-footing.of_law(law(), some, CANDIDATES, np.arange(1))[0]), strict=True))


def test_the_law_reads_what_the_document_holds_and_offers_nothing_of_the_whole_history() -> None:
    short = of_history([3, 8, 5, 9], 2)
    assert not {3, 8, 5, 9} & set(short)
    assert short == pytest.approx(of_history([8, 3, 5, 9], 2))  # what isn't read may stand in any order
    whole = of_history([3, 8, 5, 9], 4)
    assert max(abs(whole[i] - short[i]) for i in whole) > 1e-3
    assert whole == pytest.approx(of_history([3, 8, 5, 9], 9))


def test_priors_are_renormalised_over_what_is_offered() -> None:
    some = asked([3, 8, 5, 9], 2)
    visited = np.searchsorted(CANDIDATES, [3, 8, 5, 9]).astype(np.int32)
    one = np.zeros(1, np.int64)
    made = NextItems(
        CANDIDATES[:, None], one, one, one, visited, one, one + 4, one, one, prior=footing.prior_of(law(), CANDIDATES)
    )
    (row,) = made.prior_rows(one)
    worth = SPLIT.train.popularity[CANDIDATES].astype(float)
    worth[visited] = 0
    uniform = (worth > 0) / (worth > 0).sum()
    np.testing.assert_allclose(row, 2 / 3 * worth / worth.sum() + 1 / 3 * uniform)
    assert footing.prior_own(made) == pytest.approx(row[0])
    assert len(some) == len(CANDIDATES) - 4


def test_positions_are_where_codes_begin_whatever_is_around_them() -> None:
    codes = np.array([[10, 20], [11, 21], [12, 20]])
    assert positions(np.array([1, 10, 20, 2, 5, 12, 20, 11, 21, 0]), codes).tolist() == [1, 5, 7]
