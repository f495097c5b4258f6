"""The laws of one evaluation set: which points enter, every form, what was held out, and which form plans rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.against_floor import against_floor
from preceptor.scaling.burn_in import BurnIn, burn_in
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import fit_form, used_by
from preceptor.scaling.fit_one import FAMILY, NO_FLOOR_KNOWN, Tracks, fit_laws, lacks, track_record
from preceptor.scaling.fitted import FittedLaw, SetLaws
from preceptor.scaling.forecast import NAMED, PLANNED, cells_of, chief, forecast, predict
from preceptor.scaling.forms import FORMS, LAWS
from preceptor.scaling.identify import coefficients, verdicts
from preceptor.scaling.kinds import compared
from preceptor.scaling.noise import around, of_set, widest
from preceptor.scaling.points import Points
from preceptor.scaling.repetition import fit_repetition

_ONE_UNIT = 0.1  # share of a loss that seeds don't differ by: another unit, such as bits, does
_FAR_WORSE = 3.0  # times the noise of runs: a form that leaves more is wrong for these points


def fit_set(name: str, points: Points, config: ScalingConfig, named: Sequence[Points] = ()) -> tuple[SetLaws, list[Forecast]]:
    """Fit every form to the points of a set, and predict what is held out and what is named."""
    unit = str(points.unit[0])
    notes: list[str] = []
    points, floor = against_floor(points, notes)
    repeated, fresh = points.where(points.repeated), points.where(~points.repeated)
    apart, cell = widest(fresh)
    if apart > _ONE_UNIT:
        notes.append(
            f"runs of one size and number of tokens differ by up to {apart:.0%} ({cell}): is every loss of this set in the same"
            " unit, and of the same data?"
        )
    burn: BurnIn | None = None
    if config.burn_in != "none":
        entering, burn = burn_in(fresh, config.burn_in)
        if burn is not None and not len(entering):
            why = f"at no number of tokens every size is below the {burn.reference}, {burn.value:.4g}"
            missing = {f.name: NO_FLOOR_KNOWN if f.fixed_floor and floor is None else why for f in LAWS.values()}
            return SetLaws(name, unit, floor, (), None, missing, {}, burn_in=burn, notes=tuple(notes)), []
        repeated = repeated if burn is None or burn.first is None else repeated.where(repeated.tokens >= burn.first)
        fresh, before = entering, fresh
        if burn is not None:
            burn = _under_bigram(burn, before, config)
    tracks = track_record(fresh, config) if len(fresh) else Tracks({}, {})
    laws, unshown, missing = fit_laws(fresh, config, tracks)
    rows = forecast(name, fresh, config) if config.forecast else []
    cells = cells_of(rows)
    errors = {form: float(np.mean(list(of.values()))) for form, of in cells.items() if form in LAWS}
    laws = [_noted(law, laws, floor) for law in laws]
    chosen = chief(laws, errors)
    repetition = None
    if len(repeated) and chosen:
        base = fit_form(FORMS[chosen], fresh, config.starts, config.delta, config.seed)
        repetition = fit_repetition(base, repeated, config.delta)
    elif len(repeated):
        notes.append(_kept_out(repeated, fresh, missing))
    weights = {f: w for f, w in tracks.weights.items() if any(law.form in FAMILY[f] for law in (*laws, *unshown))}
    entry = SetLaws(
        name, unit, floor, tuple(laws), chosen, missing, errors, repetition, weights, cells, burn, repeated=len(repeated),
        unshown=unshown, kinds=compared(fresh, config) if len(fresh) else None,
    )  # fmt: skip
    joint = entry.law(chosen) if chosen else None
    if entry.kinds and entry.own_first and joint is not None and joint.identified:
        notes.append(
            f"the joint law misses later budgets of the trained sizes by {entry.kinds.joint:.2%} and the sizes' own laws by"
            f" {entry.kinds.own:.2%}, so that forecasts and plans rest on the latter"
        )
    for test in named:
        again = int(np.sum(test.repeated))
        if again:
            notes.append(f"{again} of {len(test)} rows that were held out repeat data, and aren't forecast")
        if len(test) and len(fresh):
            rows += predict(entry, fresh, test.where(~test.repeated), NAMED)
    return replace(entry, notes=tuple(notes)), rows


def preferred(entry: SetLaws) -> list[str]:
    """Forms in the order in which plans would forecast by them."""
    return [PLANNED, *([entry.chosen] if entry.chosen else []), "joint-excess", "joint", "excess", "data"]


def _kept_out(repeated: Points, fresh: Points, missing: Mapping[str, str]) -> str:
    """Why points that repeat data are of no use here."""
    most = float((repeated.tokens / repeated.unique_tokens).max())
    why = missing.get("joint", "no joint law is fitted") if len(fresh) else "no point is fresh"
    return (
        f"{len(repeated)} of {len(repeated) + len(fresh)} points read their data more than once (up to {most:.3g} times), and"
        f" are kept out of these laws; what repeats are worth needs a joint law of fresh points, and there is none: {why}"
    )


def _under_bigram(burn: BurnIn, points: Points, config: ScalingConfig) -> BurnIn:
    """The exponents of the joint laws, or of tokens at each size's largest, where the bigram is what has to be beaten."""
    entering, found = burn_in(points, "bigram")
    if found is None:
        return replace(burn, why_not="the bigram isn't known")
    if found.first is None:
        return replace(burn, why_not=f"at no number of tokens every size is below the bigram, {found.value:.4g}")
    exponents: dict[str, dict[str, float]] = {}
    for form in LAWS.values():
        if len(form.over) == 1 or lacks(form, entering):
            continue
        fit = fit_form(form, entering, config.starts, config.delta, config.seed)
        used = used_by(form, entering)
        judged = coefficients(verdicts(fit, used, around(fit, used, of_set(entering, fit.floor))), fit)
        exponents[form.name] = {s: fit.parameters[s] for s in ("alpha", "beta") if judged[s].identified}
    return replace(burn, under_bigram=exponents, why_not="" if exponents else "too few points are left")


def _noted(law: FittedLaw, laws: list[FittedLaw], floor: float | None) -> FittedLaw:
    said = [text for text in (_bends(law, laws, floor), _misses(law, laws)) if text]
    return replace(law, note="; ".join(said)) if said else law


def _bends(law: FittedLaw, laws: list[FittedLaw], floor: float | None) -> str:
    """Where a law with the known floor bends: the same law with a free floor keeps clear of the known one."""
    free = {"excess": ("data", "L_inf"), "joint-excess": ("joint", "E")}.get(law.form)
    other = next((x for x in laws if free and x.form == free[0] and x.params == law.params), None)
    if free is None or other is None or floor is None:
        return ""
    lo, hi = other.parameters[free[1]].fits_as_well
    if lo is None or hi is None or lo <= floor * 1.001:
        return ""
    return f"the points bend away from this law: a free floor ends at {lo:.4g} – {hi:.4g}, above the known {floor:.4g}"


def _misses(law: FittedLaw, laws: list[FittedLaw]) -> str:
    """Where a form misses its points by far more than runs differ: by their seeds, else around their own sizes' laws."""
    if law.noise is not None:
        own, by = float(np.hypot(law.noise.run, law.noise.point)), "seeds differ by"
    elif law.params is None:
        single = "excess" if law.form == "joint-excess" else "data"
        scales = [x.scale for x in laws if x.form == single and x.n > FORMS[single].n_free + 1]
        if len(scales) < 2:
            return ""
        own, by = float(np.median(scales)), "each size scatters around a law of its own by"
    else:
        return ""
    if not law.rms > _FAR_WORSE * own:
        return ""
    return f"this form misses its points by {law.rms:.2%}, where {by} {own:.2%}: it isn't their form, or a point is wrong"
