"""Counting models of drawn histories, against every probability written out."""

from collections.abc import Callable

import numpy as np
import pytest

from preceptor.curriculum import evalsets, walk_references
from preceptor.curriculum.stream import EvalSet
from preceptor.curriculum.walk_items import with_next_items
from preceptor.generator.histories import Sampler
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.mixture_tables import mixture_tables
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.graph import from_edges

N = 12
MEMBERS = np.arange(N) != 5
LENGTHS = np.array([0.0, 0.0, 0.2, 0.3, 0.5])
CODES = 20 + np.arange(N, dtype=np.int32)[:, None]
PARTS = {
    "item_tokens": CODES,
    "prefix": np.array([1], np.int32),
    "separator": np.zeros(0, np.int32),
    "suffix": np.array([0], np.int32),
}
RING = from_edges(N, np.arange(N), (np.arange(N) + 1) % N, np.ones(N)).induced(MEMBERS)


def without_repeats() -> Sampler:
    law = Mixture((RING,), ("ring",), (Part(0, Memory(0.5, 8), 0.7),), (Prior(1.0, 0.3),), np.arange(N) * 3, MEMBERS, False)
    return mixture_tables(law, MEMBERS * 1.0, LENGTHS, 0.3)


def made(tables: Sampler, counted: walk_references.Counted | None) -> EvalSet:
    return with_next_items(evalsets.walks("uih-in-graph", tables, PARTS, 40, 0, "floor"), tables, CODES, 0, counted)


def with_repeats() -> Sampler:
    return walk_tables(RING, np.ones(N), LENGTHS)


@pytest.mark.parametrize("tables_of", [without_repeats, with_repeats])
def test_references_are_those_of_every_probability_written_out(tables_of: Callable[[], Sampler]) -> None:
    tables = tables_of()
    counted = walk_references.count(tables, N, 0, least=300)
    found = made(tables, counted)
    asked = found.next_items
    assert asked is not None
    members = asked.codes[:, 0] - 20
    fitted = counted.items
    for q in range(len(asked)):
        begun = np.searchsorted(asked.document, asked.document[q])
        history = members[asked.target[begun:q]]
        before = history[-1:] if len(history) else np.array([-1])
        rows = {
            "uniform": np.ones(N),
            "unigram": np.exp(fitted.log_unigram),
            "bigram": fitted.bigram_rows(before)[0],
        }
        shut = np.zeros(N, bool)
        shut[members[asked.visited[asked.start[q] : asked.end[q]]]] = True
        for name, p in rows.items():
            offered = p[members][~shut[members]].sum()
            assert asked.nats[name][q] == pytest.approx(np.log(offered) - np.log(p[members[asked.target[q]]])), (name, q)


def test_what_learnt_the_order_is_below_what_did_not() -> None:
    tables = without_repeats()
    nats = made(tables, walk_references.count(tables, N, 0, least=20_000)).next_items.nats
    means = {name: values.mean() for name, values in nats.items()}
    assert means["generator"] < means["bigram"] < means["unigram"] < means["uniform"]


def test_items_and_ends_together_are_what_the_floor_counts() -> None:
    """The law's own nats and what a law of lengths pays are the floor: the unigram and the ends are on its footing."""
    tables = without_repeats()
    found = made(tables, walk_references.count(tables, N, 0))
    law = found.next_items.nats["generator"].mean()
    assert law + found.meta["ends"] == pytest.approx(found.meta["references"]["floor"], abs=2e-4)
    assert found.meta["ends"] > 0.2


def test_references_are_counted_apart_from_what_they_judge() -> None:
    tables = without_repeats()
    one, two = (walk_references.count(tables, N, seed, least=300).items.log_unigram for seed in (0, 1))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(one, walk_references.count(tables, N, 0, least=300).items.log_unigram)


def test_nothing_is_counted_where_items_share_codes() -> None:
    found = made(without_repeats(), None)
    assert set(found.next_items.nats) == {"generator"}
    assert "ends" not in found.meta
