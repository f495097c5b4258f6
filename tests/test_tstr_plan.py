"""What the studies of benchmarks/tstr_plan.py train, at which levels, how far, and what that is said to cost."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

import tstr_plan
from tstr_arms import PRIMARY, REAL, SIGNAL, WALKS
from tstr_plan import Task

from test_tstr_study import commit, finish, plan, prepared


def runs_of(tasks: list[Task]) -> list[tuple[str, int]]:
    return [(t.cell.arm, t.cell.seed) for t in tasks if t.cell and not t.cell.trial]


def test_the_primary_arm_is_not_trained_on_cut_histories() -> None:
    """What synthetic data is worth is asked along the users' axis alone."""
    study = tstr_plan.STUDIES["sparsity"]
    assert study.arms_at("amazon-games", "users-600") == (REAL, WALKS, SIGNAL, PRIMARY)
    assert study.arms_at("amazon-games", "last-2") == (REAL, WALKS, SIGNAL)


def test_other_seeds_cost_the_one_budget_that_they_train(tmp_path: Path) -> None:
    given = plan(tmp_path, "finalists")
    prepared(given)
    while tasks := [t for t in given.ready() if t.cell and t.cell.seed == 0]:
        for task in tasks:
            commit(given, task)
    left = given.missing("tiny")
    assert left is not None
    arms = given.study.arms_of("tiny")
    assert left.cells == 2 * len(arms)
    pace = 1 / 40  # of the trials that `commit` writes
    assert left.minutes == pytest.approx(2 * len(arms) * 80 * pace / 60)
    finish(given)
    assert given.missing("tiny") is None
