"""Fitted laws as data: what is known of each parameter, of one form, of one set, and which runs they rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from preceptor.scaling.fit import predict
from preceptor.scaling.forms import FORMS
from preceptor.scaling.noise import Noise
from preceptor.scaling.repetition import Repetition


@dataclass(frozen=True)
class Parameter:
    """A fitted parameter. interval: 95 %, or None; fits_as_well: values these points leave open (see identify)."""

    value: float
    identified: bool
    reason: str
    interval: tuple[float, float] | None
    fits_as_well: tuple[float | None, float | None]


@dataclass(frozen=True)
class FittedLaw:
    """One form fitted to one set (params: the size, for laws of one size).

    rms: of the log residuals. noise: between seeds, where measured; scale: of the scatter around the law. draws [R, 1 + 2K]:
    resampled theta of joint laws, for prediction intervals. note: what else to know, as that a fixed floor is contradicted.
    """

    form: str
    params: float | None
    parameters: Mapping[str, Parameter]
    theta: np.ndarray
    centre: np.ndarray
    floor: float
    n: int
    rms: float
    scale: float
    noise: Noise | None
    starts: Mapping[str, Any]
    interval_method: str
    interval_reason: str
    draws: np.ndarray
    note: str = ""

    @property
    def identified(self) -> bool:
        """Whether every parameter is."""
        return all(p.identified for p in self.parameters.values())

    @property
    def why_not(self) -> str:
        """The reasons of the parameters that aren't identified, each once; empty where all are."""
        reasons: dict[str, list[str]] = {}
        for symbol, p in self.parameters.items():
            if not p.identified:
                reasons.setdefault(p.reason, []).append(symbol)
        return "; ".join(f"{', '.join(symbols)}: {reason}" for reason, symbols in reasons.items())

    def predict(self, params: np.ndarray | float, tokens: np.ndarray | float, theta: np.ndarray | None = None) -> np.ndarray:
        """Loss at sizes and tokens [n]; with theta [R, 1 + 2K], of each resample [R, n]."""
        return predict(FORMS[self.form], self.theta if theta is None else theta, self.centre, self.floor, params, tokens)


@dataclass(frozen=True)
class SetLaws:
    """The laws of one evaluation set. chosen: the joint form with the least held-out error; not_fitted: form → reason.

    Laws are fitted to points without repetition; repetition: what repeated tokens are worth, where some points repeat.
    """

    name: str
    unit: str
    floor: float | None
    laws: tuple[FittedLaw, ...]
    chosen: str | None
    not_fitted: Mapping[str, str]
    forecast_error: Mapping[str, float]
    repetition: Repetition | None = None

    def law(self, form: str, params: float | None = None) -> FittedLaw | None:
        """The law of a form (and size), where it was fitted."""
        return next((x for x in self.laws if x.form == form and x.params == params), None)


class Tried(NamedTuple):
    """The runs that laws were fitted to. largest: (params, tokens) of the one that cost most; ranges: of all."""

    largest: tuple[float, float]
    params_range: tuple[float, float]
    tokens_range: tuple[float, float]
