"""`fit(points)`: every law of every set, what is known of each parameter, printed, saved, and planned with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import track
from preceptor.core.shown import Shown
from preceptor.core.tables.scaling import Forecast
from preceptor.core.terminal import visible
from preceptor.core.typed import check
from preceptor.scaling.beside import Beside
from preceptor.scaling.budget import budget
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import fit_form
from preceptor.scaling.fitted import FittedLaw, Parameter, SetLaws, Tried
from preceptor.scaling.forecast import error_of, forecast
from preceptor.scaling.forms import FORMS, Form
from preceptor.scaling.frames import law_frame, plot_law
from preceptor.scaling.identify import coefficients, spanning, verdicts
from preceptor.scaling.intervals import resample
from preceptor.scaling.noise import Noise, around, of_set
from preceptor.scaling.plan import Plan, make_plan
from preceptor.scaling.points import Points
from preceptor.scaling.repetition import Repetition, fit_repetition
from preceptor.scaling.show import law_table

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

FORMAT = 1
_NOT_SHOWN = "its items are in no training document, so the loss tells of no learning"
NO_LAW = {
    "uih-full": "it adds the falling curve of seen items and the rising one of held-out items",
    **{f"real-{part}-{kind}": _NOT_SHOWN for part in ("validation", "test") for kind in ("unseen", "new")},
}  # sets of the stage lm that are measured, but not fitted


@dataclass(frozen=True, repr=False)
class Law(Shown):
    """What `fit` returns. largest: (params, tokens) of the run that cost most; ranges of all points. flops_per_token: by size,
    where the table of points has it."""

    sets: Mapping[str, SetLaws]
    largest: tuple[float, float]
    params_range: tuple[float, float]
    tokens_range: tuple[float, float]
    forecasts: tuple[Forecast, ...] = field(default=(), compare=False)
    flops_per_token: Mapping[float, float] = field(default_factory=dict)

    def plan(
        self,
        flops: float | None = None,
        target: str | None = None,
        extrapolate: bool = False,
        sources: Mapping[str, tuple[float, float]] | None = None,
        *,
        tokens: float | None = None,
        hours: float | None = None,
        rate: float | None = None,
        usd: float | None = None,
        usd_per_hour: float | None = None,
        params: float | None = None,
        beside: Beside | None = None,
    ) -> Plan:
        """The best size and tokens for exactly one budget, with the losses expected there.

        flops; or tokens; or hours at a rate (FLOP per second); or usd at usd_per_hour and a rate. target: the set to minimise
        (default: the first with an identified law, a known floor before others). sources: name → (share of the mixture,
        distinct tokens), for the epochs of each. params: a size to keep to. beside: what a study's other tables add. Raises
        PreceptorError when no law is identified, or beyond 10× the largest run unless `extrapolate`.
        """
        asked = budget(flops=flops, tokens=tokens, hours=hours, rate=rate, usd=usd, usd_per_hour=usd_per_hour)
        if asked is None:
            raise PreceptorError(
                "No budget", expected="one of flops, tokens, hours (with rate), usd (with usd_per_hour and rate)"
            )
        facts = self.beside(beside)
        if sources:
            facts = replace(facts, epochs={name: share / unique for name, (share, unique) in sources.items()})
        return make_plan(self.sets, self.tried, asked, target=target, params=params, extrapolate=extrapolate, beside=facts)

    def beside(self, found: Beside | None = None) -> Beside:
        """What a study's other tables add; the law's own FLOP per token, where it has them."""
        found = found or Beside()
        return replace(found, flops_per_token=self.flops_per_token) if self.flops_per_token else found

    @property
    def tried(self) -> Tried:
        """The runs that the laws were fitted to."""
        return Tried(self.largest, self.params_range, self.tokens_range)

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON: what `save` writes."""
        data = asdict(self)
        del data["forecasts"]
        data["flops_per_token"] = sorted(self.flops_per_token.items())
        data["order"] = list(self.sets)  # canonical JSON sorts keys
        for entry in data["sets"].values():
            for one in entry["laws"]:
                one["identified"] = all(p["identified"] for p in one["parameters"].values())
        return data

    def save(self, path: Path | str) -> None:
        """Write as JSON."""
        write_atomic(Path(path), canonical({"format": FORMAT, "kind": "laws", **self.as_dict()}))

    @classmethod
    def load(cls, path: Path | str) -> Law:
        """Read what `save` wrote. Raises PreceptorError naming the file when it is something else."""
        path = Path(path)
        expected = f"laws of format {FORMAT}, written by `preceptor fit`"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PreceptorError("No such file of laws", where=path, expected=expected) from None
        except (OSError, ValueError, RecursionError) as error:
            raise PreceptorError("Not a file of laws", where=path, found=error, expected=expected) from None
        if not isinstance(data, dict) or data.get("kind") != "laws" or data.get("format") != FORMAT:
            found = f"kind {data.get('kind')}, format {data.get('format')}" if isinstance(data, dict) else type(data).__name__
            raise PreceptorError("Not a file of laws", where=path, found=found, expected=expected)
        try:
            return _sound(_restored(data))
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise PreceptorError("Damaged file of laws", where=path, found=repr(error), remedy="fit again") from None

    @property
    def table(self) -> pl.DataFrame:
        """Every parameter of every law as a polars frame: see `frames.law_frame`."""
        return law_frame(self)

    def plot(self, points: Points | None = None, of: str | None = None, axes: Axes | None = None) -> Axes:
        """Draw the laws of a set: see `frames.plot_law`."""
        return plot_law(self, points, of, axes)

    def facts(self) -> dict[str, Any]:
        """What it shows of itself."""
        known = [n for n, s in self.sets.items() if any(one.identified for one in s.laws)]
        largest = f"{self.largest[0]:,.0f} parameters, {self.largest[1]:,.0f} tokens"
        return {"sets": len(self.sets), "sets with an identified law": ", ".join(known) or "none", "largest run": largest}

    def details(self) -> str:
        """Its table, for a notebook."""
        return self.table._repr_html_()

    def __str__(self) -> str:
        return visible(law_table(self.sets, self.tried), lines=True)


def fit(points: Points, config: ScalingConfig | None = None) -> Law:
    """Fit every form to every set but those of NO_LAW, judge every parameter, and predict the held-out corner.

    Raises PreceptorError when there are no points. What can't be fitted or isn't identified is said, not raised.
    """
    config = config or ScalingConfig()
    if not len(points):
        raise PreceptorError("No points to fit", expected="a table with one row a run")
    sets, forecasts = {}, []
    for name in track(points.sets, "laws", unit="sets"):
        part = points.of_set(name)
        if name in NO_LAW:
            sets[name] = SetLaws(name, str(part.unit[0]), part.known_floor(), (), None, dict.fromkeys(FORMS, NO_LAW[name]), {})
            continue
        rows = forecast(name, part.where(~part.repeated), config) if config.forecast else []
        sets[name] = _fit_set(name, part, rows, config)
        forecasts += rows
    top = int(np.argmax(points.flops))
    return Law(
        sets,
        (float(points.params[top]), float(points.tokens[top])),
        (float(points.params.min()), float(points.params.max())),
        (float(points.tokens.min()), float(points.tokens.max())),
        tuple(forecasts),
        _costs(points),
    )


def _costs(points: Points) -> dict[float, float]:
    """FLOP per token of each size, where the table has them for all sizes."""
    found = {float(n): float(f) for n, f in zip(points.params, points.flops_per_token, strict=True)}
    return {} if any(np.isnan(f) for f in found.values()) else found


def _fit_set(name: str, points: Points, rows: list[Forecast], config: ScalingConfig) -> SetLaws:
    repeated, points = points.where(points.repeated), points.where(~points.repeated)
    laws: list[FittedLaw] = []
    missing: dict[str, str] = {}
    floor = points.known_floor()
    for form in FORMS.values():
        if form.fixed_floor and floor is None:
            missing[form.name] = "the floor of this set isn't known"
            continue
        sizes = [None] if len(form.over) > 1 else [float(n) for n in np.unique(points.params)]
        for n in sizes:
            part = points if n is None else points.where(points.params == n)
            lacks = _lacks(form, part)
            if lacks:
                missing[form.name] = lacks
                continue
            laws.append(_fit_one(form, n, part, of_set(points, floor if form.fixed_floor and floor else 0.0), config))
        if any(law.form == form.name for law in laws):
            missing.pop(form.name, None)
    laws = [_noted(law, laws, floor) for law in laws]
    errors = {f: e for f in FORMS if not np.isnan(e := error_of(rows, f))}
    joint = [law for law in laws if law.params is None]
    joint.sort(key=lambda law: (not law.identified, errors.get(law.form, np.inf), law.form != "joint-excess"))
    chosen = joint[0].form if joint else None
    repetition = None
    if len(repeated) and chosen:
        base = fit_form(FORMS[chosen], points, config.starts, config.delta, config.seed)
        repetition = fit_repetition(base, repeated, config.delta)
    unit = str((points if len(points) else repeated).unit[0])
    return SetLaws(name, unit, floor, tuple(laws), chosen, missing, errors, repetition)


def _noted(law: FittedLaw, laws: list[FittedLaw], floor: float | None) -> FittedLaw:
    """Say where a law with the known floor bends: the same law with a free floor keeps clear of the known one."""
    free = {"excess": ("data", "L_inf"), "joint-excess": ("joint", "E")}.get(law.form)
    other = next((x for x in laws if free and x.form == free[0] and x.params == law.params), None)
    if free is None or other is None or floor is None:
        return law
    p = other.parameters[free[1]]
    lo, hi = p.fits_as_well
    if lo is None or hi is None or lo <= floor * 1.001:
        return law
    said = f"the points bend away from this law: a free floor ends at {lo:.4g} – {hi:.4g}, above the known {floor:.4g}"
    return replace(law, note=said)


def _lacks(form: Form, points: Points) -> str:
    """Why a form isn't even tried; empty where it is."""
    for variable in form.over:
        n = len(np.unique(getattr(points, variable)))
        if n < 3:
            return f"{n} different value(s) of {variable}"
    floor = points.known_floor()
    n = int(np.sum(points.loss > floor)) if form.fixed_floor and floor is not None else len(points)
    return f"{n} points for {form.n_free} parameters" if n <= form.n_free else ""


def _fit_one(form: Form, params: float | None, points: Points, noise: Noise | None, config: ScalingConfig) -> FittedLaw:
    fit = fit_form(form, points, config.starts, config.delta, config.seed)
    used = points.where(points.loss > fit.floor) if form.fixed_floor else points
    scatter = around(fit, used, noise)
    judged = verdicts(fit, used, scatter)
    intervals = resample(fit, used, noise, scatter, config)
    bounds = intervals.of(fit)
    judged = coefficients({s: spanning(v, fit, s, bounds.get(s)) for s, v in judged.items()}, fit)
    parameters = {
        s: Parameter(v, judged[s].identified, judged[s].reason, bounds.get(s), (judged[s].lo, judged[s].hi))
        for s, v in fit.parameters.items()
    }
    kept = params is None or all(v.identified for v in judged.values())
    draws = intervals.theta if kept else intervals.theta[:0]
    return FittedLaw(
        form.name, params, parameters, fit.theta, fit.centre, fit.floor, fit.n, fit.rms, scatter.scale, noise,
        fit.starts.summary() | {"at_bound": fit.at_bound}, intervals.method, intervals.reason, draws,
    )  # fmt: skip


def _sound(law: Law) -> Law:
    """The law, where every field is of its type and every form can be evaluated and shown; raises what these raise."""
    for entry in law.sets.values():
        check(entry, SetLaws, entry.name)
        for one in entry.laws:
            check([one.starts["at_best_optimum"], one.starts["starts"]], list[int], f"{entry.name}.starts")
            one.predict(law.params_range[0], law.tokens_range[0])
    law_table(law.sets, law.tried)
    return law


def _restored(data: Mapping[str, Any]) -> Law:
    def one(x: Mapping[str, Any]) -> FittedLaw:
        x = {k: v for k, v in x.items() if k != "identified"}
        theta = np.array(x["theta"], dtype=np.float64)
        parameters = {
            s: Parameter(
                p["value"], p["identified"], p["reason"], p["interval"] and tuple(p["interval"]), tuple(p["fits_as_well"])
            )
            for s, p in x["parameters"].items()
        }
        order = FORMS[x["form"]].symbols
        x |= {
            "parameters": {s: parameters[s] for s in order},
            "theta": theta,
            "centre": np.array(x["centre"], dtype=np.float64),
            "draws": np.array(x["draws"], dtype=np.float64).reshape(-1, len(theta)),
            "noise": x["noise"] and Noise(**x["noise"]),
        }
        return FittedLaw(**x)

    def repetition(x: Mapping[str, Any] | None) -> Repetition | None:
        if x is None:
            return None
        return Repetition(**{**x, "fits_as_well": {k: tuple(v) for k, v in x["fits_as_well"].items()}})

    sets = {
        k: SetLaws(**(v | {"laws": tuple(map(one, v["laws"])), "repetition": repetition(v["repetition"])}))
        for k, v in ((k, data["sets"][k]) for k in data["order"])
    }
    largest, params_range, tokens_range = (
        (float(data[k][0]), float(data[k][1])) for k in ("largest", "params_range", "tokens_range")
    )
    costs = {float(n): float(f) for n, f in data.get("flops_per_token", ())}
    return Law(sets, largest, params_range, tokens_range, flops_per_token=costs)
