"""What single scaling studies ask, on rows that were planted."""

import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from preceptor.generator.histories import sample, save
from preceptor.generator.walk_tables import walk_tables
from preceptor.graph.graph import from_edges

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    import scaling_edges
    import scaling_special
finally:
    sys.path.remove(str(BENCHMARKS))


def line(**more: object) -> dict[str, str]:
    walks = {"set": "uih-in-graph", "floor": 5.0, "unigram": 6.9, "ends": 0.1, "seed": 0, "arm": "", "role": "fitted"}
    return {name: str(value) for name, value in (walks | more).items()}


def test_the_share_left_is_between_the_unigram_with_ends_and_the_floor() -> None:
    assert scaling_special.share_left(line(loss=5.5)) == pytest.approx(0.25)


def test_a_planted_collapse_is_found_over_edges_and_not_over_items() -> None:
    lines = []
    for n, (items, edges) in enumerate(((300, 9000), (1000, 11_000), (3000, 40_000), (30_000, 90_000))):
        for tokens in (100_000, 200_000, 400_000, 800_000):
            left = math.exp(-0.2 - 0.3 * math.log(tokens / edges) - 0.02 * math.log(tokens / edges) ** 2)
            role = "held out" if items > 3000 else "fitted"
            cell = {"law": "first-order", "cell": f"c{n}", "items": items, "effective_edges": edges, "tokens": tokens}
            lines.append(line(loss=5 + 2 * left, role=role, **cell))
    found = scaling_special.collapse(lines)
    errors = {x: max(abs(row["error"]) for row in found if row["x"] == x) for x in ("per effective edge", "per item", "tokens")}
    assert errors["per effective edge"] < 1e-6
    assert errors["per item"] > 0.1
    assert errors["tokens"] > 0.1
    assert len(found) == 3 * 4


def test_a_planted_worth_of_repeats_is_found() -> None:
    r, unique = 7.0, 32_768

    def excess(tokens: float) -> float:
        return 100.0 * tokens**-0.4

    lines = [line(arm="endless", tokens=unique << k, excess=excess(unique << k), unique_uih=unique << k) for k in range(9)]
    for k in range(7):
        worth = unique * (1 + r * (1 - math.exp(-(2**k - 1) / r)))
        lines.append(line(arm="few", tokens=unique << k, excess=excess(worth), unique_uih=unique))
    found = scaling_special.repetition(lines)
    assert [row["epochs"] for row in found] == [2**k for k in range(7)]
    assert found[0]["r_star"] == pytest.approx(r, rel=0.02)
    assert found[0]["miss"] < 1e-3
    assert found[0]["miss_as_fresh"] > 0.1
    assert all(row["excess"] >= row["excess_endless"] - 1e-9 for row in found)


def test_layers_are_compared_at_their_own_tokens() -> None:
    lines = []
    for arm, tokens, own in (("pairs", 1000, 1000), ("histories and pairs", 2000, 1000)):
        for seed in range(2):
            for name, nats in (("cf-both-seen", 5.0), ("cf-permuted", 5.0 + 0.5 * (seed + 1))):
                lines.append(line(arm=arm, tokens=tokens, set=name, own_cf=own, b_given_a=nats, seed=seed, loss=2.0))
    found = scaling_special.layers(lines)
    assert [(row["arm"], row["own_tokens"], row["told"]) for row in found] == [
        ("histories and pairs", 1000, 0.75),
        ("pairs", 1000, 0.75),
    ]


def test_effective_edges_are_those_of_the_pairs_that_walks_draw(tmp_path: Path) -> None:
    gen = np.random.default_rng(0)
    source, target = np.nonzero((gen.random((12, 12)) < 0.4) & ~np.eye(12, dtype=bool))
    graph = from_edges(12, source, target, gen.random(len(source)) + 0.1)
    tables = walk_tables(graph, gen.random(12) + 0.1, np.array([0, 0, 1, 2, 3.0]))
    save(tables, tmp_path)
    items, lengths = sample(tables, 0, "test", 0, 200_000)
    pairs = [12 * row[a] + row[b] for row, n in zip(items, lengths, strict=True) for a, b in pairwise(range(n))]
    p = np.bincount(pairs) / len(pairs)
    drawn = math.exp(-(p[p > 0] * np.log(p[p > 0])).sum())
    assert scaling_edges.of_walks(tmp_path) == pytest.approx(drawn, rel=0.01)
