"""What the report's page needs to plan by itself: each set's law on a grid of sizes and budgets, with its intervals.

The page interpolates; it holds no second copy of a law that could say something else than `plan` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.scaling.beside import Beside
from preceptor.scaling.doubts import doubts
from preceptor.scaling.fitted import SetLaws, Tried
from preceptor.scaling.plan import REACH, beyond
from preceptor.scaling.surface import Surface, surface_of
from preceptor.scaling.training_cost import TrainingCost

_SIZES, _BUDGETS = 17, 33  # of the grid; sizes of a joint law
_SHOWN = (0.1, 1.0, 3.0, 10.0)  # times the largest run: the budgets of the static table
_DIGITS = 8


def chart(sets: Mapping[str, SetLaws], tried: Tried, beside: Beside) -> dict[str, Any]:
    """Every set with a law that can be planned with, and why the others have none; the cost of training, and the epochs."""
    cost = TrainingCost.of(beside.flops_per_token)
    found, without = [], {}
    for name in sorted(sets, key=lambda s: sets[s].floor is None):
        try:
            found.append(_of_set(surface_of(sets, tried, cost, name)))
        except PreceptorError as error:
            without[name] = str(error.found).partition(": ")[2]
    return {
        "sets": found,
        "without": without,
        "reach": REACH,
        "cost": {"sizes": list(cost.sizes), "each": list(cost.each), "said": cost.said},
        "epochs": dict(beside.epochs),
    }


def _of_set(surface: Surface) -> dict[str, Any]:
    (n_lo, n_hi), (d_lo, d_hi) = surface.tried.params_range, surface.tried.tokens_range
    if surface.joint:
        top = REACH * surface.largest
        best = surface.best(np.array([surface.smallest, top]))[0]
        sizes = np.geomspace(min(n_lo, best[0]), max(n_hi, best[1]), _SIZES)
    else:
        sizes = surface.sizes
        top = float(surface.cost.flops(sizes[-1], REACH * d_hi))
    bottom = surface.smallest if surface.joint else float(surface.cost.flops(sizes[0], d_lo))
    budgets = np.geomspace(bottom, top, _BUDGETS)
    made = [surface.expected(float(n), surface.cost.tokens(n, budgets)) for n in sizes]
    grids: dict[str, Any] = {"loss": [_short(e.loss) for e in made]}
    for level, name in (("interval_80", "80"), ("interval_95", "95")):
        pairs = [getattr(e, level) for e in made]
        for end, side in ((0, "lo"), (1, "hi")):
            grids[side + name] = None if any(p is None for p in pairs) else [_short(p[end]) for p in pairs]
    return {
        "name": surface.name,
        "unit": surface.entry.unit,
        "form": surface.laws[0].form,
        "joint": surface.joint,
        "floor": surface.floor,
        "bottom": surface.bottom(None),
        "largest": surface.largest,
        "params_range": list(surface.tried.params_range),
        "tokens_range": list(surface.tried.tokens_range),
        "params": _short(sizes),
        "each": _short(surface.cost(sizes)),
        "flops": _short(budgets),
        "best": _short(surface.best(budgets)[0]),
        **grids,
        "doubts": list(dict.fromkeys(text for law in surface.laws for text in doubts(surface.entry, law))),
        "reason": next((e.reason for e in made if e.reason), ""),
        "plans": [p for times in _SHOWN if (p := _plan(surface, times * surface.largest)) is not None],
    }


def _plan(surface: Surface, flops: float) -> dict[str, Any] | None:
    """A row of the static table; None where the law doesn't reach."""
    n, d = (float(v[0]) for v in surface.best(flops))
    if beyond(surface, n, d) > REACH * (1 + 1e-9):
        return None
    found = surface.expected(n, d)
    i80, i95 = (None if i is None else [float(i[0][0]), float(i[1][0])] for i in (found.interval_80, found.interval_95))
    return {"flops": flops, "params": n, "tokens": d, "loss": float(found.loss[0]), "interval_80": i80, "interval_95": i95}


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{v:.{_DIGITS}g}") for v in np.asarray(values).tolist()]
