"""The studies of benchmarks/tstr: what is planned, what a level of the map holds, and what is read off its curves."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from benchmarks.tstr import arms as tstr_arms
from benchmarks.tstr import figures as tstr_figures
from benchmarks.tstr import map as tstr_map
from benchmarks.tstr import plan as tstr_plan
from benchmarks.tstr import prepare as tstr_prepare
from benchmarks.tstr import report as tstr_report
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr import verdicts as tstr_verdicts
from benchmarks.tstr.arms import ARMS, PRIMARY, REAL, SIGNAL, Setting
from benchmarks.tstr.judge import Frozen, best_form, form
from benchmarks.tstr.tables import BudgetRow, MeanRow, PairRow, PrimaryRow, read, replace
from benchmarks.tstr.train import weights_file
from fixtures import tiny_log, tiny_split
from preceptor.core import metrics
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.ranking.histories import RealHistories
from tstr_plans import commit, finish, plan, prepared

SET = tstr_sets.Set("tiny", "", 200, 4, 1, 0.02, ("users-10", "users-20", "last-3"), 12, 8)


def test_the_split_comes_first_and_the_real_trials_before_all_others(tmp_path: Path) -> None:
    given = plan(tmp_path)
    assert [task.what for task in given.ready()] == ["split"]
    prepared(given)
    assert {task.cell.arm for task in given.ready() if task.cell} == {REAL}
    assert {task.cell.trial for task in given.ready() if task.cell} == {True}


def test_controls_are_made_before_the_arms_that_need_them(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given, needs=False)
    assert {t.what for t in given.ready() if t.cell is None} == {arm.needs for arm in ARMS.values() if arm.needs}
    for task in [t for t in given.ready() if t.cell]:
        commit(given, task)
    assert "real+bigram" not in {t.cell.arm for t in given.ready() if t.cell}


def test_a_study_ends_with_every_arm_and_nothing_is_done_twice(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given)
    done = finish(given)
    runs = [(t.cell.arm, t.cell.seed) for t in done if t.cell and not t.cell.trial]
    assert sorted(runs) == sorted([*((arm, 0) for arm in ARMS), (REAL, 1)])
    assert given.missing("tiny") is None


def test_arms_that_follow_or_begin_from_another_wait_for_it(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given)
    cells = [t.cell for t in finish(given) if t.cell and not t.cell.trial]
    by_arm = {c.arm: c for c in cells if c.seed == 0}
    order = [c.arm for c in cells]
    assert order.index("signal-then-real") > order.index(SIGNAL)
    assert (by_arm["real-half"].budget, by_arm["real-half-double"].budget) == (80, 160)
    assert by_arm[PRIMARY].budget == 0
    assert next(c for c in cells if (c.arm, c.seed) == (REAL, 1)).budget == 80


def test_a_cell_whose_model_is_gone_is_trained_again(tmp_path: Path) -> None:
    given = plan(tmp_path)
    folder = prepared(given)
    finish(given)
    file = weights_file(folder, "walks", 0, given.setting("tiny", "walks").text)  # type: ignore[union-attr]
    file.unlink()
    assert [t.cell.arm for t in given.ready() if t.cell] == ["walks"]


def test_the_real_arm_has_as_many_trials_as_all_synthetic_recipes_together() -> None:
    recipes = [arm for arm in ARMS.values() if not arm.follows and arm.loss == "full" and arm.model == "sasrec"]
    synthetic = len(recipes) - 1  # all but the real arm itself
    assert len(tstr_arms.settings(REAL, None, tstr_sets.SETS["ml-100k"].trials)) == 2 * synthetic
    finalists = [arm for arm in tstr_plan.FINALISTS if arm != REAL]
    assert tstr_sets.SETS["market"].trials == 2 * len(finalists)
    for count in (8, 30):
        tried = tstr_arms.settings(REAL, None, count)
        assert len(set(tried)) == count
    assert Setting.read(tried[-1].text) == tried[-1]


def test_levels_are_nested_and_their_people_are_never_sampled() -> None:
    log = tiny_log(80, 40, 0)
    few, more, cut = (tstr_prepare.thinned(log, level, SET) for level in ("users-10", "users-20", "last-3"))
    assert len(np.unique(few.train.user)) == 10
    assert set(_ids(few)) < set(_ids(more))
    for a in (more, cut):
        assert np.array_equal(a.test.user, few.test.user)
        assert np.array_equal(a.validation.user, few.validation.user)
        assert len(a.test) == len(few.test)
    assert not set(few.test.user.tolist()) & set(few.validation.user.tolist())
    assert np.diff(cut.train.user_indptr).max() == 3


def test_an_item_that_a_level_has_not_met_is_no_candidate() -> None:
    given = tstr_prepare.thinned(tiny_log(80, 200, 0), "users-10", SET)
    unmet = given.train.n_items - 1
    assert given.train.items["item_id"][unmet] == tstr_prepare.HELD_OUT
    assert given.train.popularity[unmet] == 0
    assert (given.train.popularity[:unmet] > 0).all()
    assert (given.test.sequence == unmet).any()


def _ids(given: object) -> list[str]:
    return [i for i in given.train.items["item_id"] if i != tstr_prepare.HELD_OUT]  # type: ignore[attr-defined]


def test_augmented_histories_hold_items_of_the_real_ones_and_repeat_exactly() -> None:
    train = tiny_split().train

    def made(update: int) -> tuple[np.ndarray, np.ndarray]:
        lesson = tstr_arms.Augmented(RealHistories(train, 8, 60, 0), 0).lesson(update)
        return lesson.items, lesson.lengths

    real_items, real_lengths = RealHistories(train, 8, 60, 0).batch(3)
    items, lengths = made(3)
    assert (lengths >= 2).all()
    assert (lengths <= real_lengths).all()
    changed = 0
    for b in range(len(items)):
        own = items[b, : lengths[b]].tolist()
        whole = real_items[b, : real_lengths[b]].tolist()
        assert all(own.count(i) <= whole.count(i) for i in own)
        changed += own != whole
    assert changed > len(items) / 2
    assert np.array_equal(items, made(3)[0])


def test_isotonic_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        y = random.normal(size=random.integers(1, 9))
        assert tstr_map.isotonic(y) == pytest.approx(IsotonicRegression().fit_transform(np.arange(len(y)), y))


def test_a_falling_curve_crosses_where_it_is_drawn_and_others_nowhere() -> None:
    x = np.log([1.0, 2.0, 4.0, 8.0])
    at, _ = tstr_map.crossing(x, np.array([0.3, 0.1, -0.1, -0.2]))
    assert np.exp(at) == pytest.approx(np.sqrt(8))
    assert np.exp(tstr_map.crossing(x, np.array([0.3, 0.0, 0.0, -0.2]))[0]) == pytest.approx(np.sqrt(8))
    for y, says in (
        ([0.3, 0.2, 0.1, 0.1], "above"),
        ([-0.1] * 4, "below"),
        ([-0.3, -0.1, 0.1, 0.3], "equal"),
        ([0.0] * 4, "equal"),
    ):
        at, fit = tstr_map.crossing(x, np.array(y))
        assert np.isnan(at)
        if says != "equal" or not np.any(y):
            assert says in tstr_map.says(at, fit, x, np.zeros(1))
    at, fit = tstr_map.crossing(x, np.array([np.inf, 0.1, -0.1, -0.2]))
    assert "without any hit" in tstr_map.says(at, fit, x, np.zeros(1))


def test_equal_data_inverts_the_curve_of_real_alone() -> None:
    n, real = np.array([100.0, 1000.0, 10000.0]), np.array([0.1, 0.2, 0.3])
    assert tstr_map.equal_data(n, real, 0.2, 0) == 1000
    assert tstr_map.equal_data(n, real, 0.25, 0) == pytest.approx(np.sqrt(1e7))
    assert tstr_map.equal_data(n, real, 0.31, 0) == np.inf
    assert tstr_map.equal_data(n, real, 0.05, 0) == -np.inf
    flat = np.array([0.1, 0.2, 0.2])
    assert [tstr_map.equal_data(n, flat, 0.2, own) for own in (0, 1, 2)] == [1000, 1000, 10000]


def test_slices_weigh_as_the_metrics_do() -> None:
    given = tiny_split()
    targets, popularity = given.test, given.train.popularity
    random = np.random.default_rng(0)
    rank = random.integers(1, 30, (2, len(targets))).astype(np.int32)
    nats = random.normal(5, 1, rank.shape).astype(np.float32)
    drawn = tstr_figures.draw({"real": (rank, nats)}, targets, popularity)
    values = metrics.ndcg(rank, 10).mean(axis=0)
    group = metrics.popularity_groups(popularity)[targets.item]
    found = {name: drawn.found["real", name, "ndcg@10"][0] for name in drawn.counts}
    assert found["all"] == pytest.approx(values.mean())
    assert found["user-balanced"] == pytest.approx(metrics.user_balanced(values, targets.user))
    assert found["item-balanced"] == pytest.approx(metrics.item_balanced(values, targets.item, popularity))
    assert found["head"] == pytest.approx(values[group == metrics.HEAD].mean())


def test_an_arm_that_is_better_for_every_user_reads_so_and_not_where_there_is_no_verdict() -> None:
    given = tiny_split()
    rank = np.full((1, len(given.test)), 5, np.int32)
    arms = {"real": (rank, np.full(rank.shape, 5.0, np.float32)), "signal": (rank - 2, np.full(rank.shape, 4.0, np.float32))}
    drawn = tstr_figures.draw(arms, given.test, given.train.popularity)
    head = ("finalists", "tiny", "whole", "test")
    rows, pairs = tstr_figures.tables(drawn, head, {}, {}, ["real"])
    assert {p.reading for p in pairs if p.slice == "all" and p.measure != "recall@100"} == {"better"}
    assert {p.reading for p in pairs if p.slice == "all" and p.measure == "recall@100"} == {"not told apart"}
    _, unsure = tstr_figures.tables(drawn, head, {"real": "no verdict"}, {}, ["real"])
    assert {p.reading for p in unsure} == {"no verdict"}
    assert row.parse(MeanRow, row.text(MeanRow, rows), "memory") == rows


def test_the_better_form_is_chosen_by_validation_nats() -> None:
    nats = {form("real", "generator", "added"): 5.2, form("real", "generator", "multiplied"): 5.1}
    assert best_form(nats, "real", "generator") == "real ⊕ generator, multiplied"
    assert best_form({}, "real", "generator") is None


def test_the_primary_comparison_is_corrected_over_sets(tmp_path: Path) -> None:
    pairs, means = [], []
    for k, name in enumerate(("ml-100k", "market")):
        head = ("finalists", name, "whole", "test")
        pairs.append(PairRow(*head, PRIMARY, REAL, "all", "ndcg@10", 0.01, 0.001, 0.02, 0.01 * (k + 1), "better"))
        pairs.append(PairRow(*head, SIGNAL, REAL, "all", "ndcg@10", 0.01, 0.001, 0.02, 1e-3, "better"))
        for measure in tstr_figures.MEASURES:
            means.append(MeanRow(*head, REAL, "all", measure, 0.1, 0.1, 0.1, None, 3, 100, 200, "converged", ""))
    replace(tmp_path, PairRow, pairs, "set")
    replace(tmp_path, MeanRow, means, "set")
    tstr_verdicts._primary(tmp_path)
    found = {r.set: r.p_holm for r in read(tmp_path, PrimaryRow)}
    assert found == {"ml-100k": 0.05, "market": 0.08, "ml-latest-small": 1.0, "amazon-games": 1.0, "amazon-office": 1.0}
    assert "| real | ml-100k | 100 | +0.0100 [+0.0010, +0.0200] | 0.010 | 0.050 | better |" in tstr_report.text(tmp_path)


def test_the_test_is_opened_once_for_what_was_frozen(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given)
    finish(given)
    panels = tstr_verdicts._panels(given, "tiny", "whole")
    assert panels[0].again is not None
    panels[0].frozen_file.parent.mkdir()
    panels[0].frozen_file.write_text("frozen")
    digest = tstr_verdicts._digest(given, "tiny", "whole", panels)
    for _ in range(2):
        tstr_verdicts._open(given, "tiny", "whole", panels, digest)
    panels[0].frozen_file.write_text("another")
    with pytest.raises(PreceptorError, match="opened before"):
        tstr_verdicts._open(given, "tiny", "whole", panels, tstr_verdicts._digest(given, "tiny", "whole", panels))
    assert "| screen | tiny | whole |" in tstr_report.text(given.out)


def test_verdicts_of_what_is_put_together_are_the_worst_of_its_parts(tmp_path: Path) -> None:
    given = plan(tmp_path)
    prepared(given)
    finish(given)
    rows = [dataclasses.replace(r, verdict="no verdict") if r.arm == SIGNAL else r for r in read(given.out, BudgetRow)]
    replace(given.out, BudgetRow, rows, "set", "level", "arm", "seed")
    arms = [
        "real ⊕ generator, added",
        "signal ⊕ generator, added",
        "real+signal-50 ⊕ generator, added",
        "signal, as it is",
        "ease",
    ]
    found = tstr_verdicts._verdicts(given, "tiny", "whole", arms)
    assert list(found.values()) == ["converged", "no verdict", "converged", "no verdict", ""]


def test_what_is_frozen_is_said_in_a_cell() -> None:
    assert Frozen({}, {"real ⊕ generator, added": (0.25, 0.75)}, {}).said("real ⊕ generator, added") == "a=0.25 b=0.75"
