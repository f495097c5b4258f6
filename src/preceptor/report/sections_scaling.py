"""Sections on the laws: what was fitted and whether it is identified; the forecast of what was held out."""

from __future__ import annotations

from matplotlib.axes import Axes

from preceptor.core.tables.scaling import Forecast
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, legend
from preceptor.report.fitted import Footing, Law, Parameter, footings, laws, not_fitted
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

FORMS = {
    "data": "L∞ + A·D⁻ᵅ",
    "excess": "floor + A·D⁻ᵅ",
    "late": "L∞ + A·D⁻ᵅ, points weighing by √D",
    "line": "floor + A·D⁻ᵅ through the last two budgets",
    "bend": "floor + A·D⁻ᵅ·exp(G/D) through the last three budgets",
    "joint": "E + A·N⁻ᵅ + B·D⁻ᵝ",
    "joint-excess": "floor + A·N⁻ᵅ + B·D⁻ᵝ",
    "plan": "as a plan would",
}
PLANNED = "plan"  # the form of a forecast as a plan would make it
HELD = {"corner": "corner", "size": "largest size", "tokens": "largest budgets", "named": "named"}
SYMBOLS = {"L_inf": "L∞", "E": "E", "A": "A", "alpha": "α", "B": "B", "beta": "β", "G": "G"}


def fitted(inputs: Artifacts) -> Section:
    """The laws with intervals, or "not identified" and "no interval" with the reason."""
    found = laws(inputs)
    if not found:
        return Section(missing("The scaling stage is not among the inputs, or fitted nothing (no laws in laws.json)."))
    unsure = sum(not law.identified for law in found)
    parts: list[Html | None] = [
        paragraphs(
            "A parameter is identified when the points fix it: the sweep is wide enough, no bound is hit, many starts meet at"
            " one optimum, and only a narrow range of values fits as well. The value of one that isn't is not shown, since it"
            " would be read; and no order of exponents is claimed between laws that are not identified.",
            f"{unsure} of {len(found)} fitted laws have a parameter that is not identified.",
        )
    ]
    joint = [law for law in found if law.params is None]
    single = [law for law in found if law.params is not None]
    if joint:
        parts.append(_table(joint, "Joint laws in N and D"))
    if single:
        title = f"Laws in D, one for each set and size ({len(single)})"
        parts.append(h("details", h("summary", title), _table(single, "Laws in D, one for each size")))
    parts += [_second(found), _footings(footings(inputs)), _not_fitted(not_fitted(inputs))]
    return Section(join(parts))


def _second(found: list[Law]) -> Html | None:
    """Identified laws by both methods, and the points far off any law."""
    rows = [
        [
            f.name(law.set),
            equation(law.form),
            f.size(law.params) if law.params is not None else "all",
            ", ".join(f"{SYMBOLS[s]} {f.short(law.parameters[s].value)}" for s in law.second),
            ", ".join(f"{SYMBOLS[s]} {f.short(v)}" for s, v in law.second.items()),
            f.percent(law.far),
            "agree" if law.agrees else h("strong", "disagree"),
        ]
        for law in found
        if law.second and law.identified
    ]
    far_off = [h("li", f.name(law.set), ": ", h("code", f"--drop '{o}'")) for law in found for o in law.outliers]
    notes = [h("li", f.name(law.set), " ", equation(law.form), ": ", law.note) for law in found if law.note]
    parts: list[Html | None] = []
    if rows:
        said = paragraphs(
            "Each identified law is fitted by a second method too: the exponents are searched for, and the rest follows by"
            " non-negative least squares. Where the two disagree, trust neither before you know why."
        )
        head = ["Set", "Form", "N", "First method", "Second method", "Apart at 10× the tokens", "The methods"]
        shown = join([said, table(head, rows, "Two methods", 7)])
        parts.append(h("details", h("summary", f"Two methods of fitting ({len(rows)} laws)"), shown))
    if far_off:
        parts.append(
            h("div", h("p", "Points far off their law. preceptor fit leaves them out, on the record, with:"), h("ul", far_off))
        )
    if notes:
        parts.append(h("details", h("summary", f"Laws that don't fit their points ({len(notes)})"), h("ul", notes)))
    return join(parts) if parts else None


def _footings(found: list[Footing]) -> Html | None:
    """Which points enter, how forms are averaged, and how wrong they may be beyond the points."""
    rows = [
        [
            f.name(x.set),
            f"{f.size(x.enters)}, below the {x.reference}" if x.enters is not None else "all",
            str(x.left_out),
            ", ".join(f"{FORMS.get(form, form)} {f.percent(w, 0)}" for form, w in x.weights.items()) or f.ABSENT,
            f.percent(x.tau) if x.tau is not None else f.ABSENT,
            "; ".join(x.notes) or f.ABSENT,
        ]
        for x in found
    ]
    if not rows:
        return None
    head = ["Set", "Points enter from", "Cells left out", "Forms in a forecast", "Error of the form per e-fold", "Remarks"]
    return h("details", h("summary", "What the laws rest on"), table(head, rows, "What the laws rest on", 6))


def _not_fitted(rows: list[tuple[str, str, str]]) -> Html | None:
    if not rows:
        return None
    body = [[f.name(name), equation(form), why] for name, form, why in rows]
    return h("details", h("summary", "Forms that were not tried"), table(["Set", "Form", "Why"], body, "Not tried", 3))


def equation(form: str) -> Html:
    """A form as its equation, on one line."""
    return h("span", FORMS.get(form, form), cls="f")


def _table(found: list[Law], caption: str) -> Html:
    names = [symbol for symbol in SYMBOLS if any(symbol in law.parameters for law in found)]
    sized = any(law.params is not None for law in found)
    head = ["Set", "Form", *(["N"] if sized else []), *(SYMBOLS[k] for k in names)]
    head += ["Intervals and starts"] if sized else ["Held-out error in excess", "Intervals and starts"]
    rows = []
    for law in found:
        cells = [_value(law.parameters.get(k)) for k in names]
        middle = [f.size(law.params)] if sized else []
        said = ", ".join(f"{HELD.get(k, k)} {f.percent(v)}" for k, v in law.cells.items())
        least = h("small", " least of its set") if law.chosen else None
        error = [] if sized else [join([f.percent(law.error), least, h("small", f" ({said})") if said else None])]
        remark = h("div", "; ".join(x for x in (law.intervals, law.starts) if x), cls="w")
        rows.append([f.name(law.set), equation(law.form), *middle, *cells, *error, remark])
    return table(head, rows, caption, text_columns=len(head))


def _value(p: Parameter | None) -> Html:
    if p is None:
        return join([f.ABSENT])
    if not p.identified:
        return h("div", h("strong", "not identified"), h("small", f" {p.reason}") if p.reason else None, cls="v")
    return h("div", f.short(p.value), h("small", " ", f.short_interval(p.interval)), cls="v")


def forecast(inputs: Artifacts) -> Section:
    """The held-out corner: what the law said, what two simpler guesses said, what came."""
    rows = inputs.rows("scaling", Forecast)
    if not rows:
        return Section(missing("The scaling stage is not among the inputs, or held nothing out."))
    parts = [
        paragraphs(
            "The largest sizes, the largest budgets and the corner of both were kept from the fit, one at a time, and"
            " predicted. A prediction that is close in loss can still be poor: most of the loss is floor, so the error is given"
            " in the excess too, beside two guesses that need no law: going on through the last two points in the excess, and"
            " repeating the nearest smaller run."
        )
    ]
    shown = largest(inputs)
    drawing = _errors(shown)
    if drawing:
        key = legend([("synthetic", "o", "the law"), ("other", "^", "last two points"), ("third", "v", "nearest smaller run")])
        said = "Errors of the largest held-out run of each set. On the line: predicted as it came."
        parts.append(figure([drawing], said, key))
    if shown:
        parts.append(_forecasts(shown, "The largest held-out run of each set, as a plan would have forecast it"))
    title = f"All {len(rows)} forecasts: every form, every held-out point"
    parts.append(h("details", h("summary", title), _forecasts(rows, "Forecasts of what was held out")))
    return Section(join(parts), (drawing,) if drawing else ())


def _forecasts(rows: list[Forecast], caption: str) -> Html:
    head = ["Set", "Form", "N", "D", "Came true", "Predicted", "95 %", "Error in excess"]
    head += ["Last two points", "Nearest smaller", "Excess over", "Held out", "Remarks"]
    body = [
        [
            f.name(r.set),
            equation(r.form),
            f.size(r.params),
            f.size(r.tokens),
            f.fixed(r.actual),
            f.fixed(r.predicted),
            f.interval(r.lo, r.hi),
            f.excess_share(r, r.excess_error),
            _guess(r, r.baseline_two_point, r.two_point_error),
            _guess(r, r.baseline_nearest_smaller, r.nearest_smaller_error),
            r.reference_kind,
            HELD.get(r.held, r.held),
            r.note or f.ABSENT,
        ]
        for r in rows
    ]
    return table(head, body, caption, text_columns=2)


def _guess(row: Forecast, value: float | None, error: float | None) -> Html:
    said = h("small", f" {f.excess_share(row, error)}") if error is not None else None
    return join([f.fixed(value), said])


def largest(inputs: Artifacts) -> list[Forecast]:
    """For every set the costliest run held out at the corner, as a plan would have forecast it."""
    best: dict[str, Forecast] = {}
    for row in inputs.rows("scaling", Forecast):
        if row.held != "corner" or row.form != PLANNED or row.predicted is None:
            continue
        if row.set not in best or _extent(row) > _extent(best[row.set]):
            best[row.set] = row
    return list(best.values())


def _extent(row: Forecast) -> float:
    return row.params * row.tokens


def _errors(shown: list[Forecast]) -> Drawing | None:
    def marks(r: Forecast) -> list[tuple[float, str, str, float]]:
        """(error, colour, marker, shift) of each error there is."""
        every = (
            (r.two_point_error, "other", "^", -0.14),
            (r.nearest_smaller_error, "third", "v", 0.14),
            (r.excess_error, "synthetic", "o", 0.0),
        )
        return [(x, name, marker, up) for x, name, marker, up in every if x is not None]

    rows = [r for r in reversed(shown) if marks(r)]
    if not rows:
        return None

    def plot(axes: Axes) -> None:
        axes.axvline(0, color=colour("ink"), linewidth=1.2)
        for y, row in enumerate(rows):
            for x, name, marker, up in marks(row):
                axes.plot([100 * x], [y + up], marker, color=colour(name), markersize=6)
        axes.set_yticks(range(len(rows)), [f.name(r.set) for r in rows])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(False, axis="y")
        if any(abs(x) > 1 for row in rows for x, *_ in marks(row)):  # below, its ticks are the ends of the axis alone
            axes.set_xscale("symlog", linthresh=100)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("Error, % of the excess that came")

    said = "; ".join(
        f"{f.name(r.set)}: law {f.excess_share(r, r.excess_error)}, last two points"
        f" {f.excess_share(r, r.two_point_error)}, nearest smaller run {f.excess_share(r, r.nearest_smaller_error)}"
        for r in rows
    )
    return draw("forecast", "Errors of the forecasts of the largest held-out runs", said, plot, height=1.0 + 0.36 * len(rows))
