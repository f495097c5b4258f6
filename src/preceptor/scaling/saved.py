"""Laws as plain values for JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.bands import FormError
from preceptor.scaling.burn_in import BurnIn
from preceptor.scaling.fitted import Dropped, FittedLaw, Kinds, Parameter, SetLaws
from preceptor.scaling.forms import FORMS
from preceptor.scaling.influence import Influence
from preceptor.scaling.noise import Dear, Noise
from preceptor.scaling.repetition import Repetition
from preceptor.scaling.vpnls import Second

if TYPE_CHECKING:
    from preceptor.scaling.law import Law


def as_plain(law: Law) -> dict[str, Any]:
    """The values of a law; `restored` takes them back."""
    data: dict[str, Any] = _plain(asdict(law))
    data["flops_per_token"] = sorted(law.flops_per_token.items())
    data["order"] = list(law.sets)  # canonical JSON sorts keys
    for entry in data["sets"].values():
        for one in entry["laws"]:
            one["identified"] = all(p["identified"] for p in one["parameters"].values())
    return data


def _plain(value: Any) -> Any:
    """Lists in place of arrays, at any depth."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def restored(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a law from `as_plain`'s values. Raises KeyError, TypeError or ValueError for others."""
    pairs = {k: (float(data[k][0]), float(data[k][1])) for k in ("largest", "params_range", "tokens_range")}
    return {
        "sets": {k: _set(data["sets"][k]) for k in data["order"]},
        "forecasts": tuple(Forecast(**row) for row in data["forecasts"]),
        "flops_per_token": {float(n): float(f) for n, f in data["flops_per_token"]},
        "dropped": tuple(Dropped(**{**d, "rows": tuple(map(tuple, d["rows"]))}) for d in data["dropped"]),
        **pairs,
    }


def _set(v: Mapping[str, Any]) -> SetLaws:
    repetition, burn = v["repetition"], v["burn_in"]
    if repetition is not None:
        repetition = Repetition(**{**repetition, "fits_as_well": {k: tuple(x) for k, x in repetition["fits_as_well"].items()}})
    if burn is not None:
        burn = BurnIn(**{**burn, "dropped": tuple(map(tuple, burn["dropped"])), "late": tuple(burn["late"])})
    fitted = {k: tuple(map(_one, v[k])) for k in ("laws", "unshown")}
    kinds = Kinds(**v["kinds"]) if v.get("kinds") else None
    changed = fitted | {"repetition": repetition, "burn_in": burn, "notes": tuple(v["notes"]), "kinds": kinds}
    return SetLaws(**{**v, **changed})


def _one(x: Mapping[str, Any]) -> FittedLaw:
    x = {k: v for k, v in x.items() if k != "identified"}
    theta = np.array(x["theta"], dtype=np.float64)
    parameters = {
        s: Parameter(p["value"], p["identified"], p["reason"], p["interval"] and tuple(p["interval"]), tuple(p["fits_as_well"]))
        for s, p in x["parameters"].items()
    }
    order = FORMS[x["form"]].symbols
    x |= {
        "parameters": {s: parameters[s] for s in order},
        "theta": theta,
        "centre": np.array(x["centre"], dtype=np.float64),
        "draws": np.array(x["draws"], dtype=np.float64).reshape(-1, len(theta)),
        "noise": x["noise"] and Noise(**x["noise"]),
        "dear": x["dear"] and Dear(**x["dear"]),
        "form_error": x["form_error"] and FormError(**x["form_error"]),
        "second": x["second"] and Second(**{**x["second"], "values": {s: x["second"]["values"][s] for s in order}}),
        "influence": tuple(Influence(**i) for i in x["influence"]),
        "outliers": tuple(Influence(**i) for i in x["outliers"]),
    }
    return FittedLaw(**x)
