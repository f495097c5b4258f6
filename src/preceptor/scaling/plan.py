"""From a law to a budget: the size and the tokens that make the loss least, and what is expected there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity, say
from preceptor.core.relation import Reading, Relation, read_off
from preceptor.scaling.beside import Beside
from preceptor.scaling.budget import Budget
from preceptor.scaling.doubts import doubts_at
from preceptor.scaling.expect import expected
from preceptor.scaling.fitted import FittedLaw, SetLaws, Tried
from preceptor.scaling.intervals import widening
from preceptor.scaling.show_plan import plan_text
from preceptor.scaling.surface import REACH, Surface, sizes_of_draws, surface_of
from preceptor.scaling.training_cost import TrainingCost

_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # of the planned size, along the iso-loss curve


@dataclass(frozen=True)
class Expected:
    """A set's loss at the planned run. interval_80, interval_95: of one new run, None where `note` says why.

    excess: the loss less the known floor, None where none is known. form: of the law at this size, whose resamples the
    intervals are of; averaged: the forms whose average the loss is, where there are several.
    """

    loss: float
    interval_80: tuple[float, float] | None
    interval_95: tuple[float, float] | None
    form: str
    note: str = ""
    excess: float | None = None
    averaged: str = ""


@dataclass(frozen=True)
class Equal:
    """Another run of the same loss: its size, tokens and FLOP; tokens and flops None where no number of tokens reaches it.

    far: whether it lies more than 10× beyond what was fitted.
    """

    params: float
    tokens: float | None
    flops: float | None
    far: bool = False


@dataclass(frozen=True)
class Plan:
    """The best run of a budget. params_interval, tokens_interval: 95 %, of the optimum. epochs: by source.

    beyond: the budget over the largest fitted run. budget, cost, choice: what was asked for, what FLOP are, and how the size
    was chosen, in words. hours, usd: None where no rate or price is known. recall: by metric. same_loss: the iso-loss curve.
    averaged: the forms whose average the target's loss is, where there are several.
    """

    flops: float
    target: str
    params: float
    tokens: float
    params_interval: tuple[float, float] | None
    tokens_interval: tuple[float, float] | None
    losses: Mapping[str, Expected]
    epochs: Mapping[str, float]
    beyond: float
    warnings: tuple[str, ...]
    budget: str = ""
    cost: str = ""
    choice: str = ""
    hours: float | None = None
    usd: float | None = None
    recall: Mapping[str, Reading] = field(default_factory=dict)
    same_loss: tuple[Equal, ...] = ()
    averaged: str = ""

    def __str__(self) -> str:
        return plan_text(self)


def make_plan(
    sets: Mapping[str, SetLaws],
    tried: Tried,
    budget: Budget,
    *,
    target: str | None = None,
    params: float | None = None,
    extrapolate: bool = False,
    beside: Beside | None = None,
) -> Plan:
    """See Law.plan. params: a size to keep to, in place of the best one."""
    beside = beside or Beside()
    surface = surface_of(sets, tried, TrainingCost.of(beside.flops_per_token), target)
    n, d, choice = _run(surface, budget, params)
    flops = float(surface.cost.flops(n, d))
    if n < 1 or d < 1:
        raise PreceptorError("Bad budget", where="flops", found=f"{flops:.3g}", expected="enough for a parameter and a token")
    warnings = within_reach(surface, n, d, extrapolate)
    spans = _optimum_intervals(surface, flops) if params is None and budget.flops is not None else (None, None)
    losses = {name: _expected(entry, law, n, d) for name, entry in sets.items() if (law := entry.at(n))}
    own = losses[surface.name]
    warnings += [*repeats(surface, beside, d), *doubts_at(surface, n)]
    for text in warnings:
        say(f"warning: {text}")
    hours = flops / budget.rate / 3600 if budget.rate else None
    return Plan(
        flops=flops,
        target=surface.name,
        params=n,
        tokens=d,
        params_interval=spans[0],
        tokens_interval=spans[1],
        losses=losses,
        epochs={source: per_token * d for source, per_token in beside.epochs.items()},
        beyond=beyond(surface, n, d),
        warnings=tuple(warnings),
        budget=budget.said or f"{flops:.3g} FLOP",
        cost=surface.cost.said,
        choice=choice,
        hours=hours,
        usd=hours * budget.price if hours is not None and budget.price else None,
        recall={metric: reading(found, own) for metric, found in beside.recall(surface.name).items()},
        same_loss=equals(surface, n, d),
        averaged=surface.entry.mixture(surface.law(n), d),
    )


def beyond(surface: Surface, params: float, tokens: float) -> float:
    """How many times the largest fitted run: in FLOP; in tokens, where each size has a law of its own."""
    if surface.joint:
        return float(surface.cost.flops(params, tokens)) / surface.largest
    return tokens / surface.tried.tokens_range[1]


def within_reach(surface: Surface, params: float, tokens: float, extrapolate: bool, what: str = "the budget") -> list[str]:
    """What to warn of; PreceptorError beyond REACH unless `extrapolate`, with the run that would bring it within reach."""
    far, warnings = beyond(surface, params, tokens), []
    largest = f"{surface.largest:.3g} FLOP" if surface.joint else f"{quantity(surface.tried.tokens_range[1])} tokens"
    said = f"{what} is {far:.3g}× the largest fitted run ({largest})"
    if far > REACH:
        if not extrapolate:
            raise PreceptorError(
                "A law doesn't reach that far",
                where="flops" if surface.joint else "tokens",
                found=said,
                expected=f"at most {REACH:g}×",
                remedy=f"{_next(surface, params, tokens)}, fit again, and plan; or ask for the extrapolation"
                " (extrapolate=True, --extrapolate) and doubt it",
            )
        warnings.append(f"Extrapolated: {said}; bands were judged up to ten times beyond the points, and not farther.")
    (n_lo, n_hi), (d_lo, d_hi) = surface.tried.params_range, surface.tried.tokens_range
    small = float(surface.cost.flops(params, tokens)) < surface.smallest if surface.joint else tokens < d_lo
    if small:
        warnings.append("This run is smaller than the smallest fitted one: models may not have learnt the format there.")
    for name, value, lo, hi in (("parameters", params, n_lo, n_hi), ("tokens", tokens, d_lo, d_hi)):
        if not lo / REACH <= value <= hi * REACH:
            warnings.append(
                f"{quantity(value)} {name} are more than {REACH:g}× outside the fitted {quantity(lo)} – {quantity(hi)}."
            )
    return warnings


def repeats(surface: Surface, beside: Beside, tokens: float) -> list[str]:
    """A warning where the run reads a finite source more often than four times."""
    often = [f"{s} {e * tokens:.3g} times" for s, e in beside.epochs.items() if e * tokens > 4]
    if not often:
        return []
    return [f"The run reads {', '.join(often)}: the law counts every repeat as fresh (see --unique)."]


def reading(found: Relation | str, own: Expected) -> Reading:
    """Recall at a planned loss, or why it isn't known."""
    if isinstance(found, str):
        return Reading(None, note=f"not read off: {found}")
    return read_off(found, own.loss, own.interval_80, own.interval_95)


def equals(surface: Surface, params: float, tokens: float) -> tuple[Equal, ...]:
    """Runs of other sizes with the loss of this one, smallest first."""
    wanted = float(surface.loss(params, tokens))
    sizes = params * np.array(_FACTORS) if surface.joint else surface.sizes
    found = []
    for n in sizes.tolist():
        d = tokens if n == params else tokens_for(surface, n, wanted)
        if d is None:
            found.append(Equal(n, None, None))
        else:
            found.append(Equal(n, d, float(surface.cost.flops(n, d)), beyond(surface, n, d) > REACH))
    return tuple(found)


def tokens_for(surface: Surface, params: float, loss: float) -> float | None:
    """Tokens after which a size has a loss; None where it never has."""
    if surface.bottom(params) >= loss:
        return None
    lo, hi = 0.0, np.log(1e40)
    for _ in range(80):
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if surface.loss(params, np.exp(middle)) > loss else (lo, middle)
    return float(np.exp(hi)) if hi < np.log(9e39) else None


def _run(surface: Surface, budget: Budget, params: float | None) -> tuple[float, float, str]:
    """(size, tokens, how it was chosen)."""
    if params is not None:
        n = surface.nearest(params)
        d = budget.tokens if budget.tokens is not None else float(surface.cost.tokens(n, budget.flops or 0.0))
        return n, d, "the size asked for"
    if budget.flops is not None:
        n, d = (float(v[0]) for v in surface.best(budget.flops))
        best = "the size of least loss" if surface.joint else "of the trained sizes the one of least loss"
        return n, d, best
    assert budget.tokens is not None
    best = (
        "the size for which these tokens are the best number" if surface.joint else "of the trained sizes the one of least loss"
    )
    return surface.size_for(budget.tokens), budget.tokens, best


def _next(surface: Surface, params: float, tokens: float) -> str:
    """The run to make next on the way to one that is out of reach."""
    if surface.joint:
        step = min(float(surface.cost.flops(params, tokens)) / REACH, REACH * surface.largest)
        n, d = (float(v[0]) for v in surface.best(step))
    else:
        n, d = params, min(tokens / REACH, REACH * surface.tried.tokens_range[1])
    cost = float(surface.cost.flops(n, d))
    return f"train a run of {quantity(n)} parameters on {quantity(d)} tokens next ({cost:.3g} FLOP)"


def _expected(entry: SetLaws, law: FittedLaw, params: float, tokens: float) -> Expected:
    found, floor = expected(law, params, tokens, entry.centre(law, params, tokens)), entry.floor
    loss = float(found.loss[0])
    notes = ("" if entry.identified(law, params) else "not identified", found.reason)
    i80, i95 = (None if i is None else (float(i[0][0]), float(i[1][0])) for i in (found.interval_80, found.interval_95))
    excess = None if floor is None else loss - floor
    return Expected(loss, i80, i95, law.form, "; ".join(filter(None, notes)), excess, entry.mixture(law, tokens))


def _optimum_intervals(surface: Surface, flops: float) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """95 % intervals of N* and D*, from the optima of the resamples."""
    if not surface.joint or not len(surface.laws[0].draws):
        return None, None
    sizes = sizes_of_draws(surface, flops)
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    lo, middle, hi = np.quantile(np.log(sizes), [0.025, 0.5, 0.975])
    factor = widening(surface.laws[0].draws_dof, 0.95)
    ends = np.exp([middle + factor * (lo - middle), middle + factor * (hi - middle)])
    both = np.sort(np.stack([ends, surface.cost.tokens(ends, flops)]), axis=1)
    (n_lo, n_hi), (d_lo, d_hi) = both.tolist()
    return (n_lo, n_hi), (d_lo, d_hi)
