"""Fitted laws as the scaling stage states them in laws.json, in one flat list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.report.inputs import Artifacts, number


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


def laws(inputs: Artifacts) -> list[Law]:
    """Every law of laws.json, in its order."""
    found = []
    for name, entry in _sets(inputs).items():
        found += [_law(name, entry, one) for one in entry["laws"]]
    return found


def not_fitted(inputs: Artifacts) -> list[tuple[str, str, str]]:
    """(set, form, reason) of every form that could not be tried."""
    return [(name, form, why) for name, entry in _sets(inputs).items() for form, why in entry["not_fitted"].items()]


def _sets(inputs: Artifacts) -> Mapping[str, Any]:
    found = inputs.document("scaling", "laws.json")
    return {} if found is None else found["sets"]


def _law(name: str, entry: Mapping[str, Any], one: Mapping[str, Any]) -> Law:
    starts, form, params = one["starts"], one["form"], number(one["params"])
    reached = f"{starts['at_best_optimum']} of {starts['starts']} starts at the optimum"
    said = "; ".join(one[k] for k in ("interval_method", "interval_reason") if one[k])
    return Law(
        set=name,
        form=form,
        params=params,
        parameters={symbol: _parameter(p) for symbol, p in one["parameters"].items()},
        identified=one["identified"],
        intervals=said or "no interval",
        starts=reached,
        chosen=params is None and entry["chosen"] == form,
        error=number(entry["forecast_error"].get(form)),
    )


def _parameter(p: Mapping[str, Any]) -> Parameter:
    bounds = p["interval"]
    interval = (float(bounds[0]), float(bounds[1])) if bounds and all(number(b) is not None for b in bounds) else None
    return Parameter(p["value"], p["identified"], p["reason"], interval)
