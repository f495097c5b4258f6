"""The items of drawn histories: each is asked for among what the sampler can draw, the law's own nats beside it."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.curriculum import evalsets, walk_items
from preceptor.curriculum.stream import EvalSet
from preceptor.curriculum.walk_items import offered, with_next_items
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.mixture_tables import MixtureTables, mixture_tables
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.graph.graph import from_edges

N, LENGTH = 12, 4
MEMBERS = np.arange(N) != 5
CODES = np.stack([20 + np.arange(N) // 4, 30 + np.arange(N) % 4], 1).astype(np.int32)
PARTS = {
    "item_tokens": np.pad(CODES, ((0, 0), (1, 1)), constant_values=9),
    "prefix": np.array([1, 2], np.int32),
    "separator": np.array([3], np.int32),
    "suffix": np.array([0], np.int32),
}
RING = from_edges(N, np.arange(N), (np.arange(N) + 1) % N, np.ones(N)).induced(MEMBERS)


def mixture() -> MixtureTables:
    law = Mixture((RING,), ("ring",), (Part(0, Memory(0.5, 8), 0.7),), (Prior(0.0, 0.3),), MEMBERS * 3, MEMBERS, False)
    return mixture_tables(law, MEMBERS * 1.0, np.eye(LENGTH + 1)[LENGTH], 0.3)


def made(tables: MixtureTables | WalkTables) -> EvalSet:
    return with_next_items(evalsets.walks("uih-in-graph", tables, PARTS, 20, 0, "floor"), tables, CODES, 0)


def test_the_items_asked_for_are_those_of_the_histories(tmp_path: Path) -> None:
    found = made(mixture())
    found.save(tmp_path)
    asked = EvalSet.load(tmp_path).next_items
    assert len(asked) == found.units.sum() == 20 * LENGTH
    tokens = found.tokens[asked.position[:, None] + np.arange(2)]
    np.testing.assert_array_equal(tokens, asked.codes[asked.target])
    np.testing.assert_array_equal(asked.codes, CODES[MEMBERS])
    np.testing.assert_array_equal(asked.end - asked.start, np.tile(np.arange(LENGTH), 20))  # all before it are visited
    assert all(asked.target[q] not in asked.visited[asked.start[q] : asked.end[q]] for q in range(len(asked)))
    assert sorted(asked.sample) == list(range(len(asked)))


def test_the_laws_own_nats_are_those_of_the_whole_history() -> None:
    found = made(mixture())
    asked = found.next_items
    by_document = np.bincount(asked.document, weights=asked.nats["generator"])
    np.testing.assert_allclose(by_document, found.doc_reference, rtol=1e-6)  # all histories are of one length


def test_walks_that_repeat_offer_everything() -> None:
    tables = walk_tables(RING, np.ones(N), LENGTH)
    asked = made(tables).next_items
    assert not len(asked.closed(np.arange(len(asked)))[0])
    assert dict(asked.nats) == {}
    assert offered(tables).sum() == pytest.approx(len(asked.codes))


@pytest.mark.parametrize("edges", [1, 5, 1 << 24])
def test_what_is_offered_does_not_depend_on_how_many_edges_are_looked_at_at_once(
    edges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk_items, "_EDGES", edges)
    only = np.arange(N) == 0
    np.testing.assert_array_equal(offered(walk_tables(RING, only * 1.0, LENGTH)), np.isin(np.arange(N), [0, *RING.indices]))
    np.testing.assert_array_equal(offered(mixture()), MEMBERS)
