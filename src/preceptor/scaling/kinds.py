"""Which kind of law tells more tokens at trained sizes better: one joint law of all sizes, or laws of each size's own.

A set's own points are asked. Below each cut in tokens both kinds are fitted, each averaged as a forecast averages it, but with
equal weights; they predict the sizes' later budgets, up to four times the cut's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import Fit, fit_form
from preceptor.scaling.fit_one import FAMILY, lacks
from preceptor.scaling.fitted import Kinds
from preceptor.scaling.forms import FORMS
from preceptor.scaling.points import Points

FEWEST, SIZES = 3, 4  # budgets at or below a cut; sizes of a joint law
REACH = 4.0  # times the cut's tokens
_STARTS, _FORECASTS = 24, 4
_CUTS = 6  # that are tried: a table may have a budget of its own for every run


class Missed(NamedTuple):
    """Errors of a later budget of a trained size: of the log of what is above the known floor, else of the log loss. beyond:
    doublings from the cut."""

    beyond: float
    joint: float
    own: float


def compared(points: Points, config: ScalingConfig) -> Kinds | None:
    """Compare both kinds on the points of a set, by as many of the latest cuts as leave a few forecasts: curves that bend at
    small budgets say nothing of the next. None where no later budget can be told by both."""
    latest: list[Missed] = []
    for cut in cuts(points)[: -_CUTS - 1 : -1]:
        if len(latest) < _FORECASTS:
            latest += missed(points, cut, config)
    if not latest:
        return None
    squares = np.mean([(one.joint**2, one.own**2) for one in latest], axis=0)
    return Kinds(float(np.sqrt(squares[0])), float(np.sqrt(squares[1])), len(latest))


def cuts(points: Points) -> list[float]:
    """Numbers of tokens that leave enough budgets at or below and some above."""
    return [float(d) for d in np.unique(points.tokens)[FEWEST - 1 : -1]]


def missed(points: Points, cut: float, config: ScalingConfig) -> Iterator[Missed]:
    """What both kinds missed, fitted at or below a cut in tokens, of every later budget of a trained size."""
    base = points.known_floor() or 0.0
    train = points.where(points.tokens <= cut)
    later = points.where((points.tokens > cut) & (points.tokens <= REACH * cut * (1 + 1e-9)))
    parts = {n: train.where(train.params == n) for n in np.unique(later.params)}
    own = {n: _fits("size", part, config) for n, part in parts.items() if len(np.unique(part.tokens)) >= FEWEST}
    joint = _fits("joint", train, config) if any(own.values()) and len(np.unique(train.params)) >= SIZES else []
    for n, fits in own.items() if joint else ():
        for d in np.unique(later.tokens[later.params == n]) if fits else ():
            came = float(np.mean(later.loss[(later.params == n) & (later.tokens == d)])) - base
            if came > 0:
                said = [np.mean([np.log(max(fit.predict(n, d)[0] - base, 1e-9)) for fit in some]) for some in (joint, fits)]
                yield Missed(float(np.log2(d / cut)), *(float(log - np.log(came)) for log in said))


def _fits(family: str, points: Points, config: ScalingConfig) -> list[Fit]:
    """Fits of the forms that a forecast averages, as many as the points allow."""
    forms = [FORMS[name] for name in FAMILY[family] if not lacks(FORMS[name], points)]
    return [fit_form(form, points, _STARTS, config.delta, config.seed) for form in forms]
