"""Back from a loss or a recall to a budget; when to stop repeating; which run to make next."""

import itertools
import shlex
from dataclasses import replace

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.lm.grid import trunks
from preceptor.scaling.bands import FormError
from preceptor.scaling.beside import Beside
from preceptor.scaling.next_run import Candidate, commands, next_runs
from preceptor.scaling.published import paper_laws
from preceptor.scaling.repeats import when_to_stop
from preceptor.scaling.reverse import price_of_loss, price_of_recall
from preceptor.scaling.surface import Surface, surface_of
from preceptor.scaling.training_cost import TrainingCost
from preceptor.study import load_config
from scaling.laws import BETA, COST, FLOOR, B, joint_law, laws_of_sizes, measured, value

ARGS = {"params": None, "extrapolate": False, "beside": Beside()}


def surface(law=None) -> Surface:  # type: ignore[no-untyped-def]
    law = law or joint_law(COST)
    return surface_of(law.sets, law.tried, TrainingCost.of(law.flops_per_token), None)


@pytest.mark.parametrize("make", [joint_law, laws_of_sizes])
def test_a_plan_of_the_price_has_the_loss_that_was_asked_for(make) -> None:  # type: ignore[no-untyped-def]
    law = make(COST)
    wanted = 2.6 if make is joint_law else 2.25
    price = price_of_loss(surface(law), wanted, **ARGS, rate=1e9, price=2.0)  # type: ignore[arg-type]
    assert price.flops is not None
    assert law.plan(flops=price.flops).losses["uih"].loss == pytest.approx(wanted, abs=1e-5)
    assert price.flops_95 is not None
    assert price.flops_80 is not None
    assert None not in (*price.flops_95, *price.flops_80)
    ends = [price.flops_95[0], price.flops_80[0], price.flops, price.flops_80[1], price.flops_95[1]]
    assert ends == sorted(ends)  # type: ignore[type-var]
    assert price.usd == pytest.approx(2 * price.flops / 1e9 / 3600)


def test_at_the_upper_end_of_the_price_even_the_upper_end_of_the_forecast_is_there() -> None:
    price = price_of_loss(surface(), 2.6, **ARGS)  # type: ignore[arg-type]
    assert price.flops_95 is not None
    assert price.flops_95[1] is not None
    there = joint_law(COST).plan(flops=price.flops_95[1]).losses["uih"].interval_95
    assert there is not None
    assert there[1] == pytest.approx(2.6, abs=1e-5)


def test_a_loss_below_the_floor_is_not_reachable_and_says_what_the_floor_is() -> None:
    price = price_of_loss(surface(), 1.99, **ARGS)  # type: ignore[arg-type]
    assert price.reachable is False
    assert "not reachable under this law" in str(price)
    assert "known floor is 2" in str(price)
    kept = price_of_loss(surface(), FLOOR + 0.3, **{**ARGS, "params": 1e5})  # type: ignore[arg-type]
    assert "at N = 100k is 2.474" in str(kept)


def test_what_is_not_known_is_not_called_out_of_reach() -> None:
    law = joint_law(COST)
    points, ranks = measured(law)
    beside = Beside(points=tuple(points), ranks=tuple(ranks))
    unmeasured = price_of_recall(surface(law), 0.9, "recall_100", **{**ARGS, "beside": beside})  # type: ignore[arg-type]
    without = price_of_recall(surface(law), 0.5, "recall_100", **ARGS)  # type: ignore[arg-type]
    for price, why in ((unmeasured, "measured from"), (without, "--tables names the folder")):
        assert price.reachable is None
        assert "not known: " in str(price)
        assert why in str(price)
        assert "not reachable" not in str(price)


def test_a_loss_that_any_run_has_is_not_called_out_of_reach() -> None:
    price = price_of_loss(surface(), 1e9, **ARGS)  # type: ignore[arg-type]
    assert price.reachable is True
    assert price.flops is None
    assert "any run gets there: one of 6.75e+09 FLOP, which the smallest fitted run cost" in str(price)


def test_a_price_beyond_reach_is_refused() -> None:
    with pytest.raises(PreceptorError, match="doesn't reach"):
        price_of_loss(surface(), 2.2, **ARGS)  # type: ignore[arg-type]


def test_a_recall_costs_what_its_loss_costs() -> None:
    law = joint_law(COST)
    points, ranks = measured(law)
    beside = Beside(points=tuple(points), ranks=tuple(ranks))
    price = price_of_recall(surface(law), 0.56, "recall_100", **{**ARGS, "beside": beside})  # type: ignore[arg-type]
    by_loss = price_of_loss(surface(law), FLOOR + 0.7, **ARGS)  # type: ignore[arg-type]
    assert price.flops is not None
    assert by_loss.flops is not None
    assert price.flops == pytest.approx(by_loss.flops, rel=0.2)
    high = price_of_recall(surface(law), 0.9, "recall_100", **{**ARGS, "beside": beside})  # type: ignore[arg-type]
    assert "measured from" in str(high)
    with pytest.raises(PreceptorError, match="between 0 and 1"):
        price_of_recall(surface(law), 60.0, "recall_100", **{**ARGS, "beside": beside})  # type: ignore[arg-type]


def test_repeats_are_worth_less_and_less_and_the_source_of_that_is_said() -> None:
    found = when_to_stop(surface(laws_of_sizes()), 1e5, 2e4)
    assert found.passes[0].loss == pytest.approx(FLOOR + B * 1e5**-BETA)
    losses = [p.loss for p in found.passes]
    assert losses == sorted(losses, reverse=True)
    assert found.passes[-1].loss > found.endless
    assert found.passes[3].worth == pytest.approx(1e5 * (1 + 15.39 * (1 - np.exp(-7 / 15.39))))
    assert "published ones of text (2305.16264), not of this log" in str(found)
    assert found.half < found.stop


def test_parameters_beyond_what_the_unique_tokens_call_for_are_worth_less_too() -> None:
    found = when_to_stop(surface(), 1e4, 7e5)
    assert found.passes[0].loss > value(7e5, 1e4)


def test_repeats_beyond_reach_are_refused_and_the_size_stays_in_the_trained_range() -> None:
    small = when_to_stop(surface(), 4e4, None)  # on so few tokens the law's own best size is below all that were trained
    assert small.params == 2e4
    assert "smallest trained one" in small.choice
    assert small.choice in str(small)
    with pytest.raises(PreceptorError, match=r"doesn't reach[\s\S]*is worth 17.2G fresh tokens"):
        when_to_stop(surface(), 1.16e9, None)
    far = when_to_stop(surface(), 1.16e9, None, extrapolate=True)
    assert far.params == 7e5
    assert far.warnings[0].startswith("Extrapolated: reading until then is worth")
    assert far.warnings[0] in str(far)
    assert all(p.far for p in far.passes)
    assert far.endless_far


def test_parameters_that_count_as_far_fewer_than_any_trained_are_warned_of() -> None:
    sets, tried = paper_laws()
    found = when_to_stop(surface_of(sets, tried, TrainingCost.of({}), None), 1e9, None)
    assert found.params == 6e8
    assert "600M count as 2" in found.warnings[0]
    assert "doubt the losses" in str(found)


def test_a_loss_after_repeats_has_the_interval_of_its_law() -> None:
    law = laws_of_sizes()
    found = when_to_stop(surface(law), 1e5, 2e4)
    said = law.predict(2e4, found.passes[3].worth).interval_95
    assert said is not None
    assert found.passes[3].interval_95 == pytest.approx((said[0][0], said[1][0]))
    assert not found.passes[3].far
    assert f"{said[0][0]:.4g} – {said[1][0]:.4g}" in str(found)


def test_the_next_run_is_the_one_that_tells_most_per_flop() -> None:
    law = joint_law(COST)
    found = next_runs(law.sets, law.tried, law.beside(), target=None, flops=None)
    per_flop = [c.narrows / c.flops for c in found.per_flop]
    assert len(per_flop) == 3
    assert per_flop == sorted(per_flop, reverse=True)
    assert found.most is not None
    assert found.most.narrows >= max(c.narrows for c in found.per_flop)
    assert all(c.half_width < found.half_width for c in found.per_flop)
    assert "preceptor pretrain STUDY" in str(found)


@pytest.mark.parametrize("study", ["quick", "quick-full", "paper"])
def test_the_next_runs_commands_fit_every_study(study: str) -> None:
    for line in commands([Candidate(2e4, 81_920.0, 1e10, 0.5, 0.1, 5), Candidate(2e4, 81_920.0, 1e10, 0.5, 0.1, None)])[:2]:
        given = shlex.split(line.replace("[DEPTH]", "[7]"), comments=True)
        assert given[:3] == ["preceptor", "pretrain", "STUDY"]
        settings = [value for flag, value in itertools.pairwise(given) if flag == "--set"]
        config = load_config(study, None, settings).lm
        assert len(trunks(config)) == 1
        assert config.seed == 1


def test_a_run_that_shares_nothing_with_the_forecast_narrows_nothing() -> None:
    """Of laws of single sizes, only runs of that size can."""
    law = laws_of_sizes(COST)
    found = next_runs(law.sets, law.tried, law.beside(), target=None, flops=None, params=7e5)
    assert {c.params for c in found.per_flop} == {7e5}


def test_a_run_narrows_the_interval_that_a_plan_shows() -> None:
    """A forecast of one size has the interval of its heaviest form, which needn't be the law that is shown."""
    law = laws_of_sizes(COST)
    entry = law.sets["uih"]
    shown = next(one for one in entry.laws if one.params == 7e5)
    late = replace(shown, form="late", draws=shown.theta + 3 * (shown.draws - shown.theta))
    averaged = replace(entry, unshown=(late,), weights={"size": {"late": 1.0}})
    before, found = (
        next_runs({"uih": one}, law.tried, law.beside(), target=None, flops=None, params=7e5) for one in (entry, averaged)
    )
    assert found.half_width > 1.5 * before.half_width
    said = replace(surface(law), entry=averaged).expected(7e5, found.tokens).interval_95
    assert said is not None
    lo, hi = (float(end[0]) - late.floor for end in said)
    assert found.half_width == pytest.approx(np.log(hi / lo) / 2, rel=0.15)


def test_an_open_law_says_so_and_one_without_resamples_has_no_next_run() -> None:
    law = joint_law(COST, identified=False)
    assert "isn't identified" in next_runs(law.sets, law.tried, law.beside(), target=None, flops=None).note
    law = joint_law(COST, draws=0)
    with pytest.raises(PreceptorError, match=r"no resamples[\s\S]*second seed"):
        next_runs(law.sets, law.tried, law.beside(), target=None, flops=None)


def test_a_printed_law_advises_no_second_seed() -> None:
    sets, tried = paper_laws()
    with pytest.raises(PreceptorError) as raised:
        next_runs(sets, tried, Beside(), target=None, flops=None)
    assert "seed" not in str(raised.value)
    assert "runs of your own" in str(raised.value)


def test_a_set_that_is_not_there_is_named_by_its_option() -> None:
    law = joint_law(COST)
    with pytest.raises(PreceptorError) as raised:
        surface_of(law.sets, law.tried, TrainingCost.of({}), "nope")
    assert raised.value.where == "--of"


def test_a_run_beyond_the_largest_takes_off_some_of_the_forms_error() -> None:
    law = joint_law(COST)
    entry = law.sets["uih"]
    error = FormError(0.1, 6.0, 0, None, 7e5, 1e6, 7e11, FLOOR)
    wrong = replace(law, sets={"uih": replace(entry, laws=tuple(replace(x, form_error=error) for x in entry.laws))})
    sure, open_ = (next_runs(x.sets, x.tried, x.beside(), target=None, flops=None) for x in (law, wrong))
    assert open_.half_width > sure.half_width
    assert open_.most is not None
    assert sure.most is not None
    assert open_.most.params * open_.most.tokens > 7e11
    assert open_.most.narrows > 0.2
    same = [c for c in open_.per_flop if c.params <= 7e5 and c.tokens <= 1e6]
    assert all(c.half_width < open_.half_width for c in same)
