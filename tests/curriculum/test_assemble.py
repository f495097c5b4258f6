"""Blocks of histories are exactly the documents of their walks, one after the other, whatever the tokens' layout."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key
from preceptor.curriculum.assemble import token_table
from preceptor.curriculum.histories import WALKS_A_BLOCK, HistorySource
from preceptor.generator import policies
from preceptor.generator.walk_tables import WalkTables, walk_tables
from preceptor.generator.walks import walk
from preceptor.graph.graph import from_edges

ITEMS = 40


def sampler(length: int | list[float], policy: np.ndarray | None = None) -> WalkTables:
    """A small random graph in which some items are dead ends."""
    rng = np.random.default_rng(0)
    source = np.repeat(np.arange(ITEMS), 4)
    target = (source + rng.integers(1, ITEMS, len(source))) % ITEMS
    kept = source % 7 != 0
    graph = from_edges(ITEMS, source[kept], target[kept], rng.random(int(kept.sum())) + 0.1)
    return walk_tables(graph, np.ones(ITEMS), length if isinstance(length, int) else np.array(length), policy)


def parts(width: int, separator: int, prefix: int, suffix: int, largest: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shapes = {"item_tokens": (ITEMS, width), "prefix": (prefix,), "separator": (separator,), "suffix": (suffix,)}
    found = {name: rng.integers(0, largest, shape) for name, shape in shapes.items()}
    found["item_tokens"][0, 0] = largest  # so that the table has just the width it needs
    return found


def by_hand(tables: WalkTables, parts: dict[str, np.ndarray], j: int, size: int) -> np.ndarray:
    """Block j by plain concatenation of one walk after the other."""
    tokens: list[int] = []
    row, number = np.empty(tables.longest, np.int32), j * WALKS_A_BLOCK
    while len(tokens) < size:
        n = walk(tables, purpose_key(5, "stream/uih"), np.uint64(number), row)
        tokens += [*parts["prefix"]]
        for t, item in enumerate(row[:n]):
            tokens += [*(parts["separator"] if t else []), *parts["item_tokens"][item]]
        tokens += [*parts["suffix"]]
        number += 1
    return np.array(tokens[:size])


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 40),
    separator=st.integers(0, 10),
    prefix=st.integers(0, 35),
    suffix=st.integers(1, 20),
    largest=st.sampled_from([1, 65_535, 65_536, 2**31 - 1]),
    size=st.integers(1, 3_000),
    block=st.integers(0, 2**30),
    length=st.sampled_from([1, 8, [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 9.0, *[0.0] * 16, 1.0]]),
)
def test_a_block_is_its_walks_documents(
    width: int, separator: int, prefix: int, suffix: int, largest: int, size: int, block: int, length: int | list[float]
) -> None:
    tables, given_parts = sampler(length), parts(width, separator, prefix, suffix, largest)
    made = HistorySource(5, tables, given_parts, size).block(block)
    assert made.dtype == np.int32
    assert np.array_equal(made, by_hand(tables, given_parts, block, size))


@pytest.mark.parametrize(
    "policy", [policies.first_order(repeats=False), policies.node2vec(0.5, 2.0), policies.history(0.7, 8)], ids=str
)
def test_every_policy_is_written(policy: np.ndarray) -> None:
    tables, given_parts = sampler(8, policy), parts(6, 1, 19, 1, 1000)
    assert np.array_equal(HistorySource(5, tables, given_parts, 2000).block(3), by_hand(tables, given_parts, 3, 2000))


@pytest.mark.parametrize(("largest", "dtype"), [(65_535, np.uint16), (65_536, np.uint32)])
@pytest.mark.parametrize("width", [2, 7, 8, 9, 17, 33])
def test_rows_begin_at_lines_or_divide_them(width: int, largest: int, dtype: type) -> None:
    table, layout = token_table(*parts(width - 1, 1, 19, 1, largest).values())
    assert table.dtype == dtype
    row_bytes = int(layout[0]) * table.itemsize
    assert int(layout[0]) >= width
    assert table.ctypes.data % 64 == 0
    assert 64 % row_bytes == 0 or row_bytes > 64


def test_blocks_that_would_share_walks_are_refused() -> None:
    with pytest.raises(PreceptorError, match="too long"):
        HistorySource(5, sampler(8), parts(6, 1, 19, 1, 1000), WALKS_A_BLOCK + 1)


def test_blocks_stay_what_they_were() -> None:
    """Digest made by the code before vectors came (curriculum VERSION 2), which copied token by token."""
    source = HistorySource(5, sampler(8), parts(6, 1, 19, 1, 1000), 4096)
    digest = hashlib.sha256(b"".join(source.block(j).astype("<i4").tobytes() for j in (0, 1, 2**20)))
    assert digest.hexdigest()[:16] == "58aa430a7b13f4ef"
