"""Real from real is chance, nonsense is told, and lengths tell nothing."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from audit.test_privacy import split_of
from fixtures import tiny_split
from preceptor.audit.config import ToldConfig
from preceptor.audit.told import MEMBERS, REFERENCE, STUDY, WALKS, WHOLE, report
from preceptor.audit.told_classifier import Shown, cross_fitted, folds
from preceptor.audit.told_features import FEATURES, Known, places, plain
from preceptor.audit.told_rounds import _synthetic
from preceptor.core.statistics import auc
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.mixture import Memory, Mixture, Part, Prior
from preceptor.generator.sampler import build_tables
from preceptor.graph.config import GraphConfig
from preceptor.graph.item_graph import build_graph

SMALL = ToldConfig(items=6, rounds=1, epochs=6, folds=2, bootstraps=40)
ITEMS = 40


def taste(users: int, seed: int = 0) -> TrainSplit:
    """Each user walks round one of four rings of ten items, mostly a step at a time."""
    draws = np.random.default_rng(seed)
    histories = []
    for _ in range(users):
        ring, at = draws.integers(4), draws.integers(10)
        steps = draws.choice([1, 2], p=[0.8, 0.2], size=draws.integers(4, 9))
        histories.append((ring * 10 + (at + np.cumsum(steps)) % 10).tolist())
    return split_of(histories, ITEMS)


def area(found: dict[str, Any], name: str) -> float:
    return float(next(row["auc"] for row in found["classes"] if row["name"] == name))


def uniform(part: TrainSplit) -> Mixture:
    """A law that draws any item: nonsense beside rings."""
    graph = build_graph(part, GraphConfig(min_users=1))
    return Mixture(
        (graph,),
        ("graph",),
        (Part(0, Memory(0.0, 1), 0.01),),
        (Prior(0.0, 0.99),),
        part.popularity,
        part.popularity > 0,
        True,
    )


def test_real_from_real_is_chance_and_nonsense_is_told() -> None:
    found = report(taste(320), GraphConfig(), GeneratorConfig(), uniform, SMALL, 0)
    assert found["left_out"] is None
    assert [row["name"] for row in found["classes"]] == [REFERENCE, MEMBERS, STUDY, WHOLE, WALKS]
    assert abs(area(found, REFERENCE) - 0.5) < 0.16  # 5 standard errors of 80 against 80
    assert area(found, WHOLE) > 0.9
    whole = next(row for row in found["classes"] if row["name"] == WHOLE)
    assert whole["over"] == pytest.approx(area(found, WHOLE) - area(found, REFERENCE))
    assert whole["over_interval"][0] > found["margin"]
    assert whole["by"]["feature"] in FEATURES
    assert abs(whole["by"]["auc"] - 0.5) > 0.3


def test_equal_seeds_equal_figures() -> None:
    train, config = taste(96), dataclasses.replace(SMALL, epochs=1)
    first, second = (report(train, GraphConfig(), GeneratorConfig(), lambda _: None, config, 3) for _ in range(2))
    assert first == second
    assert [row["name"] for row in first["classes"]] == [REFERENCE, MEMBERS, WALKS]


def test_few_users_are_left_out() -> None:
    found = report(
        tiny_split().train, GraphConfig(), GeneratorConfig(), lambda _: None, dataclasses.replace(SMALL, folds=20), 0
    )
    assert "Too few users" in found["left_out"]
    assert found["classes"] == []


def test_synthetic_histories_have_the_lengths_of_real_ones() -> None:
    train = taste(60)
    tables = build_tables(build_graph(train, GraphConfig()), train, GeneratorConfig(law="paper", length=6, lengths="fixed"))
    wanted = np.array([3, 6, 4, 6, 5])
    made, _ = _synthetic(tables, wanted, np.arange(5), 0, "t")
    np.testing.assert_array_equal((made.items >= 0).sum(axis=1), wanted)


def test_features_by_hand() -> None:
    known = Known(
        popularity=np.array([1.0, 2.0, 3.0]),
        vectors=np.array([[1, 0], [1, 0], [0, 1]], np.float32),
        time=np.array([0.0, 0.5, 1.0]),
        edges=np.array([0 * 3 + 1]),
        categories=None,
        law=None,
    )
    items, lengths = np.array([[0, 1, 2, 1], [2, 0, -1, -1]]), np.array([4, 2])
    row = dict(zip(FEATURES, plain(items, lengths, known).T, strict=True))
    np.testing.assert_allclose(row["popularity"], [2.0, 2.0])
    np.testing.assert_allclose(row["popularity trend"], [1.0, -2.0])
    np.testing.assert_allclose(row["repeats"], [0.25, 0.0])
    np.testing.assert_allclose(row["edges"], [1 / 3, 0.0])
    np.testing.assert_allclose(row["similarity, lag 1"], [1 / 3, 0.0])
    np.testing.assert_allclose(row["similarity, lag 2"], [0.5, 0.0])
    np.testing.assert_allclose(row["time trend"], [0.5, -1.0])
    assert (places(items, lengths, known)[1, 2:] == 0).all()


def test_the_classifier_reads_the_order_of_places() -> None:
    """Histories that differ in their order alone, which no mean over places shows."""
    draws = np.random.default_rng(0)

    def shown(rising: bool) -> Shown:
        x = np.sort(draws.standard_normal((60, 6, 1)), axis=1).astype(np.float32)
        return Shown(np.zeros((60, 1)), x if rising else x[:, ::-1].copy(), np.full(60, 6))

    part = folds(60, 2, 0, "t")
    score = cross_fitted(shown(True), shown(False), part, part, 15, 0)
    assert auc(score, np.repeat([False, True], 60))[0] > 0.95
