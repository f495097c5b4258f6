"""What a fit says against its own laws, for whoever plans by them."""

from __future__ import annotations

from preceptor.core.progress import quantity
from preceptor.scaling.fitted import FittedLaw, SetLaws
from preceptor.scaling.forms import FORMS
from preceptor.scaling.surface import Surface


def doubts_at(surface: Surface, params: float) -> list[str]:
    """The doubts about the law that a plan uses at a size, and about those that it is averaged with."""
    return doubts(surface.entry, surface.law(params))


def doubts(entry: SetLaws, law: FittedLaw) -> list[str]:
    """Sentences: notes of the set, and of each law whose loss counts; where the two methods disagree; points far off."""
    found = [f"{note}." for note in entry.notes]
    for averaged in entry.averaged(law):
        # what `late` knows of points and methods stands in `data`, its law that is shown
        one = (entry.law("data", averaged.params) or averaged) if FORMS[averaged.form].late else averaged
        what = f"The law {one.form}" + ("" if one.params is None else f" of {quantity(one.params)} parameters")
        if one.note:
            found.append(f"{what}: {one.note}.")
        if one.identified and one.second is not None and not one.second.agrees:
            found.append(f"{what}: a second method of fitting disagrees, so trust neither before you know why (see the fit).")
        if one.outliers:
            points = "1 point is" if len(one.outliers) == 1 else f"{len(one.outliers)} points are"
            found.append(f"{what}: {points} far off it (the fit names the --drop).")
    return found
