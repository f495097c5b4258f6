"""What the studies of benchmarks/tstr/plan.py train, at which levels, how far, and what that is said to cost."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tstr import arms as tstr_arms
from benchmarks.tstr import plan as tstr_plan
from benchmarks.tstr.arms import ARMS, PRIMARY, REAL, SIGNAL, WALKS, Setting
from benchmarks.tstr.plan import Plan, Task
from benchmarks.tstr.tables import BudgetRow, TrialRow, read, replace
from benchmarks.tstr.train import Cell, epochs_per_update, schedule_of, verdict_of
from benchmarks.tstr.work import TRIAL_KEY, put_runs
from preceptor.data.rows import TrainRows
from preceptor.ranking import converge
from tstr_plans import commit, finish, plan, prepared


def runs_of(tasks: list[Task]) -> list[tuple[str, int]]:
    return [(t.cell.arm, t.cell.seed) for t in tasks if t.cell and not t.cell.trial]


def test_the_primary_arm_is_not_trained_on_cut_histories() -> None:
    """What synthetic data is worth is asked along the users' axis alone."""
    study = tstr_plan.STUDIES["sparsity"]
    assert study.arms_at("amazon-games", "users-600") == (REAL, WALKS, SIGNAL, PRIMARY)
    assert study.arms_at("amazon-games", "last-2") == (REAL, WALKS, SIGNAL)


def test_a_study_can_be_cut_down_to_some_levels() -> None:
    """Cells of other levels are not missing then, so that these can be judged."""
    study = dataclasses.replace(tstr_plan.STUDIES["sparsity"], only=("users-600", "users-140"))
    assert study.levels_of("amazon-games") == ("users-600",)
    assert study.levels_of("market") == ("users-140",)


def test_a_level_s_cost_is_told_by_its_own_runs(tmp_path: Path) -> None:
    """A thin level has a smaller catalogue than the one whose trials are known."""
    given = plan(tmp_path)
    rows = [
        BudgetRow("tiny", "users-20", REAL, 0, "s", 40, True, "converged", 1.0, 0.1, 0.0, 0.1, 1.0, 0.1, 0.1, 2.0, 100, 5.0)
    ]
    replace(given.out, BudgetRow, rows, "set", "level", "arm", "seed")
    cell = Cell("tiny", "users-20", REAL, 1, "s", budget=60)
    assert tstr_plan.minutes_of(cell, given) == pytest.approx(60 * 5.0 / 100 / 60)


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
    pace = 1 / 100  # of the runs that `commit` writes
    assert left.minutes == pytest.approx(2 * len(arms) * 80 * pace / 60)
    finish(given)
    assert given.missing("tiny") is None


FIRST = 40  # of the set tiny


def trials_of(tasks: list[Task], arm: str) -> list[tuple[str, int]]:
    return [(t.cell.setting, t.cell.budget) for t in tasks if t.cell and t.cell.trial and t.cell.arm == arm]


def run(arm: str, setting: str, verdict: str, seed: int = 0, nats: dict[int, float] | None = None) -> list[BudgetRow]:
    """Rows of a run on these budgets, the one with the fewest nats chosen."""
    nats = nats or {FIRST: 1.0}
    best = min(nats, key=lambda b: nats[b])
    return [
        BudgetRow("tiny", "whole", arm, seed, setting, b, b == best, verdict, n, 0.1, 0.0, 0.1, 1.0, 0.1, 0.1, 2.0, 100, 1.0)
        for b, n in nats.items()
    ]


def done(tmp_path: Path, study: str = "screen") -> Plan:
    given = plan(tmp_path, study)
    prepared(given)
    finish(given)
    assert not given.ready()
    return given


def test_the_setting_that_is_best_after_twice_the_updates_is_frozen(tmp_path: Path) -> None:
    """Short trials prefer little dropout: the best of each dropout is looked at again, and the others take width and decay."""
    given = plan(tmp_path)
    prepared(given)
    few, much = given.ready()
    commit(given, few, 2.0)
    commit(given, much, 3.0)
    assert given.setting("tiny", REAL) is None
    again = given.ready()
    assert [(t.cell.setting, t.cell.budget) for t in again if t.cell] == [
        (t.cell.setting, 2 * FIRST) for t in (few, much) if t.cell
    ]
    commit(given, again[0], 1.9)
    commit(given, again[1], 1.8)
    best = Setting.read(much.cell.setting)  # type: ignore[union-attr]
    assert given.setting("tiny", REAL) == best
    tried = [Setting.read(text) for text, _ in trials_of(given.ready(), SIGNAL)]
    assert [(s.decay, s.width) for s in tried] == [(best.decay, best.width)] * 2
    assert [s.dropout for s in tried] == list(tstr_arms.FRESH_DROPOUTS)


def test_every_arm_has_its_best_of_each_dropout_looked_at_again(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given)
    tasks = finish(given)
    for arm in [a for a in ARMS if not ARMS[a].follows]:
        found = trials_of(tasks, arm)
        first, again = ([s for s, budget in found if budget == b] for b in (FIRST, 2 * FIRST))
        assert len(first) == len(again) == len({Setting.read(s).dropout for s in first}) == 2
    given = dataclasses.replace(plan(tmp_path / "more"), sets=("ml-100k",))
    prepared(given, "ml-100k")
    while tasks := [t for t in given.ready() if t.cell and t.cell.arm == REAL and t.cell.trial]:
        for k, task in enumerate(tasks):
            commit(given, task, 3.0 - k)
        last = tasks
    assert len(last) == len({Setting.read(t.cell.setting).dropout for t in last if t.cell}) == 5


def test_a_run_that_was_made_counts_as_its_trials_and_is_not_forgotten(tmp_path: Path) -> None:
    """Also where another setting is frozen then, and its run takes the place of that one in the table."""
    given = plan(tmp_path)
    prepared(given)
    few, much = given.ready()
    for task, nats in ((few, 2.0), (much, 3.0)):
        commit(given, task, nats)
    assert few.cell is not None
    assert much.cell is not None
    put_runs(given.out, run(REAL, few.cell.setting, "converged", nats={FIRST: 2.0, 2 * FIRST: 1.9}))
    (again,) = given.ready()
    assert again.cell is not None
    assert (again.cell.setting, again.cell.budget) == (much.cell.setting, 2 * FIRST)
    commit(given, again, 1.8)
    put_runs(given.out, run(REAL, much.cell.setting, "converged", nats={FIRST: 3.0, 2 * FIRST: 1.8}))
    assert {r.setting for r in read(given.out, BudgetRow)} == {much.cell.setting}
    assert given.setting("tiny", REAL) == Setting.read(much.cell.setting)
    assert not trials_of(given.ready(), REAL)
    kept = {(t.setting, t.budget): t.nats for t in read(given.out, TrialRow) if t.arm == REAL}
    assert kept[few.cell.setting, 2 * FIRST] == 1.9
    assert kept[few.cell.setting, FIRST] == 2.0


def test_arms_that_see_no_real_data_may_go_on_once_more() -> None:
    assert schedule_of("ml-100k", REAL).budgets == (100, 200, 400, 800, 1600, 3200)
    for arm, given in ARMS.items():
        assert schedule_of("ml-100k", arm).budgets[-1] == (6400 if given.real == 0 else 3200)
    assert schedule_of("amazon-games", WALKS).budgets[-1] == 2 * schedule_of("amazon-games", PRIMARY).budgets[-1]


def test_runs_are_made_again_only_where_the_rule_would_have_gone_on(tmp_path: Path) -> None:
    given = done(tmp_path)
    settings = {arm: given.setting("tiny", arm).text for arm in ARMS}  # type: ignore[union-attr]
    falls, rises = {FIRST: 3.0, 2 * FIRST: 1.0}, {FIRST: 1.0, 2 * FIRST: 3.0}
    put_runs(given.out, run(WALKS, settings[WALKS], "no verdict", nats=falls))  # the rule allows 160 now
    put_runs(given.out, run("mixture", settings["mixture"], "converged", nats=falls))
    put_runs(given.out, run("real-bce", settings["real-bce"], "no verdict", nats=falls))
    put_runs(given.out, run("node2vec", settings["node2vec"], "turned", nats=rises))  # less than 40 was not looked at
    put_runs(given.out, run("soft", settings["soft"], "turned", nats={10: 4.0, 20: 3.0, **rises}))
    assert runs_of(given.ready()) == [(WALKS, 0), ("node2vec", 0)]


def test_what_depends_on_a_run_that_ends_otherwise_is_made_again(tmp_path: Path) -> None:
    """The weights it begins with, the budget that it follows, and that of seed 0."""
    given = done(tmp_path)
    text = given.setting("tiny", SIGNAL).text  # type: ignore[union-attr]
    same, other = ({b: 1.0} for b in (2 * FIRST, 4 * FIRST))
    put_runs(given.out, run(SIGNAL, text, "converged", nats=same))
    assert not given.ready()
    put_runs(given.out, run(SIGNAL, text, "converged", nats=other))
    begins = "signal-then-real"
    assert not {r.arm for cls in (TrialRow, BudgetRow) for r in read(given.out, cls)} & {begins}
    assert {t.cell.arm for t in given.ready() if t.cell} == {begins}
    for arm, follow in ((PRIMARY, [("real-half", 0), ("real-half-double", 0)]), (REAL, [(REAL, 1)])):
        put_runs(given.out, run(arm, given.setting("tiny", arm).text, "converged", nats=other))  # type: ignore[union-attr]
        ready = [t for t in given.ready() if t.cell and t.cell.arm != begins]
        assert [(t.cell.arm, t.cell.seed) for t in ready if t.cell] == follow
        for task in ready:
            commit(given, task)


def test_a_run_that_comes_back_with_the_one_it_began_from_is_kept(tmp_path: Path) -> None:
    text, begins = "dropout=0 decay=0 width=64", "signal-then-real"
    put_runs(tmp_path, [*run(SIGNAL, text, "no verdict"), *run(begins, text, "converged", nats={FIRST: 3.0})])
    put_runs(tmp_path, [*run(begins, text, "turned", nats={20: 2.0}), *run(SIGNAL, text, "converged", nats={160: 1.0})])
    assert {(r.arm, r.budget) for r in read(tmp_path, BudgetRow)} == {(SIGNAL, 160), (begins, 20)}
    assert not read(tmp_path, TrialRow)


def test_a_replaced_run_of_another_seed_or_level_is_no_trial(tmp_path: Path) -> None:
    for seed, level in ((1, "whole"), (0, "users-20")):
        for setting in ("dropout=0 decay=0 width=64", "dropout=0.5 decay=0 width=64"):
            put_runs(tmp_path, [dataclasses.replace(r, level=level) for r in run(REAL, setting, "converged", seed)])
    assert len(read(tmp_path, BudgetRow)) == 2
    assert not read(tmp_path, TrialRow)


def test_trials_of_two_budgets_are_two_rows(tmp_path: Path) -> None:
    for budget in (FIRST, 2 * FIRST):
        at = TrialRow("tiny", "whole", REAL, "dropout=0 decay=0 width=64", budget, 1.0, 0.1, 0.1, 40, 1.0)
        replace(tmp_path, TrialRow, [at], *TRIAL_KEY)
    assert [t.budget for t in read(tmp_path, TrialRow)] == [FIRST, 2 * FIRST]


def test_a_budget_that_has_not_seen_the_log_once_has_no_verdict() -> None:
    """Also where longer ones have, and also where they were worse."""
    train = TrainRows(5, 10, np.zeros(1010, np.int32), np.zeros(1010, np.int32))
    shares = {arm: epochs_per_update(Cell("tiny", "whole", arm, 0, ""), train) for arm in (REAL, PRIMARY, WALKS)}
    assert shares == {REAL: 0.4, PRIMARY: 0.2, WALKS: 0}
    few = TrainRows(5, 10, np.zeros(60, np.int32), np.zeros(60, np.int32))
    assert epochs_per_update(Cell("tiny", "whole", REAL, 0, ""), few) == 1  # an update holds no more than there is
    ends = tuple(converge.Finished(b, 1.0, 0.1, 0.0, 0.1, 1.0, b, 1.0) for b in (2, 4, 8))
    for verdict in ("converged", "turned"):
        found = converge.Converged(None, 4, verdict, ends)  # type: ignore[arg-type]
        assert [verdict_of(found, share) for share in shares.values()] == [verdict, "no verdict", verdict]
