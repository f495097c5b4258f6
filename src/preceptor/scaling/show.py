"""The laws as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from preceptor.core.progress import quantity
from preceptor.scaling.burn_in import BurnIn
from preceptor.scaling.fitted import Dropped, FittedLaw, Parameter, SetLaws, Tried
from preceptor.scaling.forecast import PLANNED, Judged
from preceptor.scaling.forms import FORMS, LAWS

_WORTH_SAYING = 0.01  # of a forecast: a law that moves less hangs on no point
_CELLS = {"corner": "corner", "size": "largest size", "tokens": "largest budgets"}


def law_table(
    sets: Mapping[str, SetLaws], tried: Tried, dropped: Sequence[Dropped] = (), named: Mapping[str, Judged] | None = None
) -> str:
    """A block for each set: every law with its parameters, intervals, what isn't identified, and the held-out error of each
    form.

    dropped: rows that a person left out; named: how the rows that a person held out were forecast, by set.
    """
    head = (
        f"{quantity(tried.params_range[0])} – {quantity(tried.params_range[1])} parameters, "
        f"{quantity(tried.tokens_range[0])} – {quantity(tried.tokens_range[1])} tokens"
    )
    left_out = [f"left out by --drop '{d.expression}': {len(d.rows)} rows" for d in dropped]
    blocks = ["\n" + "\n".join([_block(entry), *_named(named or {}, name)]) for name, entry in sets.items()]
    return "\n".join([head, *left_out, *blocks])


def _named(found: Mapping[str, Judged], name: str) -> list[str]:
    """How the rows that a person held out were forecast."""
    if name not in found:
        return []
    j = found[name]
    error = "" if j.error is None else f", off by {j.error:.1%} of the excess on average"
    guesses = [
        f"{what} {e:.1%}"
        for what, e in (("last two points", j.two_point), ("nearest smaller run", j.nearest_smaller))
        if e is not None
    ]
    beside = f" (without a law: {', '.join(guesses)})" if guesses else ""
    if not j.points:
        return [f"  held out      {j.without} points of sizes without a law: none is forecast"]
    below = f"; {j.below} of them at or below the floor or the law's end, which count in no error" if j.below else ""
    without = f"; {j.without} more of sizes without a law" if j.without else ""
    covered = "; no intervals" if j.covered is None else f"; {j.covered:.0%} of them within their 95 % intervals"
    return [f"  held out      {j.points} points{error}{beside}{covered}{below}{without}"]


def _block(entry: SetLaws) -> str:
    unit = f", nats per {entry.unit}" if entry.unit else ""
    floor = f", known floor {entry.floor:.4f}" if entry.floor is not None else ""
    lines = [f"{entry.name}{unit}{floor}", *(f"  ! {note}" for note in entry.notes)]
    lines += _burn_in(entry.burn_in, unit) if entry.burn_in else []
    for form in LAWS.values():
        laws = [x for x in entry.laws if x.form == form.name]
        if not laws:
            if form.name in entry.not_fitted:
                lines.append(f"  {form.name:<13} not fitted: {entry.not_fitted[form.name]}")
            continue
        chosen = "   ← least held-out error" if form.name == entry.chosen else ""
        error = entry.forecast_error.get(form.name)
        lines.append(f"  {form.name:<13} L = {form.equation}{chosen}")
        if error is not None:
            lines.append(f"    held out: off by {error:.1%} of the excess ({_cells(entry, form.name)})")
        open_sizes: dict[str, list[str]] = {}
        for one in laws:
            if one.params is not None and not any(p.identified for p in one.parameters.values()):
                open_sizes.setdefault(one.why_not, []).append(quantity(one.params))
            else:
                lines += _law(one)
        lines += [f"    {', '.join(sizes)}: not identified – {why}" for why, sizes in open_sizes.items()]
    lines += _averaged(entry)
    if planned := list(entry.forecast_cells.get(PLANNED, {}).values()):
        mean = sum(planned) / len(planned)
        lines.append(f"  held out      as a plan forecasts: off by {mean:.1%} of the excess ({_cells(entry, PLANNED)})")
    if entry.repetition:
        r = entry.repetition
        cells = "  ".join(
            f"{s} {r.values[s]:.3g}" if not why else f"{s} not identified ({why})" for s, why in r.reasons.items()
        )
        lines.append(f"  repetition    {cells}; {r.n} points, residual {r.rms:.2%}, {r.rms_as_fresh:.2%} were repeats fresh")
    return "\n".join(lines)


def _cells(entry: SetLaws, form: str) -> str:
    """The held-out error of each part."""
    found = entry.forecast_cells.get(form, {})
    return ", ".join(f"{name} {e:.1%}" for c, name in _CELLS.items() if (e := found.get(c)) is not None)


def _law(law: FittedLaw) -> list[str]:
    size = f"{quantity(law.params)}: " if law.params is not None else ""
    cells = "  ".join(f"{s} {_cell(p)}" for s, p in law.parameters.items())
    lines = [f"    {size}{cells}"]
    if law.why_not:
        lines.append(f"      not identified – {law.why_not}")
    if law.note:
        lines.append(f"      {law.note}")
    lines += [f"      {text}" for text in (_second(law), _points(law)) if text]
    reached = f"{law.starts['at_best_optimum']}/{law.starts['starts']} starts at the optimum"
    lines.append(f"      {law.interval_method}: {law.interval_reason}; {law.n} points, residual {law.rms:.2%}, {reached}")
    return lines


def _cell(p: Parameter) -> str:
    # the value of a parameter that isn't identified is not shown: it would be read
    if not p.identified:
        return "not identified"
    return f"{p.value:.4g}" + (f" [{p.interval[0]:.4g}, {p.interval[1]:.4g}]" if p.interval else "")


def _second(law: FittedLaw) -> str:
    """What the second method found, and whether the two agree."""
    if law.second is None or not law.identified:
        return ""
    values = "  ".join(f"{s} {v:.4g}" for s, v in law.second.values.items() if s in ("L_inf", "E", "alpha", "beta"))
    said = "agrees" if law.second.agrees else "DISAGREES: trust neither before you know why"
    return f"second method (VPNLS): {values}; at ten times the tokens {law.second.apart:+.1%} of what is left; {said}"


def _points(law: FittedLaw) -> str:
    """Points far off the law, with the option that leaves them out; else the point that it hangs on most."""
    if law.outliers:
        named = "; ".join(f"--drop '{o.drop}' ({o.residual:+.1f} times the scatter)" for o in law.outliers[:3])
        count = "1 point is" if len(law.outliers) == 1 else f"{len(law.outliers)} points are"
        return f"{count} far off this law{', the farthest' if len(law.outliers) > 3 else ''}: {named}"
    if law.influence and law.identified and abs(law.influence[0].moves) >= _WORTH_SAYING:
        one = law.influence[0]
        return (
            f"hangs most on run {one.run} at {quantity(one.tokens)} tokens: without it the forecast moves by {one.moves:+.1%}"
        )
    return ""


def _averaged(entry: SetLaws) -> list[str]:
    """How forms are averaged in a forecast, and how wrong they may be beyond the points."""
    lines = []
    for family, of in (("joint", "joint laws"), ("size", "laws of one size")):
        weights = entry.weights.get(family, {})
        own = [law for law in (*entry.laws, *entry.unshown) if law.form in weights and law.form_error is not None]
        if not own or own[0].form_error is None:
            continue
        e = own[0].form_error
        mixed = ", ".join(f"{form.said} {weights[name]:.0%}" for name, form in FORMS.items() if name in weights)
        by = f"pooled over other sweeps and {e.origins} cut(s) of these points" if e.origins else "pooled over other sweeps"
        lines.append(f"  forecasts     {of}: {mixed}; beyond the points ± {e.tau:.1%} per e-fold of compute ({by})")
    return lines


def _burn_in(burn: BurnIn, unit: str) -> list[str]:
    """From which tokens points enter, and the exponents under a harder rule."""
    said = f"  points enter from {quantity(burn.first)} tokens" if burn.first is not None else "  no point enters"
    sizes = ", ".join(quantity(n) for n in burn.late)
    late = f"; last above it: {sizes}" if sizes and burn.dropped else ""
    below = f"there every size is below the {burn.reference}, {burn.value:.4g}{unit}"
    lines = [f"{said}: {below}; {len(burn.dropped)} cells left out{late}"]
    for form in (form for form in FORMS if form in burn.under_bigram):
        found = "  ".join(f"{s} {v:.4g}" for s, v in sorted(burn.under_bigram[form].items())) or "not identified"
        lines.append(f"    below the bigram instead, {form}: {found}")
    if burn.why_not:
        lines.append(f"    below the bigram instead: {burn.why_not}")
    return lines
