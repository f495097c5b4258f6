"""Fitted laws as the scaling stage states them in laws.json, in one flat list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from preceptor.report.inputs import Artifacts, number

_TOLD = ("L_inf", "E", "alpha", "beta")  # of the second method: coefficients hang on these


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

    chosen: the joint form with the least held-out error. error: that error, a share of the excess, over the held-out cells;
    cells: of each. second: the exponents and the end of the loss by the second method; agrees: whether the two methods do. far:
    how far apart they are at ten times the tokens, as a share of what is left. outliers: points far off the law, as the options
    that leave them out. note: what else to know.
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
    cells: Mapping[str, float] = field(default_factory=dict)
    second: Mapping[str, float] = field(default_factory=dict)
    agrees: bool = True
    far: float | None = None
    outliers: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Footing:
    """What the laws of a set rest on. enters: tokens from which points enter, None where all do; reference: what every size is
    below there; left_out: cells before. weights: of joint forms in a forecast; tau: of the form's error per e-fold of
    compute."""

    set: str
    enters: float | None
    reference: str
    left_out: int
    weights: Mapping[str, float]
    tau: float | None
    notes: tuple[str, ...]


def laws(inputs: Artifacts) -> list[Law]:
    """Every law of laws.json, in its order."""
    found = []
    for name, entry in _sets(inputs).items():
        found += [_law(name, entry, one) for one in entry["laws"]]
    return found


def footings(inputs: Artifacts) -> list[Footing]:
    """What each set's laws rest on, of sets with a law."""
    found = []
    for name, entry in _sets(inputs).items():
        if not entry["laws"]:
            continue
        burn = entry["burn_in"] or {"first": None, "reference": "", "dropped": ()}
        joint = next((x for x in entry["laws"] if x["params"] is None and x["form_error"]), None)
        tau = number(joint["form_error"]["tau"]) if joint else None
        weights = entry["weights"].get("joint", {})
        found.append(
            Footing(name, number(burn["first"]), burn["reference"], len(burn["dropped"]), weights, tau, tuple(entry["notes"]))
        )
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
    second = one["second"] or {"values": {}, "agrees": True, "apart": None}
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
        cells=entry["forecast_cells"].get(form, {}),
        second={s: v for s, v in second["values"].items() if s in _TOLD},
        agrees=second["agrees"],
        far=number(second["apart"]),
        outliers=tuple(f'run == "{o["run"]}" and tokens == {o["tokens"]:.17g}' for o in one["outliers"]),
        note=one["note"],
    )


def _parameter(p: Mapping[str, Any]) -> Parameter:
    bounds = p["interval"]
    interval = (float(bounds[0]), float(bounds[1])) if bounds and all(number(b) is not None for b in bounds) else None
    return Parameter(p["value"], p["identified"], p["reason"], interval)
