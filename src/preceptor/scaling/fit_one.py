"""One form fitted to the points of one set, with everything that is known of it: verdicts, intervals, noise, doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from preceptor.scaling import bands, rolling
from preceptor.scaling.bands import FormError
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import fit_form, used_by
from preceptor.scaling.fitted import FittedLaw, Parameter
from preceptor.scaling.forms import FORMS, LAWS, Form
from preceptor.scaling.identify import Verdict, coefficients, spanning, verdicts
from preceptor.scaling.influence import SHOWN, influence, outliers
from preceptor.scaling.intervals import resample
from preceptor.scaling.noise import Noise, around, of_dear_runs, of_set
from preceptor.scaling.points import Points
from preceptor.scaling.vpnls import second

FAMILY = {"joint": ("joint-excess", "joint"), "size": ("late", "line", "bend")}  # forms whose forecasts are averaged
_UNSHOWN = "it counts in forecasts alone"
NO_FLOOR_KNOWN = "the floor of this set isn't known"
FAR = 10.0  # times the largest tokens: where methods and points are compared


@dataclass(frozen=True)
class Tracks:
    """What a set's own later runs said of its forms. weights: by family; misses: above each cut, by form."""

    weights: Mapping[str, Mapping[str, float]]
    misses: Mapping[str, Sequence[bands.Miss]]


def track_record(points: Points, config: ScalingConfig) -> Tracks:
    """Fit below cuts and look above them, by every form: jointly, and at each size (see `rolling`)."""
    floor = points.known_floor()
    weights: dict[str, Mapping[str, float]] = {}
    found: dict[str, Sequence[bands.Miss]] = {}
    for family, names in FAMILY.items():
        forms = [f for f in names if not (FORMS[f].fixed_floor and floor is None)]
        parts = [points] if family == "joint" else [points.where(points.params == n) for n in np.unique(points.params)]
        rolled = [rolling.origins(part, forms, config.seed, config.delta) for part in parts]
        weights[family] = rolling.weigh([o for one in rolled for o in one], forms, floor)
        for form in forms:
            # the same cut of several sizes is one origin: their curves bend alike
            by_cut: dict[int, list[bands.Miss]] = {}
            for one in rolled:
                for back, miss in enumerate(reversed(rolling.misses(one, weights[family], form, floor))):
                    by_cut.setdefault(back, []).append(miss)
            found[form] = [bands.Miss(*np.mean(several, axis=0).tolist()) for several in by_cut.values()]
    return Tracks(weights, found)


def fit_one(
    form: Form, params: float | None, points: Points, config: ScalingConfig, *, tracks: Tracks | None = None,
    of_all: Points | None = None, judge: bool = True, doubt: bool = True, noise: Noise | None = None,
    pooled: Mapping[str, bands.Pooled] | None = None,
) -> FittedLaw:  # fmt: skip
    """Fit a form. params: the size, for a law of one size. of_all: the set's points, whose seeds measure the noise.

    tracks: what the set's own later runs said. judge: whether verdicts are sought; without, every parameter counts as not
    judged. doubt: whether a second method and the influence of points are, too. noise: in place of the measured one. pooled: τ
    of other sweeps, by family.
    """
    judge = judge and not form.forecasts_alone
    doubt = doubt and judge
    floor = points.known_floor()
    known = floor if form.fixed_floor and floor else 0.0
    fit = fit_form(form, points, config.starts, config.delta, config.seed)
    used = used_by(form, points)
    noise = noise or of_set(points if of_all is None else of_all, known, params)
    scatter = around(fit, used, noise)
    intervals = resample(fit, used, noise, scatter, config)
    bounds = intervals.of(fit)
    judged = {s: Verdict(False, _UNSHOWN if form.forecasts_alone else "not judged") for s in form.symbols}
    if judge:
        judged = verdicts(fit, used, scatter)
        judged = coefficients({s: spanning(v, fit, s, bounds.get(s)) for s, v in judged.items()}, fit)
    parameters = {
        s: Parameter(v, judged[s].identified, judged[s].reason, bounds.get(s), (judged[s].lo, judged[s].hi))
        for s, v in fit.parameters.items()
    }
    family = "joint" if len(form.over) > 1 else "size"
    own = list(tracks.misses.get(form.name, ())) if tracks else []
    tau, dof = bands.updated(own, (pooled or bands.POOLED)[family])
    _, end = rolling.parameters(fit, scatter.scale**2 + (noise.run**2 if noise else 0.0))
    own_tau = bands.alone(own)
    edge = (float(used.params.max()), float(used.tokens.max()), float(rolling.compute(used).max()))
    error = FormError(tau, dof, len(own), own_tau, *edge, end)
    top = int(np.argmax(rolling.compute(used)))
    far = (float(used.params[top]), FAR * float(used.tokens.max()))
    doubts = influence(fit, used, scatter, far, config.delta) if doubt else []
    return FittedLaw(
        form.name, params, parameters, fit.theta, fit.centre, fit.floor, fit.n, fit.rms, scatter.scale, noise,
        fit.starts.summary() | {"at_bound": fit.at_bound}, intervals.method, intervals.reason, intervals.theta,
        form_error=error, dear=of_dear_runs(fit, used), draws_dof=intervals.dof, second=second(fit, bounds, far) if doubt else
        None, influence=tuple(doubts[:SHOWN]), outliers=tuple(outliers(doubts)), )  # fmt: skip


def fit_laws(
    points: Points, config: ScalingConfig, tracks: Tracks, sizes: Sequence[float] | None = None, *, doubt: bool = True
) -> tuple[list[FittedLaw], tuple[FittedLaw, ...], dict[str, str]]:
    """(every law that the points of a set allow, what counts in forecasts alone, why the other forms aren't fitted).

    sizes: which get laws of their own; None for all.
    """
    laws: list[FittedLaw] = []
    missing: dict[str, str] = {}
    for form in FORMS.values():
        own = np.unique(points.params) if sizes is None else sorted(sizes)
        for n in [None] if len(form.over) > 1 else [float(n) for n in own]:
            part = points if n is None else points.where(points.params == n)
            lack = lacks(form, part)
            if lack:
                missing |= {} if form.forecasts_alone else {form.name: lack}
                continue
            laws.append(fit_one(form, n, part, config, tracks=tracks, of_all=points, doubt=doubt))
        if any(law.form == form.name for law in laws):
            missing.pop(form.name, None)
    unshown = tuple(law for law in laws if FORMS[law.form].forecasts_alone)
    return [law for law in laws if law.form in LAWS], unshown, missing


def lacks(form: Form, points: Points) -> str:
    """Why a form isn't even tried; empty where it is."""
    floor = points.known_floor()
    if form.fixed_floor and floor is None:
        return NO_FLOOR_KNOWN
    for variable in form.over:
        n = len(np.unique(getattr(points, variable)))
        if n < 3:
            return f"{n} different value(s) of {variable}"
    n = len(used_by(form, points))
    enough = n >= form.n_free if form.last else n > form.n_free  # what goes through two points, or three, is what it is
    return "" if enough else f"{n} points for {form.n_free} parameters"
