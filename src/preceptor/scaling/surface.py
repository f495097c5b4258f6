"""The law that a plan rests on, as a loss over sizes and tokens: a joint law, or laws of tokens at the sizes that were trained.

What N does is often not identified where what D does is, at each size. Then a plan chooses among the trained sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.progress import quantity
from preceptor.scaling.expect import Expectation, expected
from preceptor.scaling.fitted import FittedLaw, SetLaws, Tried
from preceptor.scaling.forms import FORMS, natural
from preceptor.scaling.training_cost import TrainingCost

REACH = 10.0  # times the largest fitted run: farther is extrapolation
SAME_SIZE = 0.005  # sizes that agree to this share are the same: 417k means 417,040


@dataclass(frozen=True)
class Surface:
    """The loss of a set over sizes and tokens. laws: one joint law, or identified laws of tokens, smallest size first.

    Losses are those of `SetLaws.centre`: averaged over the set's forms where these have weights. Intervals add what the law's
    own resamples leave open.
    """

    name: str
    entry: SetLaws
    laws: tuple[FittedLaw, ...]
    cost: TrainingCost
    tried: Tried

    @property
    def joint(self) -> bool:
        """Whether N is continuous; else only the trained sizes of `sizes` have a law."""
        return self.laws[0].params is None

    @property
    def sizes(self) -> np.ndarray:
        """Sizes with a law of their own; empty for a joint law."""
        return np.array([law.params for law in self.laws if law.params is not None], dtype=np.float64)

    @property
    def floor(self) -> float | None:
        """The known floor of the set."""
        return self.entry.floor

    @property
    def largest(self) -> float:
        """FLOP of the run that cost most."""
        return float(self.cost.flops(*self.tried.largest))

    @property
    def smallest(self) -> float:
        """FLOP of the smallest size on the fewest tokens."""
        return float(self.cost.flops(self.tried.params_range[0], self.tried.tokens_range[0]))

    def nearest(self, params: float) -> float:
        """The size itself; of laws of single sizes, the trained size meant. Raises PreceptorError for any other."""
        if self.joint:
            return params
        near = self.sizes[np.argmin(np.abs(np.log(self.sizes / params)))]
        if abs(near / params - 1) > SAME_SIZE:
            raise PreceptorError(
                "No law of this size", where="--params", found=quantity(params),
                expected="one of " + ", ".join(quantity(n) for n in self.sizes),
                remedy="each size has a law of its own here, so that only trained sizes can be planned with",
            )  # fmt: skip
        return float(near)

    def law(self, params: float) -> FittedLaw:
        """The law that holds at a size."""
        return self.laws[0] if self.joint else next(law for law in self.laws if law.params == params)

    def told_by(self, params: float) -> FittedLaw:
        """The law whose resamples and noise make the interval at a size: of those averaged the one of most weight."""
        return self.laws[0] if self.joint else self.entry.of_size(params) or self.law(params)

    def expected(self, params: float, tokens: np.ndarray | float) -> Expectation:
        """The losses of new runs of one size on tokens [n], with intervals."""
        law = self.told_by(params)
        return expected(law, params, tokens, self.entry.centre(law, params, tokens))

    def loss(self, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """Losses at sizes and tokens, broadcast."""
        params, tokens = np.broadcast_arrays(np.asarray(params, np.float64), np.asarray(tokens, np.float64))
        if self.joint:
            return self.entry.centre(self.laws[0], params.ravel(), tokens.ravel()).reshape(params.shape)
        values = np.full(params.shape, np.nan)
        for law in self.laws:
            at = params == law.params
            if at.any():
                values[at] = self.entry.centre(law, params[at], tokens[at])
        return values

    def best(self, flops: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """(sizes, tokens) of the least loss for budgets [m]."""
        budgets = np.atleast_1d(np.asarray(flops, np.float64))
        if self.joint:
            params = optimal_sizes(self, budgets)
        else:
            tokens = np.stack([self.cost.tokens(n, budgets) for n in self.sizes])
            losses = np.stack([self.loss(n, d) for n, d in zip(self.sizes, tokens, strict=True)])
            far = tokens > REACH * self.tried.tokens_range[1]
            # a size whose law doesn't reach as far is left out; where none reaches, the largest is the nearest to reaching
            params = np.where(far.all(axis=0), self.sizes[-1], self.sizes[np.argmin(np.where(far, np.inf, losses), axis=0)])
        return params, self.cost.tokens(params, budgets)

    def size_for(self, tokens: float) -> float:
        """The size for which so many tokens are the best number; without a law in N the trained size of least loss."""
        if not self.joint:
            return float(self.sizes[np.argmin([float(self.loss(n, tokens)) for n in self.sizes])])
        lo, hi = np.log(self.smallest * 1e-9), np.log(self.largest * 1e15)
        while hi - lo > 1e-6:
            middle = (lo + hi) / 2
            lo, hi = (middle, hi) if self.best(np.exp(middle))[1][0] < tokens else (lo, middle)
        return float(self.best(np.exp(hi))[0][0])

    def bottom(self, params: float | None) -> float:
        """The loss that no budget goes below: of all sizes, or of one."""
        laws = self.laws if params is None or self.joint else (self.law(params),)
        if self.joint:
            return float(self.entry.centre(laws[0], 1e300 if params is None else params, 1e300)[0])
        return min(float(self.entry.centre(law, law.params or 0.0, 1e300)[0]) for law in laws)

    @property
    def averaged(self) -> bool:
        """Whether losses are the average of several forms."""
        weights = self.entry.weights.get("joint" if self.joint else "size", {})
        return len({*weights, self.laws[0].form}) > 1


def optimum(law: FittedLaw, flops: float, theta: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(N*, D*) of a joint law under C = 6·N·D (Hoffmann et al. 2022, eq. 4); with theta [R, 5], of each resample [R].

    N* = G·(C/6)^(β/(α+β)), D* = (C/6)/N*, G = (αA/βB)^(1/(α+β)).
    """
    values = natural(law.theta if theta is None else theta, law.centre, FORMS[law.form])
    a, alpha, b, beta = (values[..., -4 + k] for k in range(4))
    with np.errstate(all="ignore"):
        log_n = (np.log(alpha * a) - np.log(beta * b) + beta * np.log(flops / 6)) / (alpha + beta)
    return np.exp(log_n), np.exp(np.log(flops / 6) - log_n)


def optimal_sizes(surface: Surface, flops: np.ndarray) -> np.ndarray:
    """N* of a joint law for budgets [m]: in closed form for one form under 6·N·D, else by a search that narrows four times."""
    if not surface.cost.sizes and not surface.averaged:
        return np.asarray([optimum(surface.laws[0], c)[0] for c in flops], np.float64).reshape(-1)
    lo, hi = np.log(surface.tried.params_range[0] * 1e-3), np.log(surface.tried.params_range[1] * 1e4)
    grid = np.broadcast_to(np.linspace(lo, hi, 161), (len(flops), 161))
    for _ in range(4):
        params = np.exp(grid)
        losses = surface.loss(params, surface.cost.tokens(params, flops[:, None]))
        at = np.argmin(losses, axis=1)[:, None]
        step = grid[:, 1:2] - grid[:, :1]
        centre = np.take_along_axis(grid, at, axis=1)
        grid = centre + step * np.linspace(-1, 1, 41)
    return np.exp(centre[:, 0])


def sizes_of_draws(surface: Surface, flops: float) -> np.ndarray:
    """N* of each resample of a joint law [R]: of the chosen form, moved by the ratio of the average's N* to that form's own."""
    law = surface.laws[0]
    alone = replace(surface, entry=replace(surface.entry, weights={}))
    moved = float(surface.best(flops)[0][0] / alone.best(flops)[0][0]) if surface.averaged else 1.0
    if not surface.cost.sizes:
        return moved * optimum(law, flops, law.draws)[0]
    lo, hi = np.log(surface.tried.params_range[0] * 1e-3), np.log(surface.tried.params_range[1] * 1e4)
    grid = np.exp(np.linspace(lo, hi, 1201))
    losses = law.predict(grid, surface.cost.tokens(grid, flops), law.draws)
    return moved * grid[np.argmin(losses, axis=1)]


def surface_of(sets: Mapping[str, SetLaws], tried: Tried, cost: TrainingCost, target: str | None) -> Surface:
    """The law to plan with: of the set asked for, else of the first that has one, sets with a known floor first.

    An identified joint law comes before identified laws of single sizes, unless these told later budgets better. Raises
    PreceptorError where nothing is identified.
    """
    if target is not None and target not in sets:
        raise PreceptorError("No such set", where="--of", found=target, expected=", ".join(sets))
    names = [target] if target else sorted(sets, key=lambda s: sets[s].floor is None)
    reasons = []
    for name in names:
        entry = sets[name]
        joint = entry.law(entry.chosen) if entry.chosen else None
        kinds = [(joint,) if joint is not None and joint.identified else (), _of_sizes(entry)]
        laws = next(filter(None, reversed(kinds) if entry.own_first else kinds), None)
        if laws:
            return Surface(name, entry, laws, cost, tried)
        why = f"{name} ({joint.form}): {joint.why_not}" if joint else f"{name}: {_no_joint(entry)}"
        reasons.append(why)
    raise PreceptorError(
        "No plan: no law is identified by these points",
        found=Lines(reasons[:6]),
        expected="a joint law whose parameters are all identified, or such a law of tokens at some size",
        remedy=f"{_next_run(sets[names[0]], tried)}; a plan from this law would be invented",
    )


def _no_joint(entry: SetLaws) -> str:
    return entry.not_fitted.get("joint", "no joint law")


def _next_run(entry: SetLaws, tried: Tried) -> str:
    """The run to make next where no law is identified: what the design lacks first, then seeds, then reach."""
    (n_lo, n_hi), (_, d_hi) = tried.params_range, tried.tokens_range
    sizes = {law.params for law in entry.laws if law.params is not None}
    reasons = " ".join([law.why_not for law in entry.laws] + list(entry.not_fitted.values()))
    if "of tokens" in reasons or "degree(s) of freedom" in reasons:
        return f"train a run of {quantity(n_hi)} parameters on {quantity(2 * d_hi)} tokens next: there are too few budgets"
    if "of params" in reasons:
        where = f"{quantity(np.sqrt(n_lo * n_hi))} parameters" if len(sizes) > 1 else f"{quantity(4 * n_hi)} parameters"
        return f"train a run of {where} on {quantity(d_hi)} tokens next: there are too few sizes"
    if any(law.noise is None for law in entry.laws):
        return (
            f"train a second seed of {quantity(n_lo)} parameters on all budgets next: nothing measures the noise between runs"
        )
    return f"train a run of {quantity(n_hi)} parameters on {quantity(2 * d_hi)} tokens next"


def _of_sizes(entry: SetLaws) -> tuple[FittedLaw, ...]:
    """Identified laws of tokens, one form for all sizes: with the known floor where there is one."""
    for form in ("excess", "data"):
        found = [law for law in entry.laws if law.form == form and law.params is not None and law.identified]
        if found:
            return tuple(sorted(found, key=lambda law: law.params or 0.0))
    return ()
