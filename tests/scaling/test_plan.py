"""Plans of laws that are known exactly: the optimum, its intervals, what is refused, and the way back from a loss."""

import json
from dataclasses import replace

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.scaling.beside import Beside
from preceptor.scaling.chart import chart
from preceptor.scaling.influence import Influence
from preceptor.scaling.next_run import next_runs
from preceptor.scaling.plan import Plan
from preceptor.scaling.repeats import when_to_stop
from preceptor.scaling.reverse import price_of_loss
from preceptor.scaling.surface import Surface, surface_of
from preceptor.scaling.training_cost import TrainingCost
from preceptor.scaling.vpnls import Second
from scaling.laws import BETA, COST, FLOOR, SIZES, B, joint_law, laws_of_sizes, measured, value


def surface(law, **changed):  # type: ignore[no-untyped-def]
    return surface_of(law.sets, law.tried, TrainingCost.of(changed.get("cost", law.flops_per_token)), None)


def test_the_tables_flop_per_token_are_met_at_its_sizes_and_come_to_six_far_beyond() -> None:
    cost = TrainingCost.of(COST)
    assert cost(np.array(SIZES)) == pytest.approx(list(COST.values()))
    assert cost(3e5) == pytest.approx(6 * 3e5 + 2e3 * 3e5**0.4)  # a power law between the sizes
    assert cost(1e12) / 1e12 == pytest.approx(6, rel=1e-3)
    assert TrainingCost()(1e6) == 6e6
    assert float(TrainingCost.of({1e3: 4e3, 1e5: 4e5})(1e4)) == pytest.approx(4e4)  # N counts what no token passes through


@pytest.mark.parametrize("cost", [{}, COST])
def test_the_best_size_is_that_of_a_search(cost: dict[float, float]) -> None:
    plan = joint_law(cost).plan(flops=2e12)
    sizes = np.geomspace(1e3, 1e8, 200_001)
    each = TrainingCost.of(cost)(sizes)
    best = sizes[np.argmin([15 * sizes**-0.3 + B * (2e12 / each) ** -BETA])]
    assert plan.params == pytest.approx(best, rel=2e-3)
    assert plan.flops == pytest.approx(2e12)
    assert plan.losses["uih"].loss == pytest.approx(value(plan.params, plan.tokens))
    assert plan.losses["uih"].excess == pytest.approx(plan.losses["uih"].loss - FLOOR)
    assert plan.params_interval is not None
    assert plan.params_interval[0] < plan.params < plan.params_interval[1]


def test_every_run_of_the_equal_loss_curve_has_that_loss_and_none_is_cheaper() -> None:
    plan = joint_law(COST).plan(flops=2e12)
    reached = [e for e in plan.same_loss if e.tokens is not None and e.flops is not None]
    assert len(reached) >= 4
    for one in reached:
        assert value(one.params, one.tokens or 0) == pytest.approx(plan.losses["uih"].loss, abs=1e-9)
        assert (one.flops or 0) >= plan.flops * (1 - 1e-9)


def test_tokens_ask_for_the_size_whose_best_number_they_are() -> None:
    law = joint_law(COST)
    by_flops = law.plan(flops=2e12)
    by_tokens = law.plan(tokens=by_flops.tokens)
    assert by_tokens.params == pytest.approx(by_flops.params, rel=1e-3)
    assert law.plan(tokens=1e6, params=1e5).params == 1e5


def test_hours_and_money_are_the_flop_they_pay_for() -> None:
    law = joint_law()
    hours = law.plan(hours=2, rate=2e8)
    assert hours.flops == pytest.approx(1.44e12)
    assert (hours.hours, hours.usd) == (pytest.approx(2), None)
    money = law.plan(usd=6, usd_per_hour=3, rate=2e8)
    assert (money.flops, money.usd) == (pytest.approx(1.44e12), pytest.approx(6))
    assert "2 h 00 min" in str(hours)


def test_without_a_law_of_sizes_a_plan_chooses_among_the_trained_ones() -> None:
    law = laws_of_sizes(COST)
    plan = law.plan(flops=1e12)
    losses = {n: FLOOR + np.exp(-0.1 * k) * B * (1e12 / COST[n]) ** -BETA for k, n in enumerate(SIZES)}
    assert plan.params == min(losses, key=losses.__getitem__)
    assert plan.losses["uih"].loss == pytest.approx(losses[plan.params])
    assert plan.losses["uih"].interval_95 is not None
    assert plan.params_interval is None
    with pytest.raises(PreceptorError, match=r"No law of this size[\s\S]*20k, 100k, 700k"):
        law.plan(flops=1e12, params=3e5)


def test_beyond_ten_times_it_names_a_run_that_brings_the_budget_within_reach() -> None:
    law = joint_law()
    top = 6 * 7e5 * 1e6
    with pytest.raises(PreceptorError, match=r"doesn't reach[\s\S]*20× [\s\S]*train a run of") as caught:
        law.plan(flops=20 * top)
    assert f"({2 * top:.3g} FLOP)" in str(caught.value)  # a tenth of what was asked
    assert "Extrapolated" in law.plan(flops=20 * top, extrapolate=True).warnings[0]
    with pytest.raises(PreceptorError, match="enough for a parameter and a token"):
        law.plan(flops=1.0)


def test_a_run_below_the_smallest_fitted_one_is_warned_of() -> None:
    assert any("smaller than the smallest" in w for w in joint_law().plan(flops=1e9).warnings)
    assert not joint_law().plan(flops=1e12).warnings


def test_sources_that_repeat_are_counted_and_warned_of() -> None:
    plan = joint_law().plan(flops=2e12, sources={"cf": (0.25, 2e4)})
    assert plan.epochs["cf"] == pytest.approx(0.25 * plan.tokens / 2e4)
    assert any("reads cf" in w for w in plan.warnings)


def of_plan(plan: Plan) -> tuple[float | None, str]:
    reading = plan.recall["recall_100"]
    return reading.value, reading.note


def test_recall_is_read_off_measured_models_and_not_beyond_them() -> None:
    law = joint_law()
    points, ranks = measured(law)
    beside = Beside(points=tuple(points), ranks=tuple(ranks))
    inside = law.plan(flops=1e12, beside=beside)
    reading = inside.recall["recall_100"]
    assert reading.value == pytest.approx(0.7 - 0.2 * (inside.losses["uih"].loss - FLOOR), abs=0.01)
    assert reading.interval_95 is not None
    assert reading.interval_80 is not None
    assert reading.interval_95[0] < reading.interval_80[0] < reading.value < reading.interval_80[1]  # type: ignore[operator]
    value, note = of_plan(law.plan(flops=2e13, beside=beside))
    assert value is None
    assert "below the lowest measured" in note
    assert "no table of the study" in of_plan(law.plan(flops=1e12))[1]
    shuffled = tuple(replace(r, recall_100=0.5 + 0.01 * (k % 3)) for k, r in enumerate(ranks))
    assert "doesn't follow the loss" in of_plan(law.plan(flops=1e12, beside=replace(beside, ranks=shuffled)))[1]


def test_a_plan_is_json(tmp_path: object) -> None:
    from dataclasses import asdict

    found = json.loads(json.dumps(asdict(joint_law().plan(flops=1e12))))
    assert found["losses"]["uih"]["interval_95"]


def test_nothing_identified_gives_no_plan() -> None:
    with pytest.raises(PreceptorError, match="No plan"):
        joint_law(identified=False).plan(flops=1e12)


def test_surface_says_where_a_law_ends() -> None:
    found: Surface = surface(joint_law())
    assert found.bottom(None) == pytest.approx(FLOOR)
    assert found.bottom(1e5) == pytest.approx(FLOOR + 15 * 1e5**-0.3)


def averaged_law():  # type: ignore[no-untyped-def]
    """The joint law, and another form that ends higher, averaged half and half."""
    law = joint_law(COST)
    entry = law.sets["uih"]
    (first,) = entry.laws
    theta = first.theta.copy()
    theta[0] = np.log(0.3)
    other = replace(first, form="joint", theta=theta)
    both = replace(entry, laws=(first, other), weights={"joint": {"joint-excess": 0.5, "joint": 0.5}})
    return replace(law, sets={"uih": both}), first, other


def test_an_average_of_forms_is_the_centre_of_everything_that_is_planned() -> None:
    law, first, other = averaged_law()
    found = surface(law)

    def mean(n: float, d: float) -> float:
        return float(FLOOR + np.sqrt((first.predict(n, d)[0] - FLOOR) * (other.predict(n, d)[0] - FLOOR)))

    plan = law.plan(flops=2e12)
    assert plan.averaged == "joint 50%, joint-excess 50%"
    assert plan.averaged in str(plan)
    assert plan.losses["uih"].loss == pytest.approx(mean(plan.params, plan.tokens))
    assert law.predict(1e5, 1e6).loss[0] == pytest.approx(mean(1e5, 1e6))
    sizes = np.geomspace(1e3, 1e8, 20_001)
    losses = [mean(n, 2e12 / float(found.cost(n))) for n in sizes]
    assert plan.params == pytest.approx(sizes[np.argmin(losses)], rel=2e-3)
    for one in plan.same_loss:
        if one.tokens is not None:
            assert mean(one.params, one.tokens) == pytest.approx(plan.losses["uih"].loss, abs=1e-9)
    i95 = plan.losses["uih"].interval_95
    assert i95 is not None
    assert i95[0] < plan.losses["uih"].loss < i95[1]
    assert plan.params_interval is not None
    assert plan.params_interval[0] < plan.params < plan.params_interval[1]
    assert found.bottom(1e5) == pytest.approx(mean(1e5, 1e300))
    assert joint_law(COST).plan(flops=2e12).averaged == ""


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("3 different values of tokens; 4 are needed", "on 2M tokens next: there are too few budgets"),
        ("2 different values of params; 4 are needed", r"train a run of 2.8M parameters on 1M tokens next: there are too few"),
        ("0 fits as well", "on 2M tokens next"),
    ],
)
def test_a_refusal_names_the_run_to_make_next(reason: str, said: str) -> None:
    law = joint_law(identified=False)
    entry = law.sets["uih"]
    (one,) = entry.laws
    open_ = {s: replace(p, reason=reason) for s, p in one.parameters.items()}
    law = replace(law, sets={"uih": replace(entry, not_fitted={}, laws=(replace(one, parameters=open_),))})
    with pytest.raises(PreceptorError, match=said):
        law.plan(flops=1e12)
    unmeasured = replace(one, noise=None)
    law = replace(law, sets={"uih": replace(entry, not_fitted={}, laws=(unmeasured,))})
    with pytest.raises(PreceptorError, match=r"second seed of 20k parameters"):
        law.plan(flops=1e12)


def test_what_the_fit_says_against_its_laws_is_said_wherever_they_are_used() -> None:
    law = joint_law(COST)
    entry = law.sets["uih"]
    second = Second({"A": 1.0, "alpha": 0.9, "B": 1.0, "beta": 0.1}, 0.1, 0.4, False)
    off = (Influence("d1-s0", 2e4, 3e4, 9.0, 0.1, 8.0),)
    doubted = replace(entry.laws[0], note="the points bend away from this law", second=second, outliers=off)
    sets = {"uih": replace(entry, laws=(doubted,), notes=("90 of 90 losses lie below the known floor of 9",))}
    said = [
        "90 of 90 losses lie below the known floor of 9.",
        "The law joint-excess: the points bend away from this law.",
        "The law joint-excess: a second method of fitting disagrees, so trust neither before you know why (see the fit).",
        "The law joint-excess: 1 point is far off it (the fit names the --drop).",
    ]
    over = surface_of(sets, law.tried, TrainingCost.of(law.flops_per_token), None)
    plan = replace(law, sets=sets).plan(flops=2e12)
    price = price_of_loss(over, 2.6, params=None, extrapolate=False, beside=Beside())
    stopping = when_to_stop(over, 1e5, 1e5)
    runs = next_runs(sets, law.tried, law.beside(), target=None, flops=None)
    for found in (plan, price, stopping, runs):
        assert list(found.warnings)[-4:] == said
        assert all(f"  ! {text}" in str(found) for text in said)
    assert chart(sets, law.tried, law.beside())["sets"][0]["doubts"] == said
    assert not joint_law(COST).plan(flops=2e12).warnings


def test_doubts_about_a_law_that_is_only_averaged_count_too() -> None:
    law = laws_of_sizes(COST)
    entry = law.sets["uih"]
    other = [replace(x, form="data", note="wrong", floor=0.0) for x in entry.laws if x.params == SIZES[0]]
    sets = {"uih": replace(entry, laws=(*entry.laws, *other), weights={"size": {"excess": 0.6, "data": 0.4}})}
    plans = [replace(law, sets=sets).plan(tokens=1e6, params=n) for n in SIZES[:2]]
    assert plans[0].warnings == ("The law data of 20k parameters: wrong.",)
    assert plans[1].warnings == ()


def test_doubts_about_data_count_where_its_late_points_forecast() -> None:
    law = laws_of_sizes(COST)
    entry = law.sets["uih"]
    (first, *_) = entry.laws
    shown, late = (replace(first, form=form, note=note, floor=0.0) for form, note in (("data", "wrong"), ("late", "")))
    sets = {"uih": replace(entry, laws=(*entry.laws, shown), unshown=(late,), weights={"size": {"late": 1.0}})}
    assert replace(law, sets=sets).plan(tokens=1e6, params=SIZES[0]).warnings == ("The law data of 20k parameters: wrong.",)
