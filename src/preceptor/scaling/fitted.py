"""Fitted laws as data: what is known of each parameter, of one form, of one set, and which runs they rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from preceptor.scaling.bands import FormError, reducible_share
from preceptor.scaling.burn_in import BurnIn
from preceptor.scaling.fit import predict
from preceptor.scaling.forms import FORMS
from preceptor.scaling.influence import Influence
from preceptor.scaling.noise import Dear, Noise
from preceptor.scaling.points import Points
from preceptor.scaling.repetition import Repetition
from preceptor.scaling.rolling import average
from preceptor.scaling.vpnls import Second

_CLEARLY = 0.5  # of the mean squared error


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
    draws_dof: degrees of freedom of their spread, None where it is in them. dear: noise of the dearer runs, which a forecast
    has. form_error: how wrong the form may be beyond the points; second: the same form by another method; influence: the points
    that move a forecast most, outliers: those far off the law. None or empty where they weren't sought.
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
    form_error: FormError | None = None
    dear: Dear | None = None
    draws_dof: int | None = None
    second: Second | None = None
    influence: tuple[Influence, ...] = ()
    outliers: tuple[Influence, ...] = ()

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

    def reducible_share(self, loss: np.ndarray) -> np.ndarray:
        """Which share of losses [n], less the fixed floor, lies above the end that the points leave open."""
        end = self.form_error.end if self.form_error else self.floor
        return reducible_share(loss, end, self.floor if FORMS[self.form].fixed_floor else None)


@dataclass(frozen=True)
class Kinds:
    """What joint laws and sizes' own missed of a set's later budgets (root mean square), over so many forecasts."""

    joint: float
    own: float
    forecasts: int


@dataclass(frozen=True)
class SetLaws:
    """The laws of one evaluation set. chosen: the joint form with the least held-out error; not_fitted: form → reason.

    Laws are fitted to points without repetition; repetition: what repeated tokens are worth, where some points repeat.
    forecast_error: of each form, the mean over the held-out cells; forecast_cells: of each cell. weights: how the forms are
    averaged in a forecast, of joint laws ("joint") and of laws of one size ("size"); empty: a law speaks alone. burn_in: which
    points the laws leave out because models hadn't learnt the format. notes: what else to know of the set. repeated: how many
    points repeat data. unshown: of single sizes, the forms that count in forecasts alone. kinds: how joint laws and sizes'
    own told the set's later budgets, where that can be asked.
    """

    name: str
    unit: str
    floor: float | None
    laws: tuple[FittedLaw, ...]
    chosen: str | None
    not_fitted: Mapping[str, str]
    forecast_error: Mapping[str, float]
    repetition: Repetition | None = None
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    forecast_cells: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    burn_in: BurnIn | None = None
    notes: tuple[str, ...] = ()
    repeated: int = 0
    unshown: tuple[FittedLaw, ...] = ()
    kinds: Kinds | None = None

    def at(self, params: float) -> FittedLaw | None:
        """The law at a size: an identified joint one, else one of this size; the other way round where sizes' own laws told
        later budgets better (decision 95). Where the size wasn't trained, its own is that of the nearest trained size, from
        which `centre` goes on (decision 93)."""
        joint, own = self.law(self.chosen) if self.chosen else None, self.of_size(params)
        if own is None and joint is not None:
            own = self.of_size(min(self._sizes(), key=lambda n: abs(np.log(n / params)), default=params))
        order = (own, joint) if self.own_first else (joint, own)
        known = [law for law in order if law is not None and self._known(law)]
        return next((law for law in (*known, own, joint) if law is not None), None)

    @property
    def own_first(self) -> bool:
        """Whether laws of single sizes come before an identified joint one, as those that told later budgets clearly better."""
        return self.kinds is not None and self.kinds.own**2 < _CLEARLY * self.kinds.joint**2

    def identified(self, law: FittedLaw, params: float) -> bool:
        """Whether a law that speaks of a size is identified, or another of all sizes or of that size, as it is."""
        return law.params in {None, params} and self._known(law)

    def _known(self, law: FittedLaw) -> bool:
        return any(one.identified for one in self.laws if one.params == law.params)

    def of_size(self, params: float) -> FittedLaw | None:
        """The law of one size whose interval a forecast has: of those averaged the one of most weight, else any there is."""
        weights = self.weights.get("size", {})
        forms = [*sorted(weights, key=lambda form: -weights[form]), "excess", "data"]
        own = [law for form in forms if (law := self.law(form, params)) is not None]
        return next((law for law in own if len(law.draws)), own[0] if own else None)

    def mixture(self, law: FittedLaw, tokens: float) -> str:
        """Which forms a forecast averages, by weight; empty where the law speaks alone."""
        weights = self.weights.get("joint" if law.params is None else "size", {})
        late = float(self._late_share(law, tokens)[0])
        shares = {form: late * weights[form] for form in FORMS if form in weights and self.law(form, law.params) is not None}
        known = {form: share for form, share in ({"data": 1 - late} | shares).items() if share > 0}
        return "" if set(known) <= {law.form} else ", ".join(f"{FORMS[form].said} {share:.0%}" for form, share in known.items())

    def centre(self, law: FittedLaw, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """The losses [n] that are forecast at sizes and tokens: a law's, averaged with those of the set's other forms.

        A law of another size: the log-log line in N of what is forecast of the two trained sizes around `params`, or nearest to
        it. The averaged forms of one size are told by its last budgets; well below these its law of all points speaks.
        """
        if law.params is not None and np.any(params != law.params):
            return self._beside(float(np.atleast_1d(params)[0]), tokens)
        late, whole = self._late_share(law, tokens), self.law("data", law.params)
        largest = whole.form_error.tokens if whole is not None and whole.form_error is not None else tokens
        counted = np.where(late > 0, tokens, largest)  # where they don't count, a curve may be infinite
        losses = {one.form: one.predict(params, counted) for one in self.averaged(law)}
        weights = self.weights.get("joint" if law.params is None else "size", {})
        told = next(iter(losses.values())) if len(losses) == 1 else average(losses, weights, self.floor)
        if whole is None or np.all(late == 1):
            return told
        base = self.floor or 0.0
        above = [np.log(np.maximum(found - base, 1e-12)) for found in (told, whole.predict(params, tokens))]
        return np.where(late == 1, told, base + np.exp(late * above[0] + (1 - late) * above[1]))

    def _late_share(self, law: FittedLaw, tokens: np.ndarray | float) -> np.ndarray:
        """What the averaged forms of one size, which its last budgets tell, count at tokens [n]; its law of all points has the
        rest. All from a quarter of the largest budget on, nothing up to an eighth of it.
        """
        whole = self.law("data", law.params) if law.params is not None and self.weights.get("size") else None
        if whole is None or whole.form_error is None:
            return np.ones(np.atleast_1d(tokens).shape)
        return np.clip(np.log2(np.atleast_1d(tokens) * 8 / whole.form_error.tokens), 0, 1)

    def _beside(self, params: float, tokens: np.ndarray | float) -> np.ndarray:
        base, near = self.floor or 0.0, around(self._sizes(), params)
        own = {n: law for n in near if (law := self.of_size(n)) is not None}
        left = [np.log(np.maximum(self.centre(law, n, tokens) - base, 1e-12)) for n, law in own.items()]
        near = list(own)
        slope = (left[-1] - left[0]) / np.log(near[-1] / near[0]) if len(near) > 1 else 0.0
        return np.asarray(base + np.exp(left[-1] + slope * np.log(params / near[-1])))

    def _sizes(self) -> list[float]:
        """The sizes that have a law of their own, smallest first."""
        return sorted({law.params for law in (*self.laws, *self.unshown) if law.params is not None})

    def averaged(self, law: FittedLaw) -> list[FittedLaw]:
        """The laws whose average a forecast is: those of the law's kind and size with a weight, else it alone."""
        weights = self.weights.get("joint" if law.params is None else "size", {})
        return [one for form in weights if (one := self.law(form, law.params)) is not None] or [law]

    def law(self, form: str, params: float | None = None) -> FittedLaw | None:
        """The law of a form (and size), where it was fitted."""
        return next((x for x in (*self.laws, *self.unshown) if x.form == form and x.params == params), None)


def around(sizes: Sequence[float], params: float) -> list[float]:
    """The two of some sizes, ascending, that a size lies between, or that are nearest to it; fewer where there are fewer."""
    first = int(np.clip(np.searchsorted(sizes, params) - 1, 0, max(len(sizes) - 2, 0)))
    return list(sizes[first : first + 2])


class Tried(NamedTuple):
    """The runs that laws were fitted to. largest: (params, tokens) of the one that cost most; ranges: of all."""

    largest: tuple[float, float]
    params_range: tuple[float, float]
    tokens_range: tuple[float, float]


@dataclass(frozen=True)
class Dropped:
    """Rows that a person left out. rows: (set, run, params, tokens, loss) of each."""

    expression: str
    rows: tuple[tuple[str, str, float, float, float], ...]

    @classmethod
    def of(cls, expression: str, points: Points) -> Dropped:
        """The rows of points, as they are kept on the record."""
        columns = (points.set, points.run, points.params, points.tokens, points.loss)
        rows = [(str(s), str(r), float(n), float(d), float(y)) for s, r, n, d, y in zip(*columns, strict=True)]
        return cls(expression, tuple(rows))
