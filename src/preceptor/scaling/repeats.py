"""When to stop repeating: what further passes over the same tokens are worth (Muennighoff et al. 2023, arXiv 2305.16264)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from preceptor.core.progress import quantity
from preceptor.scaling.doubts import doubts_at
from preceptor.scaling.plan import beyond, within_reach
from preceptor.scaling.published import REPEATS
from preceptor.scaling.repetition import effective
from preceptor.scaling.surface import REACH, Surface

LITTLE = 0.1  # of what a fresh token is worth: there repeating ends
_FAR = "   beyond 10×"
_EPOCHS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Pass:
    """Reading the unique tokens so often. worth: as fresh tokens; next_worth: of one more token, in fresh ones.

    interval_95: of the loss of one new run, None where the law has none. far: whether that is more than 10× beyond what was
    fitted.
    """

    epochs: float
    tokens: float
    worth: float
    next_worth: float
    flops: float
    loss: float
    interval_95: tuple[float, float] | None = None
    far: bool = False


@dataclass(frozen=True)
class Stopping:
    """When to stop repeating `unique` tokens at a size. half: epochs after which the next token is worth half a fresh one.

    stop: epochs after which it is worth LITTLE. endless: the loss of that many fresh tokens, endless_far: whether that is more
    than 10× beyond what was fitted. source: of r_data and r_params. choice: how the size was chosen.
    """

    target: str
    unique: float
    params: float
    half: float
    stop: float
    endless: float
    r_data: float
    r_params: float
    source: str
    passes: tuple[Pass, ...]
    endless_far: bool = False
    choice: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        last = self.passes[-1]
        lines = [
            f"{quantity(self.unique)} unique tokens at N = {quantity(self.params)}: stop after {self.stop:.3g} epochs"
            f" ({quantity(self.stop * self.unique)} tokens), where another token is worth a tenth of a fresh one",
            f"  the size: {self.choice}",
            f"  half of a fresh one: after {self.half:.3g} epochs. {self.source}",
            "",
            f"  {'epochs':>6} {'tokens':>8} {'as fresh':>9} {'next token':>10} {'FLOP':>9}  loss of {self.target}, 95 %",
        ]
        for p in self.passes:
            span = "no interval" if p.interval_95 is None else f"{p.interval_95[0]:.4g} – {p.interval_95[1]:.4g}"
            lines.append(
                f"  {p.epochs:>6.3g} {quantity(p.tokens):>8} {quantity(p.worth):>9} {p.next_worth:>10.0%} {p.flops:>9.3g}"
                f"  {p.loss:.4g}   {span}" + (_FAR if p.far else "")
            )
        lines.append(f"  {quantity(last.tokens)} fresh tokens instead: {self.endless:.4g}" + (_FAR if self.endless_far else ""))
        if any(p.interval_95 for p in self.passes):
            lines.append("  These intervals are of the law and of a run; what a repeated token is worth is taken as known.")
        return "\n".join(lines + [f"  ! {w}" for w in self.warnings])


def when_to_stop(surface: Surface, unique: float, params: float | None, extrapolate: bool = False) -> Stopping:
    """How often to read `unique` tokens. params: the size; by default the one for which they are the best number of tokens,
    or the nearest trained one.

    Raises PreceptorError where what is read until the stop is worth more than 10× the largest fitted run, unless `extrapolate`.
    """
    r_data, r_params, source = _worth(surface)
    n, choice = _size(surface, unique) if params is None else (surface.nearest(params), "the size asked for")
    stop = 1 + r_data * math.log(1 / LITTLE)
    size, worth = effective_run(surface, n, stop * unique, unique, r_data, r_params)
    what = f"reading until then is worth {quantity(worth)} fresh tokens, which"
    warnings = within_reach(surface, n, worth, extrapolate, what)
    lowest = surface.tried.params_range[0] / REACH
    if size < lowest <= n:
        warnings.append(
            f"By this law these tokens call for so few parameters that {quantity(n)} count as {quantity(size)}, more than"
            f" {REACH:g}× below any that were trained: doubt the losses."
        )
    passes = tuple(_pass(surface, unique, n, float(e), r_data, r_params) for e in _EPOCHS)
    most = passes[-1].tokens
    return Stopping(
        surface.name, unique, n, 1 + r_data * math.log(2), stop, float(surface.loss(n, most)), r_data, r_params, source, passes,
        beyond(surface, n, most) > REACH, choice, (*warnings, *doubts_at(surface, n)),
    )  # fmt: skip


def _size(surface: Surface, unique: float) -> tuple[float, str]:
    """(the size for which so many tokens are the best number, how it was chosen), never outside of what was trained."""
    best = surface.size_for(unique)
    lo, hi = surface.tried.params_range
    if not surface.joint:
        return best, "of the trained sizes the one of least loss on these tokens"
    if lo <= best <= hi:
        return best, "the size for which these tokens are the best number"
    end = "smallest" if best < lo else "largest"
    return min(
        max(best, lo), hi
    ), f"the {end} trained one; these tokens would be the best number for {quantity(best)} parameters"


def effective_run(
    surface: Surface, params: float, tokens: float, unique: float, r_data: float, r_params: float
) -> tuple[float, float]:
    """(parameters, tokens) of the fresh run that is worth as much as reading `unique` tokens until `tokens` are read."""
    worth, _ = effective(np.array([unique]), np.array([tokens]), r_data)
    size = params
    if surface.joint:  # parameters beyond those that the unique tokens call for are worth less too
        called_for = min(surface.size_for(unique), params)
        size = float(effective(np.array([called_for]), np.array([params]), r_params)[0][0])
    return size, float(worth[0])


def _pass(surface: Surface, unique: float, params: float, epochs: float, r_data: float, r_params: float) -> Pass:
    tokens = epochs * unique
    size, worth = effective_run(surface, params, tokens, unique, r_data, r_params)
    found = surface.expected(size, worth)
    span = None if found.interval_95 is None else (float(found.interval_95[0][0]), float(found.interval_95[1][0]))
    flops = float(surface.cost.flops(params, tokens))
    far = beyond(surface, params, worth) > REACH
    return Pass(epochs, tokens, worth, math.exp(-(epochs - 1) / r_data), flops, float(found.loss[0]), span, far)


def _worth(surface: Surface) -> tuple[float, float, str]:
    """(R*_D, R*_N, where they are from)."""
    fitted = surface.entry.repetition
    if fitted is not None and not fitted.reasons.get("R_D", "?"):
        own_size = fitted.values["R_N"] if not fitted.reasons.get("R_N", "?") else REPEATS["R_N"]
        said = f"R*_D = {fitted.values['R_D']:.3g}, fitted to {fitted.n} runs of this study that repeated."
        return fitted.values["R_D"], own_size, said
    if fitted is not None:
        why = fitted.reasons.get("R_D") or "not identified"
    elif surface.entry.repeated:
        why = f"{surface.entry.repeated} points repeat, and without a joint law of fresh ones nothing can be fitted to them"
    else:
        why = "no run of this study repeats"
    published = f"R*_D = {REPEATS['R_D']} and R*_N = {REPEATS['R_N']}"
    said = f"{published} are the published ones of text (2305.16264), not of this log: {why}."
    return REPEATS["R_D"], REPEATS["R_N"], said
