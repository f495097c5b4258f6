"""Fitted laws as the scaling stage states them in laws.json, in one flat list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.report.inputs import Inputs, number


@dataclass(frozen=True)
class Parameter:
    """A fitted parameter. interval: [lo, hi], or None; reason: why it isn't identified."""

    value: float
    identified: bool
    reason: str
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Law:
    """One fitted law. params: the size of a law of one size, None for a joint one. intervals: how they came, or why not.

    chosen: the joint form with the least held-out error. error: that error, a share of the excess.
    """

    set: str
    form: str
    params: float | None
    parameters: dict[str, Parameter]
    identified: bool
    intervals: str
    starts: str
    chosen: bool
    error: float | None


def laws(inputs: Inputs) -> list[Law]:
    """Every law of laws.json, in its order."""
    found = []
    for name, entry in inputs.object("scaling", "laws.json").get("sets", {}).items():
        found += [_law(name, entry, one) for one in entry.get("laws", [])]
    return found


def not_fitted(inputs: Inputs) -> list[tuple[str, str, str]]:
    """(set, form, reason) of every form that could not be tried."""
    sets = inputs.object("scaling", "laws.json").get("sets", {})
    return [(name, form, str(why)) for name, entry in sets.items() for form, why in entry.get("not_fitted", {}).items()]


def _law(name: str, entry: Mapping[str, Any], one: Mapping[str, Any]) -> Law:
    parameters = {symbol: _parameter(p) for symbol, p in one.get("parameters", {}).items()}
    starts = one.get("starts", {})
    reached = f"{starts['at_best_optimum']} of {starts['starts']} starts at the optimum" if "at_best_optimum" in starts else ""
    said = "; ".join(str(one[k]) for k in ("interval_method", "interval_reason") if one.get(k))
    form, params = str(one.get("form")), number(one.get("params"))
    return Law(
        set=name,
        form=form,
        params=params,
        parameters=parameters,
        identified=bool(one.get("identified", all(p.identified for p in parameters.values()))),
        intervals=said or "no interval",
        starts=reached,
        chosen=params is None and entry.get("chosen") == form,
        error=number(entry.get("forecast_error", {}).get(form)),
    )


def _parameter(p: Mapping[str, Any]) -> Parameter:
    bounds = p.get("interval")
    interval = (float(bounds[0]), float(bounds[1])) if bounds and all(number(b) is not None for b in bounds) else None
    return Parameter(float(p["value"]), bool(p.get("identified")), str(p.get("reason", "")), interval)
