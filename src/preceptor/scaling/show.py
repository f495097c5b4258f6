"""The laws as text."""

from __future__ import annotations

from collections.abc import Mapping

from preceptor.core.progress import quantity
from preceptor.scaling.fitted import FittedLaw, Parameter, SetLaws, Tried
from preceptor.scaling.forms import FORMS


def law_table(sets: Mapping[str, SetLaws], tried: Tried) -> str:
    """A block a set: each law with its parameters, intervals, what isn't identified, and the held-out error of each form."""
    head = (
        f"{quantity(tried.params_range[0])} – {quantity(tried.params_range[1])} parameters, "
        f"{quantity(tried.tokens_range[0])} – {quantity(tried.tokens_range[1])} tokens"
    )
    return "\n".join([head, *("\n" + _block(entry) for entry in sets.values())])


def _block(entry: SetLaws) -> str:
    unit = f", nats per {entry.unit}" if entry.unit else ""
    floor = f", known floor {entry.floor:.4f}" if entry.floor is not None else ""
    lines = [f"{entry.name}{unit}{floor}"]
    for form in FORMS.values():
        laws = [x for x in entry.laws if x.form == form.name]
        if not laws:
            if form.name in entry.not_fitted:
                lines.append(f"  {form.name:<13} not fitted: {entry.not_fitted[form.name]}")
            continue
        chosen = "   ← least held-out error" if form.name == entry.chosen else ""
        error = entry.forecast_error.get(form.name)
        tested = f"   held-out corner off by {error:.1%} of the excess" if error is not None else ""
        lines.append(f"  {form.name:<13} L = {form.equation}{tested}{chosen}")
        open_sizes: dict[str, list[str]] = {}
        for one in laws:
            if one.params is not None and not any(p.identified for p in one.parameters.values()):
                open_sizes.setdefault(one.why_not, []).append(quantity(one.params))
            else:
                lines += _law(one)
        lines += [f"    {', '.join(sizes)}: not identified – {why}" for why, sizes in open_sizes.items()]
    if entry.repetition:
        r = entry.repetition
        cells = "  ".join(
            f"{s} {r.values[s]:.3g}" if not why else f"{s} not identified ({why})" for s, why in r.reasons.items()
        )
        lines.append(f"  repetition    {cells}; {r.n} points, residual {r.rms:.2%}, {r.rms_as_fresh:.2%} were repeats fresh")
    return "\n".join(lines)


def _law(law: FittedLaw) -> list[str]:
    size = f"{quantity(law.params)}: " if law.params is not None else ""
    cells = "  ".join(f"{s} {_cell(p)}" for s, p in law.parameters.items())
    lines = [f"    {size}{cells}"]
    if law.why_not:
        lines.append(f"      not identified – {law.why_not}")
    if law.note:
        lines.append(f"      {law.note}")
    reached = f"{law.starts['at_best_optimum']}/{law.starts['starts']} starts at the optimum"
    lines.append(f"      {law.interval_method}: {law.interval_reason}; {law.n} points, residual {law.rms:.2%}, {reached}")
    return lines


def _cell(p: Parameter) -> str:
    # the value of a parameter that isn't identified is not shown: it would be read
    if not p.identified:
        return "not identified"
    return f"{p.value:.4g}" + (f" [{p.interval[0]:.4g}, {p.interval[1]:.4g}]" if p.interval else "")
