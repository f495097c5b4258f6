"""The measures of likeness by hand, and that they tell a copy, a fair sample and nonsense apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.test_privacy import split_of
from audit.test_told import SMALL, taste, uniform
from preceptor.audit import likeness
from preceptor.audit.told_rounds import MEMBERS, REFERENCE, STUDY, WALKS, Histories, Law, Round, parted
from preceptor.data.log import TrainSplit
from preceptor.generator.config import GeneratorConfig
from preceptor.graph.config import GraphConfig

ITEMS = 40


def histories(*rows: list[int]) -> Histories:
    longest = max(map(len, rows))
    items = np.array([row + [-1] * (longest - len(row)) for row in rows], np.int32)
    return Histories(items, np.array(list(map(len, rows))), np.arange(len(rows)))


def measured(law: Law = uniform, train: TrainSplit | None = None) -> tuple[dict, list[Round]]:
    train = train or taste(320)
    made = parted(train, GraphConfig(), GeneratorConfig(), law, SMALL, 0)
    return likeness.report(train, made, 60, 0), made


@pytest.fixture(scope="module")
def nonsense() -> dict:
    return measured()[0]


def value(found: dict, measure: str, name: str) -> float:
    return float(next(r["value"] for r in (*found["compared"], *found["own"]) if (r["measure"], r["name"]) == (measure, name)))


def test_total_variation_and_lengths_by_hand() -> None:
    assert likeness.tv_complement(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 3])) == pytest.approx(0.5)
    assert likeness.length_similarity(np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6])) == pytest.approx(0.5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_complements_lie_between_0_and_1_and_are_1_of_equals(a: list[int], b: list[int]) -> None:
    for measure in (likeness.tv_complement, likeness.length_similarity):
        assert measure(np.array(a), np.array(a)) == pytest.approx(1)
        assert -1e-9 <= measure(np.array(a), np.array(b)) <= 1 + 1e-9
        assert measure(np.array(a), np.array(b)) == pytest.approx(measure(np.array(b), np.array(a)))


def test_distinct_runs_and_near_duplicates_by_hand() -> None:
    h = histories([0, 1, 2], [0, 1, 3], [0, 1, 2, 4])
    assert likeness.distinct(h, 1, 5) == pytest.approx(5 / 10)
    assert likeness.distinct(h, 2, 5) == pytest.approx(4 / 7)  # 01, 12, 13, 24
    assert likeness.distinct(h, 3, 5) == pytest.approx(3 / 4)  # 012, 013, 124
    assert likeness.near_duplicates(h, 5) == pytest.approx(2 / 3)  # {0,1,2} and {0,1,2,4}: 3/4


def test_the_distance_is_the_share_of_items_that_a_user_never_met() -> None:
    train = split_of([[0, 1], [2, 3, 4], [0, 2]], 5)
    asked = histories([0, 1, 2], [3, 4, 2])
    found = likeness.distances(asked, np.array([0, 2, 1]), train)
    np.testing.assert_allclose(found, [[1 / 3, 1 / 3, 2 / 3], [1, 2 / 3, 0]])


def test_nonsense_is_less_alike_than_real_to_real(nonsense: dict) -> None:
    lo, hi = nonsense["range"][likeness.BIGRAMS]
    assert lo <= hi
    assert lo - 0.1 < value(nonsense, likeness.BIGRAMS, REFERENCE) < hi + 0.1
    assert value(nonsense, likeness.BIGRAMS, STUDY) < lo - 0.1
    assert value(nonsense, likeness.BIGRAMS, STUDY) < value(nonsense, likeness.BIGRAMS, WALKS)


def test_every_class_is_beside_real_against_real(nonsense: dict) -> None:
    for measure in (likeness.ITEMS, likeness.BIGRAMS):
        assert {r["name"] for r in nonsense["compared"] if r["measure"] == measure} >= {REFERENCE, MEMBERS, STUDY, WALKS}
    for measure in (likeness.LENGTHS, likeness.LENGTHS_CUT):
        assert {r["name"] for r in nonsense["compared"] if r["measure"] == measure} == {REFERENCE, STUDY}
    assert {r["name"] for r in nonsense["own"]} >= {"", REFERENCE, STUDY}
    real = next(r for r in nonsense["nearest"] if r["name"] == "")
    assert real["interval"][0] <= 0.5 <= real["interval"][1]


def test_copies_of_training_histories_are_nearer_to_training_users() -> None:
    """A class that repeats what graph users did stands out, where real histories of absent users don't."""
    train = taste(320)
    _, (made,) = measured(train=train)
    made.classes[STUDY] = made.classes[MEMBERS]
    found = likeness.report(train, [made], 60, 0)
    copied = next(r for r in found["nearest"] if r["name"] == STUDY)
    assert copied["training"] == 0
    assert copied["interval"][0] > 0.5


def test_equal_seeds_equal_likeness(nonsense: dict) -> None:
    assert measured()[0] == nonsense
