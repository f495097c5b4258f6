"""Walks as training histories: fresh for ever, a function of the update, of the length asked for."""

import dataclasses

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import policy_of
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking.synthetic import WalkHistories, tables_for

TRAIN = tiny_split().train
GRAPH = build_graph(TRAIN, GraphConfig(min_users=1))


def test_walks_follow_edges_and_never_come_again() -> None:
    source = WalkHistories(tables_for(GRAPH, TRAIN, GeneratorConfig(), 12, "uniform"), positions=240, seed=1)
    edges = set(zip(GRAPH.source.tolist(), GRAPH.indices.tolist(), strict=True))
    batches = [source.batch(u) for u in range(6)]
    for items, lengths in batches:
        assert items.shape == (20, 13)
        for row, n in zip(items, lengths, strict=True):
            assert set(zip(row[: n - 1].tolist(), row[1:n].tolist(), strict=True)) <= edges
    walks = [tuple(row) for items, _ in batches for row in items.tolist()]
    assert len(set(walks)) == len(walks)
    assert np.array_equal(source.batch(3)[0], batches[3][0])


def test_start_follows_popularity_or_not() -> None:
    shares = {}
    for start in ("popularity", "uniform"):
        source = WalkHistories(tables_for(GRAPH, TRAIN, GeneratorConfig(), 1, start), positions=20_000, seed=0)
        items, _ = source.batch(0)
        shares[start] = np.bincount(items[:, 0], minlength=TRAIN.n_items) / len(items)
    top = int(TRAIN.popularity.argmax())
    linked = GRAPH.degree > 0
    expected = TRAIN.popularity[top] / TRAIN.popularity[linked].sum()
    # five standard deviations of a share of 20,000 walks
    assert abs(shares["popularity"][top] - expected) < 5 * np.sqrt(expected / 20_000)
    assert np.abs(shares["uniform"][linked] - 1 / linked.sum()).max() < 5 * np.sqrt(1 / linked.sum() / 20_000)


@pytest.mark.parametrize("policy", ["first-order", "node2vec", "history"])
def test_ranking_walks_are_those_of_the_study(policy: str) -> None:
    """What sasrec trains on is drawn by the study's policy, p, q, decay and rule on repeats."""
    histories = GeneratorConfig(policy=policy, p=0.1, q=3.0, decay=0.9, repeats=False)
    tables = tables_for(GRAPH, TRAIN, histories, 9, "uniform")
    assert tables.policy.tolist() == policy_of(dataclasses.replace(histories, length=10)).tolist()
    items, lengths = WalkHistories(tables, positions=500, seed=1).batch(0)
    assert all(len(set(row[:n].tolist())) == n for row, n in zip(items, lengths, strict=True))
