"""When to stop repeating: what further passes over the same tokens are worth (Muennighoff et al. 2023, arXiv 2305.16264)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from preceptor.core.progress import quantity
from preceptor.scaling.published import REPEATS
from preceptor.scaling.repetition import effective
from preceptor.scaling.surface import Surface

LITTLE = 0.1  # of what a fresh token is worth: there repeating ends
_EPOCHS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Pass:
    """Reading the unique tokens so often. worth: as fresh tokens; next_worth: of one more token, in fresh ones."""

    epochs: float
    tokens: float
    worth: float
    next_worth: float
    flops: float
    loss: float


@dataclass(frozen=True)
class Stopping:
    """When to stop repeating `unique` tokens at a size. half: epochs after which the next token is worth half a fresh one.

    stop: epochs after which it is worth LITTLE. endless: the loss of that many fresh tokens. source: of r_data and r_params.
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

    def __str__(self) -> str:
        last = self.passes[-1]
        lines = [
            f"{quantity(self.unique)} unique tokens at N = {quantity(self.params)}: stop after {self.stop:.3g} epochs"
            f" ({quantity(self.stop * self.unique)} tokens), where another token is worth a tenth of a fresh one",
            f"  half of a fresh one: after {self.half:.3g} epochs. {self.source}",
            "",
            f"  {'epochs':>6} {'tokens':>8} {'as fresh':>9} {'next token':>10} {'FLOP':>9}  loss of {self.target}",
        ]
        lines += [
            f"  {p.epochs:>6.3g} {quantity(p.tokens):>8} {quantity(p.worth):>9} {p.next_worth:>10.0%} {p.flops:>9.3g}"
            f"  {p.loss:.4g}"
            for p in self.passes
        ]
        lines.append(f"  {quantity(last.tokens)} fresh tokens instead: {self.endless:.4g}")
        return "\n".join(lines)


def when_to_stop(surface: Surface, unique: float, params: float | None) -> Stopping:
    """How often to read `unique` tokens. params: the size; by default the one for which they are the best number of tokens."""
    r_data, r_params, source = _worth(surface)
    n = surface.size_for(unique) if params is None else surface.nearest(params)
    passes = tuple(_pass(surface, unique, n, float(e), r_data, r_params) for e in _EPOCHS)
    return Stopping(
        surface.name, unique, n, 1 + r_data * math.log(2), 1 + r_data * math.log(1 / LITTLE),
        float(surface.loss(n, passes[-1].tokens)), r_data, r_params, source, passes,
    )  # fmt: skip


def repeated_loss(
    surface: Surface, params: float, tokens: float, unique: float, r_data: float, r_params: float
) -> tuple[float, float]:
    """(loss, tokens as fresh ones) of a size that reads `unique` tokens until it has read `tokens`."""
    worth, _ = effective(np.array([unique]), np.array([tokens]), r_data)
    size = params
    if surface.joint:  # parameters beyond those that the unique tokens call for are worth less too
        called_for = min(surface.size_for(unique), params)
        size = float(effective(np.array([called_for]), np.array([params]), r_params)[0][0])
    return float(surface.loss(size, worth[0])), float(worth[0])


def _pass(surface: Surface, unique: float, params: float, epochs: float, r_data: float, r_params: float) -> Pass:
    tokens = epochs * unique
    loss, worth = repeated_loss(surface, params, tokens, unique, r_data, r_params)
    flops = float(surface.cost.flops(params, tokens))
    return Pass(epochs, tokens, worth, math.exp(-(epochs - 1) / r_data), flops, loss)


def _worth(surface: Surface) -> tuple[float, float, str]:
    """(R*_D, R*_N, where they are from)."""
    fitted = surface.entry.repetition
    if fitted is not None and not fitted.reasons.get("R_D", "?"):
        own_size = fitted.values["R_N"] if not fitted.reasons.get("R_N", "?") else REPEATS["R_N"]
        said = f"R*_D = {fitted.values['R_D']:.3g}, fitted to {fitted.n} runs of this study that repeated."
        return fitted.values["R_D"], own_size, said
    why = "no run of this study repeats" if fitted is None else fitted.reasons.get("R_D") or "not identified"
    published = f"R*_D = {REPEATS['R_D']} and R*_N = {REPEATS['R_N']}"
    said = f"{published} are the published ones of text (2305.16264), not of this log: {why}."
    return REPEATS["R_D"], REPEATS["R_N"], said
