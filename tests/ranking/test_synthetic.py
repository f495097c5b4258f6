"""Walks as training histories: fresh for ever, a function of the update, of the length asked for."""

import dataclasses

import numpy as np
import pytest

from fixtures import tiny_split
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.sampler import policy_of
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph
from preceptor.ranking.synthetic import WalkHistories, tables_for, teacher
from preceptor.ranking.teach import Lesson
from ranking.laws import law_and_split

TRAIN = tiny_split().train
GRAPH = build_graph(TRAIN, GraphConfig(min_users=1))


def test_walks_follow_edges_and_never_come_again() -> None:
    source = WalkHistories(tables_for(GRAPH, TRAIN, GeneratorConfig(start="uniform"), 12), positions=240, seed=1)
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
        source = WalkHistories(tables_for(GRAPH, TRAIN, GeneratorConfig(start=start), 1), positions=20_000, seed=0)  # type: ignore[arg-type]
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
    histories = GeneratorConfig(policy=policy, p=0.1, q=3.0, decay=0.9, repeats=False, start="uniform")
    tables = tables_for(GRAPH, TRAIN, histories, 9)
    assert tables.policy.tolist() == policy_of(dataclasses.replace(histories, length=10)).tolist()
    items, lengths = WalkHistories(tables, positions=500, seed=1).batch(0)
    assert all(len(set(row[:n].tolist())) == n for row, n in zip(items, lengths, strict=True))


def counted(lessons: list[Lesson]) -> float:
    return float(np.mean([np.maximum(lesson.lengths - 1, 0).sum() for lesson in lessons]))


def test_every_arm_is_taught_as_many_next_items() -> None:
    law, split = law_and_split()
    for drawn_from in (law, GRAPH):
        for arm in ("synthetic", "real+synthetic"):
            source = teacher(arm, split.train, drawn_from, GeneratorConfig(), 8, 400, 0)
            assert counted([source.lesson(u) for u in range(32)]) == pytest.approx(400, rel=0.3)  # some histories end early


def test_half_of_a_mixed_lesson_is_real() -> None:
    law, split = law_and_split()
    both = teacher("real+synthetic", split.train, law, GeneratorConfig(), 8, 400, 0).lesson(0)
    real = teacher("real", split.train, None, GeneratorConfig(), 8, 200, 0).lesson(0)
    assert np.array_equal(both.items[: len(real.items), : real.items.shape[1]], real.items)
    assert len(both.items) > len(real.items)
    with pytest.raises(ValueError, match="a graph or a law"):
        teacher("synthetic", split.train, None, GeneratorConfig(), 8, 400, 0)
