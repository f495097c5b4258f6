from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from preceptor.scaling import kinds
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fitted import Kinds
from preceptor.scaling.kinds import compared, cuts, missed
from preceptor.scaling.law import fit
from preceptor.scaling.points import Points
from scaling.laws import FLOOR, SIZES, joint_law, laws_of_sizes
from scaling.planted import LAW, sweep

LIGHT = ScalingConfig(starts=30, bootstraps=20, bootstrap_starts=2, forecast=False)


def each_its_own() -> Points:
    """Sizes that fall by exponents of their own, which no joint law has."""
    points = sweep(5, 8, seeds=2, noise=0.001, floor=LAW["E"])
    exponent = 0.25 + 0.06 * np.searchsorted(np.unique(points.params), points.params)
    wobble = (points.loss - LAW["E"]) / (LAW["A"] * points.params ** -LAW["alpha"] + LAW["B"] * points.tokens ** -LAW["beta"])
    return Points.of(points.columns() | {"loss": LAW["E"] + 3.0 * (points.tokens / 3e4) ** -exponent * wobble})


def test_both_kinds_are_asked_by_the_latest_cuts_that_leave_a_few_forecasts() -> None:
    points = each_its_own()
    assert [round(one.beyond, 2) for one in missed(points, cuts(points)[-2], LIGHT)] == [0.72, 1.45] * 5
    last = list(missed(points, cuts(points)[-1], LIGHT))
    told = compared(points, LIGHT)
    assert told is not None
    assert told.forecasts == len(last) == 5
    assert told.own == pytest.approx(float(np.sqrt(np.mean([one.own**2 for one in last]))))
    assert told.own < 0.2 * told.joint


def test_a_table_with_a_budget_of_its_own_for_every_run_is_asked_a_few_times_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    points = sweep(1, 300)
    sizes = np.geomspace(2e4, 7e5, 300)
    asked = []
    monkeypatch.setattr(kinds, "missed", lambda points, cut, config: asked.append(cut) or [])
    apart = {"params": sizes, "run": [f"r{i}" for i in range(300)]}
    assert compared(Points.of(points.columns() | apart), LIGHT) is None
    assert asked == cuts(points)[:-7:-1]


def test_where_one_law_holds_for_all_sizes_it_comes_first() -> None:
    told = compared(sweep(5, 8, seeds=2, noise=0.01), LIGHT)
    assert told is not None
    assert told.joint < told.own


def test_too_few_sizes_or_budgets_say_nothing() -> None:
    assert compared(sweep(3, 8), LIGHT) is None
    assert compared(sweep(5, 3), LIGHT) is None


def test_sizes_of_their_own_come_before_an_identified_joint_law_that_told_less() -> None:
    joint, own = joint_law(), laws_of_sizes()
    entry = replace(joint.sets["uih"], laws=(*joint.sets["uih"].laws, *own.sets["uih"].laws))
    errors = {False: Kinds(0.05, 0.05, 4), True: Kinds(0.2, 0.05, 4)}
    for first, told in errors.items():
        law = replace(joint, sets={"uih": replace(entry, kinds=told)})
        at = law.sets["uih"].at(SIZES[0])
        assert at is not None
        assert (at.params == SIZES[0]) is first
        plan = law.plan(tokens=1e6)
        assert (plan.params in SIZES) is first
    assert law.predict(SIZES[1], 1e6).loss[0] == pytest.approx(FLOOR + np.exp(-0.1) * 60 * 1e6**-0.4)


def test_the_fit_says_which_laws_forecasts_rest_on_and_keeps_it(tmp_path: Path) -> None:
    law = fit(each_its_own(), LIGHT)
    entry = law.sets["uih"]
    joint = entry.law(entry.chosen or "")
    assert joint is not None
    assert joint.identified
    assert entry.own_first
    assert any("so that forecasts and plans rest on the latter" in note for note in entry.notes)
    law.save(tmp_path / "law.json")
    assert type(law).load(tmp_path / "law.json").sets["uih"].kinds == entry.kinds
