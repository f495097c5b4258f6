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


class Missed(NamedTuple):
    """Errors of a later budget of a trained size: of the log of what is above the known floor, else of the log loss. cut: in
    tokens; beyond: doublings from it."""

    cut: float
    beyond: float
    joint: float
    own: float


def compared(points: Points, config: ScalingConfig) -> Kinds | None:
    """Compare both kinds on the points of a set, by as many of the latest cuts as leave a few forecasts: curves that bend at
    small budgets say nothing of the next. None where no later budget can be told by both."""
    found = list(missed(points, config))
    latest: list[Missed] = []
    for cut in sorted({one.cut for one in found}, reverse=True):
        latest += [one for one in found if one.cut == cut] if len(latest) < _FORECASTS else []
    if not latest:
        return None
    squares = np.mean([(one.joint**2, one.own**2) for one in latest], axis=0)
    return Kinds(float(np.sqrt(squares[0])), float(np.sqrt(squares[1])), len(latest))


def missed(points: Points, config: ScalingConfig) -> Iterator[Missed]:
    """What both kinds missed of every later budget of a trained size, from every cut."""
    base, budgets = points.known_floor() or 0.0, np.unique(points.tokens)
    for last in range(FEWEST, len(budgets)):
        edge = float(budgets[last - 1])
        train = points.where(points.tokens <= edge)
        later = points.where((points.tokens > edge) & (points.tokens <= REACH * edge * (1 + 1e-9)))
        joint = _fits("joint", train, config) if len(np.unique(train.params)) >= SIZES else []
        for n in np.unique(later.params) if joint else ():
            part = train.where(train.params == n)
            own = _fits("size", part, config) if len(np.unique(part.tokens)) >= FEWEST else []
            for d in np.unique(later.tokens[later.params == n]) if own else ():
                came = float(np.mean(later.loss[(later.params == n) & (later.tokens == d)])) - base
                if came > 0:
                    said = [np.mean([np.log(max(fit.predict(n, d)[0] - base, 1e-9)) for fit in fits]) for fits in (joint, own)]
                    yield Missed(edge, float(np.log2(d / edge)), *(float(log - np.log(came)) for log in said))


def _fits(family: str, points: Points, config: ScalingConfig) -> list[Fit]:
    """Fits of the forms that a forecast averages, as many as the points allow."""
    forms = [FORMS[name] for name in FAMILY[family] if not lacks(FORMS[name], points)]
    return [fit_form(form, points, _STARTS, config.delta, config.seed) for form in forms]
