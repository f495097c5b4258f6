"""Which run to make next: the one that narrows a forecast most for what it costs, by the resamples of the law.

Over the resamples, the log of what is left above the floor at the forecast (f) and at a candidate cell (c) vary together. A run
there, whose own luck has the variance σ², leaves Var(f) − Cov(f, c)²/(Var(c) + σ²) of Var(f): the update of a linear model. A
run that is larger than all before also brings the forecast nearer to what was fitted, and so takes off some of the form's
error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity
from preceptor.scaling.beside import Beside
from preceptor.scaling.doubts import doubts_at
from preceptor.scaling.expect import form_spread, run_noise
from preceptor.scaling.fitted import FittedLaw, SetLaws, Tried
from preceptor.scaling.surface import REACH, Surface, surface_of
from preceptor.scaling.training_cost import TrainingCost

SHOWN = 3
MIN_SHARE = 0.02  # of the variance: a run that takes less isn't worth its start-up
_DOUBLINGS = 2  # of sizes and tokens beyond those that were trained


@dataclass(frozen=True)
class Candidate:
    """A run that could be made. narrows: the share of the forecast's variance (less a run's luck) that it takes away. depth: of
    the ladder, where known. half_width: of the 95 % interval afterwards, of the log of what is left above the floor."""

    params: float
    tokens: float
    flops: float
    narrows: float
    half_width: float
    depth: int | None


@dataclass(frozen=True)
class NextRuns:
    """The best runs to make next for a forecast at (params, tokens).

    half_width: of its 95 % interval now, of the log of what is left above the floor, luck of a run included. per_flop: best
    first; most: the run that narrows it most at all. warnings: what the fit says against the law.
    """

    target: str
    params: float
    tokens: float
    flops: float
    half_width: float
    per_flop: tuple[Candidate, ...]
    most: Candidate | None
    note: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [
            f"Forecast of {self.target} at N = {quantity(self.params)}, D = {quantity(self.tokens)} ({self.flops:.3g} FLOP):"
            f" ± {_percent(self.half_width)} of what is left above the floor (95 %)"
        ]
        lines += [f"  ! {text}" for text in (self.note, *self.warnings) if text]
        if not self.per_flop:
            return "\n".join([*lines, f"  No single run takes {MIN_SHARE:.0%} off its variance: make a larger one."])
        lines += ["", f"  {'parameters':>10} {'tokens':>8} {'FLOP':>9} {'variance':>9} {'per FLOP':>9}  then"]
        lines += [self._row(c) for c in self.per_flop]
        if self.most is not None and self.most not in self.per_flop:
            lines += ["  most of all, whatever it costs:", self._row(self.most)]
        return "\n".join([*lines, "", *commands(self.per_flop)])

    def _row(self, c: Candidate) -> str:
        base = self.per_flop[0].narrows / self.per_flop[0].flops
        return (
            f"  {quantity(c.params):>10} {quantity(c.tokens):>8} {c.flops:>9.3g} {-c.narrows:>9.1%}"
            f" {c.narrows / c.flops / base:>8.2f}×  ± {_percent(c.half_width)}"
        )


def commands(found: Sequence[Candidate]) -> list[str]:
    """How to make these runs, and what to do with them."""
    lines = []
    for c in found:  # lm.seeds has a number for each depth, so it is set with them; depths last, since a remark may follow
        depth = f"[{c.depth}]" if c.depth is not None else f"[DEPTH]  # of about {quantity(c.params)} parameters"
        settings = f"--set lm.seed=1 --set lm.seeds=[1] --set lm.tokens=[{c.tokens:.0f}] --set lm.depths={depth}"
        lines.append(f"  preceptor pretrain STUDY --out run/next {settings}")
    return [*lines, "  Add its rows of lm/points.csv to the table, under a run name of their own, and fit again."]


def next_runs(
    sets: Mapping[str, SetLaws], tried: Tried, beside: Beside, *, target: str | None, flops: float | None,
    params: float | None = None, budgets: Sequence[float] = (),
) -> NextRuns:  # fmt: skip
    """The runs that narrow the forecast at a budget (default: 10× the largest run) most per FLOP.

    budgets: tokens that runs of the table had. Raises PreceptorError where no law has resamples.
    """
    surface, note = _open(sets, tried, TrainingCost.of(beside.flops_per_token), target)
    if params is not None:
        n = surface.nearest(params)
        d = float(surface.cost.tokens(n, flops or REACH * surface.largest))
    elif surface.joint:
        n, d = (float(v[0]) for v in surface.best(flops or REACH * surface.largest))
        if not surface.laws[0].identified:  # its best size would be invented: the largest one instead
            n = tried.params_range[1]
            d = float(surface.cost.tokens(n, flops or REACH * surface.largest))
    else:
        n, d = _of_trained(surface, flops)
    law = surface.told_by(n)
    if len(law.draws) < 4:
        printed = law.n == 0  # a law that others printed: runs of one's own don't narrow it
        raise PreceptorError(
            "No run can be chosen: this law has no resamples", found=law.interval_reason,
            expected="a law fitted to runs of your own" if printed else "intervals, which need at least two seeds of some size",
            remedy="make a table of your own runs, fit it (preceptor fit), and ask that law" if printed
            else "make a second seed of the smallest size next",
        )  # fmt: skip
    wanted = _log_left(law, n, d)
    luck = run_noise(law) ** 2
    variance = float(np.var(wanted))
    of_form = float(form_spread(law, n, d, surface.loss(n, d).reshape(-1))[0]) ** 2
    cost = float(surface.cost.flops(n, d))

    def half_width(open_: float) -> float:
        """Of the interval of the forecast, whose law leaves a variance open."""
        return 1.96 * math.sqrt(open_ + luck)

    found = []
    for size, depth in _sizes(surface, n, beside):
        for tokens in _tokens(tried, budgets, d):
            price = float(surface.cost.flops(size, tokens))
            if price >= cost:
                continue
            there = _log_left(law, size, tokens)
            share = _share(wanted, there, luck)
            left = max(variance * (1 - share), 0.0) + of_form * _form_left(law, size, tokens, n, d)
            narrows = 1 - left / (variance + of_form) if variance + of_form > 0 else 0.0
            found.append(Candidate(size, tokens, price, narrows, half_width(left), depth))
    worth = sorted((c for c in found if c.narrows >= MIN_SHARE), key=lambda c: -c.narrows / c.flops)
    most = max(found, key=lambda c: c.narrows, default=None)
    return NextRuns(
        surface.name, n, d, cost, half_width(variance + of_form), tuple(worth[:SHOWN]), most, note, tuple(doubts_at(surface, n))
    )


def _percent(log_half_width: float) -> str:
    return f"{100 * math.expm1(log_half_width):.3g} %"


def _open(sets: Mapping[str, SetLaws], tried: Tried, cost: TrainingCost, target: str | None) -> tuple[Surface, str]:
    """The law to plan with; where none is identified, a chosen joint law with resamples, and what that means."""
    try:
        return surface_of(sets, tried, cost, target), ""
    except PreceptorError:
        names = [target] if target in sets else sorted(sets, key=lambda s: sets[s].floor is None)
        for name in names:
            entry = sets[name or ""]
            joint = entry.law(entry.chosen) if entry.chosen else None
            if joint is not None and len(joint.draws) > 1:
                said = f"This law isn't identified ({joint.why_not}): the runs narrow a forecast that is still open."
                return Surface(entry.name, entry, (joint,), cost, tried), said
        raise


def _of_trained(surface: Surface, flops: float | None) -> tuple[float, float]:
    if flops is not None:
        sizes, tokens = surface.best(flops)
        return float(sizes[0]), float(tokens[0])
    return float(surface.sizes[-1]), REACH * surface.tried.tokens_range[1]


def _share(wanted: np.ndarray, there: np.ndarray, luck: float) -> float:
    """The share of Var(wanted) that a run takes away, less what chance would give so few resamples."""
    n, variance = len(wanted), float(np.var(wanted))
    if variance <= 0 or n < 4:
        return 0.0
    covariance = float(np.mean((wanted - wanted.mean()) * (there - there.mean())))
    share = covariance**2 / (float(np.var(there)) + luck) / variance
    return max(0.0, 1 - (1 - min(share, 1.0)) * (n - 1) / (n - 2))


def _form_left(law: FittedLaw, size: float, tokens: float, n: float, d: float) -> float:
    """The share of the variance owed to the form that a run at (size, tokens) leaves to the forecast at (n, d)."""
    if law.form_error is None:
        return 1.0
    before = float(law.form_error.beyond(n, d)[0])
    if before == 0:
        return 0.0
    e = law.form_error
    wider = replace(e, params=max(e.params, size), tokens=max(e.tokens, tokens), product=max(e.product, size * tokens))
    return (float(wider.beyond(n, d)[0]) / before) ** 2


def _log_left(law: FittedLaw, params: float, tokens: float) -> np.ndarray:
    """Log of the loss above the law's fixed floor, of every resample [R]."""
    return np.log(law.predict(params, tokens, law.draws)[:, 0] - law.floor)


def _sizes(surface: Surface, params: float, beside: Beside) -> list[tuple[float, int | None]]:
    if not surface.joint:
        return [(params, beside.depths.get(params))]
    lo, hi = surface.tried.params_range
    known = sorted(beside.depths) or np.geomspace(lo, hi, 4).tolist()
    beyond = [hi * 2.0**k for k in range(1, _DOUBLINGS + 1)]
    return [(float(n), beside.depths.get(n)) for n in [*known, *beyond]]


def _tokens(tried: Tried, budgets: Sequence[float], most: float) -> list[float]:
    lo, hi = tried.tokens_range
    steps = round(math.log2(hi / lo))
    known = sorted(set(budgets)) or [hi / 2.0**k for k in range(steps, -1, -1)]
    return [d for d in [*known, *(hi * 2.0**k for k in range(1, _DOUBLINGS + 1))] if d < most or d <= hi]
