"""Is a parameter known from these points, or only fitted?

A fit always returns numbers. A parameter counts as *identified* when all of this holds:

1. design: each variable takes two more values than its term has parameters (four sizes, four budgets), and the distinct
   (N, D) cells outnumber the law's parameters by two or more, so that the form itself can be seen to fail;
2. optimum: no bound is hit, and more than one start in a hundred reached the best optimum;
3. range: the values that fit as well (profile of the objective within the 95 % quantile of F for the noise around the law)
   close inside the bounds, and lie within ±50 % of the estimate (a coefficient, amid the data: within a factor of 3);
4. interval: where one could be made (see `intervals`), it keeps to the same rules.

Points of one trunk share its luck, so the term in N and the floor are judged by the scatter of runs with the runs' degrees
of freedom, not by that of points. The range says what these points leave open; it is not a confidence interval for new
seeds (that is `intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.core.statistics import student
from preceptor.scaling.fit import Fit
from preceptor.scaling.noise import Scatter
from preceptor.scaling.points import Points

MIN_DOF = 2
HALF_WIDTH = 0.5  # of the estimate, for a floor and for exponents
FACTOR = 3.0  # between the ends, for a coefficient amid the data


@dataclass(frozen=True)
class Verdict:
    """Whether a parameter is identified, why not, and the values that fit as well (None: not sought, or open)."""

    identified: bool
    reason: str = ""
    lo: float | None = None
    hi: float | None = None


def verdicts(fit: Fit, points: Points, scatter: Scatter) -> dict[str, Verdict]:
    """A verdict for each symbol of the form."""
    symbols = fit.form.symbols
    problem = design_problem(fit, points)
    if problem:
        return {s: Verdict(False, problem) for s in symbols}
    starts = len(fit.starts.status)
    if fit.starts.at_best < max(2, starts // 100):
        said = f"only {fit.starts.at_best} of {starts} starts reached the best optimum"
        return {s: Verdict(False, said) for s in symbols}
    first = 1 if fit.form.fixed_floor else 0
    found = {}
    for j, symbol in enumerate(symbols, start=first):
        found[symbol] = _verdict(fit, scatter, j, symbol, len(points))
    return coefficients(found, fit)


def spanning(verdict: Verdict, fit: Fit, symbol: str, interval: tuple[float, float] | None) -> Verdict:
    """The verdict on a floor or an exponent once its 95 % interval is known: one that reaches a bound tells little."""
    is_floor = not fit.form.fixed_floor and symbol == fit.form.symbols[0]
    if interval is None or not verdict.identified or not (is_floor or symbol in ("alpha", "beta")):
        return verdict
    lo, hi = interval
    lowest = np.exp(max(fit.problem.lo[0], fit.problem.y.min() - 7)) * 1.001 if is_floor else 1e-6
    if lo <= lowest:
        said = f"its interval reaches {'the known floor' if is_floor and fit.problem.lo[0] > fit.problem.y.min() - 14 else '0'}"
    elif (hi - lo) / 2 > HALF_WIDTH * abs(fit.parameters[symbol]):
        said = f"its interval is {lo:.3g} to {hi:.3g}"
    else:
        return verdict
    return Verdict(False, said, verdict.lo, verdict.hi)


def coefficients(found: dict[str, Verdict], fit: Fit) -> dict[str, Verdict]:
    """A coefficient as published hangs on its exponent: not identified where that isn't."""
    symbols = fit.form.symbols[0 if fit.form.fixed_floor else 1 :]
    settled = dict(found)
    for coefficient, exponent in zip(symbols[::2], symbols[1::2], strict=True):
        own = found[coefficient]
        if own.identified and not found[exponent].identified:
            own = Verdict(False, f"{exponent} isn't identified")
        settled[coefficient] = Verdict(own.identified, own.reason)
    return settled


def design_problem(fit: Fit, points: Points) -> str:
    """What the design of the sweep lacks for this form; empty where nothing."""
    for name in fit.form.over:
        n, need = len(np.unique(getattr(points, name))), 2 + MIN_DOF
        if n < need:
            return f"{n} different values of {name}; {need} are needed to tell a power law"
    cells = len(set(zip(points.params.tolist(), points.tokens.tolist(), strict=True)))
    left = cells - fit.form.n_free
    if left < MIN_DOF:
        return (
            f"{cells} points for {fit.form.n_free} parameters leave {max(left, 0)} degree(s) of freedom; {MIN_DOF} are needed"
        )
    return ""


def _verdict(fit: Fit, scatter: Scatter, j: int, symbol: str, n: int) -> Verdict:
    if symbol in fit.at_bound:
        return Verdict(False, fit.at_bound[symbol])
    by_runs = scatter.runs > 0 and j <= 2
    dof = max(scatter.runs - 2, 1) if by_runs else n - fit.form.n_free
    limit = student(dof) ** 2 * (scatter.of_runs if by_runs else 1.0)
    lo, hi = profile(fit, scatter, j, limit)
    floor, exponent = j == 0, j > 0 and j % 2 == 0
    values = [None if v is None else float(np.exp(v)) if floor else v for v in (lo, hi)]
    estimate = fit.parameters[symbol]
    if lo is None or hi is None:
        side = "small" if lo is None else "large"
        if floor:
            bound = (
                ("the known floor" if fit.problem.lo[0] > fit.problem.y.min() - 14 else "0")
                if lo is None
                else "the lowest loss"
            )
            reason = f"any value {'down' if lo is None else 'up'} to {bound} fits as well"
        elif exponent and lo is None:
            reason = "0 fits as well"
        else:
            reason = f"arbitrarily {side} values fit as well"
        return Verdict(False, reason, *(values if exponent or floor else (None, None)))
    if exponent or floor:
        low, high = values
        assert low is not None
        assert high is not None
        if (high - low) / 2 > HALF_WIDTH * abs(estimate):
            return Verdict(False, f"{low:.3g} to {high:.3g} fit as well", low, high)
        return Verdict(True, "", low, high)
    if hi - lo > np.log(FACTOR):
        return Verdict(False, f"the term is open by a factor of {np.exp(hi - lo):.2g} amid the data")
    return Verdict(True)


def profile(fit: Fit, scatter: Scatter, j: int, limit: float) -> tuple[float | None, float | None]:
    """The range of theta[j] in which the best fit of the others is worse by no more than `limit`; None where it has no end.

    limit: in units of the residual variance (2·Δobjective).
    """
    problem = fit.problem
    weight = np.full(fit.n, 1.0 / scatter.scale**2)
    # optima of other starts are met too, so that a second valley isn't overlooked
    seeds = np.concatenate([scatter.theta[None], fit.starts.theta[:: max(1, len(fit.starts.theta) // 10)]])
    base = min(problem.minimise(seeds, scatter.delta, weight)[1])

    def excess(v: float, start: np.ndarray) -> tuple[float, np.ndarray]:
        lo, hi = problem.lo.copy(), problem.hi.copy()
        lo[j] = hi[j] = v
        theta, f, *_ = problem.minimise(start[None], scatter.delta, weight, lo=lo, hi=hi)
        return 2.0 * (f[0] - base) - limit, theta[0]

    def end(sign: float, bound: float) -> float | None:
        inside, start, step = float(scatter.theta[j]), scatter.theta, 0.01
        while True:
            outside = inside + sign * step
            beyond = (outside - bound) * sign >= 0
            outside = bound if beyond else outside
            value, theta = excess(outside, start)
            if value > 0:
                break
            if beyond:
                return None
            inside, start, step = outside, theta, 2.0 * step
        for _ in range(16):
            middle = (inside + outside) / 2
            value, theta = excess(middle, start)
            if value > 0:
                outside = middle
            else:
                inside, start = middle, theta
        return inside

    return end(-1.0, float(problem.lo[j])), end(1.0, float(problem.hi[j]))
