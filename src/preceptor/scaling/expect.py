"""What a law expects of a new run, with its interval: the one place where the interval of a forecast is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from preceptor.scaling.bands import reach
from preceptor.scaling.fitted import FittedLaw
from preceptor.scaling.forms import FORMS
from preceptor.scaling.intervals import widening

LEVELS = (0.8, 0.95)


@dataclass(frozen=True)
class Expectation:
    """Losses [n] of new runs. interval_80, interval_95: (lo [n], hi [n]), None where `reason` says why."""

    loss: np.ndarray
    interval_80: tuple[np.ndarray, np.ndarray] | None
    interval_95: tuple[np.ndarray, np.ndarray] | None
    reason: str = ""

    def __str__(self) -> str:
        lines = []
        for i, loss in enumerate(self.loss):
            pairs = [(level, pair) for level, pair in zip(LEVELS, (self.interval_80, self.interval_95), strict=True) if pair]
            spans = [f"{level:.0%} {lo[i]:.4g} – {hi[i]:.4g}" for level, (lo, hi) in pairs]
            lines.append("   ".join([f"{loss:.4g}", *(spans or ["no interval"])]))
        return "\n".join(lines + ([f"({self.reason})"] if self.reason else []))


def expected(
    law: FittedLaw, params: np.ndarray | float, tokens: np.ndarray | float, centre: np.ndarray | None = None
) -> Expectation:
    """The loss of one new run at each size and number of tokens [n], with 80 and 95 % prediction intervals.

    centre [n]: the loss that is expected where forms are averaged; by default the law's own. The interval adds in quadrature
    what the resamples leave open, and Student's reach of a run's noise and of the form's error beyond the points (see `bands`).
    """
    own = law.predict(params, tokens)
    loss = own if centre is None else centre
    if not len(law.draws):
        return Expectation(loss, None, None, law.interval_reason or "no resamples of this law")
    with np.errstate(divide="ignore"):
        drawn = np.log(law.predict(params, tokens, law.draws) - law.floor)
        middle, above = np.log(own - law.floor), np.maximum(loss - law.floor, 1e-12 * loss)
    pairs = []
    for level in LEVELS:
        lo, hi = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
        rest = reach(_other(law, params, tokens, loss), level)
        factor = widening(law.draws_dof, level)
        below, beyond = factor * np.maximum(middle - lo, 0.0), factor * np.maximum(hi - middle, 0.0)
        down, up = np.hypot(below, rest), np.hypot(beyond, rest)
        pairs.append((law.floor + above * np.exp(-down), law.floor + above * np.exp(up)))
    return Expectation(loss, pairs[0], pairs[1])


def _other(
    law: FittedLaw, params: np.ndarray | float, tokens: np.ndarray | float, loss: np.ndarray
) -> list[tuple[np.ndarray, float]]:
    """(variance [n], degrees of freedom) of the log loss above the fixed floor: of a run's noise, and of the form's error."""
    of_run, of_point = _noise(law)
    around = float(law.dear.dof if law.dear else max(law.n - FORMS[law.form].n_free, 1))
    seeds = float(law.noise.dof) if law.noise else around
    scale = law.dear.scale(1 - law.floor / loss) ** 2 if law.dear else np.ones(len(loss))
    parts = [(of_run**2 * scale, seeds), (of_point**2 * scale, around)]
    if law.form_error is not None:
        parts.append((form_spread(law, params, tokens, loss) ** 2, law.form_error.dof))
    return parts


def run_noise(law: FittedLaw) -> float:
    """Standard deviation of the log of what a new run leaves above the floor: of the run, and of its point."""
    return float(np.hypot(*_noise(law)))


def _noise(law: FittedLaw) -> tuple[float, float]:
    """Of a run as a whole, and of its point."""
    if law.dear is not None:
        return law.dear.run, law.dear.point
    of_run, of_point = (law.noise.run, law.noise.point) if law.noise else (0.0, 0.0)
    return of_run, max(of_point, law.scale)


def form_spread(law: FittedLaw, params: np.ndarray | float, tokens: np.ndarray | float, loss: np.ndarray) -> np.ndarray:
    """Standard deviation [n] of the log loss above the law's fixed floor that is owed to its form; 0 inside its points."""
    if law.form_error is None:
        return np.zeros(len(loss))
    return law.form_error.spread(params, tokens) * law.reducible_share(loss)
