"""The section on the language models: ladder, loss and excess against tokens for every size and set, Real beside references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.core.tables.lm import Point, Rung, SpanLoss
from preceptor.core.tables.row import columns
from preceptor.core.tables.scaling import Fitted
from preceptor.report import formats as f
from preceptor.report import items
from preceptor.report.curves import Curve, curves
from preceptor.report.drawing import MARKERS, Drawing, colour, draw, figure, ladder, legend, log_axis
from preceptor.report.fitted import laws
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts, number
from preceptor.report.section import Section

ORDER = list(f.SETS)
REFERENCES = {"uniform": ":", "unigram": "--", "bigram": "-.", "generator": "-", "entropy": "--"}
FLOOR_SET = "uih-in-graph"
REAL = ("real-validation-seen", "real-test-seen")


def loss(inputs: Artifacts) -> Section:
    """What was trained, and what the losses are, with the known floor and the reference lines drawn."""
    by_set = curves(inputs)
    if not by_set:
        return Section(missing("The lm stage is not among the inputs."))
    sizes = sizes_of(by_set)
    ordered = sorted(by_set, key=lambda s: ORDER.index(s) if s in ORDER else 99)
    floored = [s for s in ordered if any(c.floor is not None for c in by_set[s])]
    others = [s for s in ordered if s not in floored]
    parts: list[Html | None] = [
        paragraphs(
            "A ladder of models trained from scratch on the curriculum (pre-training). Each point is a finished run: a trunk at"
            " constant learning rate with a decay branch of its own at every number of tokens D. N counts parameters without"
            " embeddings and head. Loss is in nats per item for histories, and per token elsewhere."
        ),
        _ladder(inputs.rows("lm", Rung)),
    ]
    drawings: list[Drawing] = []
    if floored:
        parts.append(h("h3", "Against the known floor"))
        law = any(fitted(inputs, s) for s in floored)
        lines = [("ink", "--", "known floor"), *([("ink", ":", "the fitted joint law")] if law else [])]
        said = " Points are runs. The section Laws says whether the law's parameters are identified." if law else ""
        panels = [
            p
            for s in floored
            for p in (loss_panel(by_set[s], sizes, inputs), excess_panel(by_set[s], sizes, fitted(inputs, s)))
        ]
        drawings += panels
        parts.append(
            figure(
                panels,
                "Loss with the known floor, which no model can beat, and what is left above it: a power law is a straight line"
                " there." + said,
                size_legend(sizes, lines),
            )
        )
    points = inputs.rows("lm", Point)
    real = {s: found for s, found in curves(inputs, among_items=True).items() if s in REAL}
    if real:
        parts.append(h("h3", "On real histories, among items"))
        panels = [items_panel(real[s], sizes, items.rivals(points, s)) for s in REAL if s in real]
        drawings += panels
        drawn = {rival for s in real for rival in items.rivals(points, s)}
        lines = [("soft", style, f.name(r)) for r, style in REFERENCES.items() if r in drawn]
        parts.append(
            figure(
                panels,
                "Real next items that the models were trained on, beside models that count and the generator's law: same"
                " targets, same histories, same candidates. A law on drawn histories alone says nothing about recommendation.",
                size_legend(sizes, lines),
            )
        )
    parts += [items.among_items(points), *(items.of_all_targets(s, references(inputs, s)) for s in REAL if s in real)]
    if others:
        parts.append(h("h3", "Every other set"))
        panels = [loss_panel(by_set[s], sizes, inputs) for s in others]
        drawings += panels
        lines = (
            [("soft", "--", "entropy of the sampler (a reference, not a floor)")]
            if any("entropy" in references(inputs, s) for s in others)
            else []
        )
        parts.append(
            figure(
                panels, "Loss against tokens, each size. Bars, where there are any, span the seeds.", size_legend(sizes, lines)
            )
        )
    parts += [_table(by_set, ordered), items.pairs(inputs.rows("lm", SpanLoss))]
    return Section(join(parts), tuple(drawings))


def sizes_of(by_set: dict[str, list[Curve]]) -> list[float]:
    """Every size, smallest first."""
    return sorted({c.params for found in by_set.values() for c in found})


def size_legend(sizes: list[float], lines: list[tuple[str, str, str]]) -> Html:
    """Colour and marker of each size, with further lines."""
    names = ladder(len(sizes))
    return legend([*((names[i], MARKERS[i % 8], f"N = {f.size(n)}") for i, n in enumerate(sizes)), *lines])


def references(inputs: Artifacts, name: str) -> dict[str, float]:
    """References of an evaluation set, nats per unit, from its meta.json; none where the stage that made it is absent. Those of
    real histories are among items: no lines beside a loss."""
    real = name.startswith("real")
    found = inputs.document("real", f"{name}/meta.json") if real else inputs.document("curriculum", f"eval/{name}/meta.json")
    return {} if found is None else dict(found["references"])


def plot_series(axes: Axes, found: list[Curve], sizes: list[float], excess: bool, joined: bool = True) -> None:
    """One line a size; excess where asked for, and then only what lies above the floor."""
    names = ladder(len(sizes))
    for curve in found:
        i = sizes.index(curve.params)
        y = curve.excess if excess else curve.loss
        good = np.isfinite(y) & (y > 0)
        if (curve.high > curve.low).any():
            shift = curve.loss - y
            axes.vlines(
                curve.tokens[good], (curve.low - shift)[good], (curve.high - shift)[good], color=colour(names[i]), linewidth=1
            )
        line = "-" if joined else "none"
        axes.plot(curve.tokens[good], y[good], marker=MARKERS[i % 8], linestyle=line, color=colour(names[i]))


def _said(found: list[Curve], excess: bool = False) -> str:
    return "; ".join(
        f"N {f.size(c.params)}: {f.fixed((c.excess if excess else c.loss)[0])} at {f.size(c.tokens[0])} tokens, "
        f"{f.fixed((c.excess if excess else c.loss)[-1])} at {f.size(c.tokens[-1])}"
        for c in found
    )


def loss_panel(found: list[Curve], sizes: list[float], inputs: Artifacts | None = None) -> Drawing:
    """Loss against tokens, with the known floor or the reference lines of the set."""
    name, unit = found[0].set, found[0].unit
    lines = references(inputs, name) if inputs and not name.startswith("real") else {}
    floor = next((c.floor for c in found if c.floor is not None), None)

    def plot(axes: Axes) -> None:
        plot_series(axes, found, sizes, excess=False)
        top = max(float(c.high.max()) for c in found)
        if floor is not None:
            axes.axhline(floor, color=colour("ink"), linestyle="--", linewidth=1.2)
            axes.annotate(
                "known floor", (0.99, floor), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=8.5
            )
            axes.set_ylim(floor - 0.06 * (top - floor), top + 0.06 * (top - floor))
        else:
            drawn_lines = sorted((value, reference) for reference, value in lines.items() if reference in REFERENCES)
            for value, reference in drawn_lines:
                axes.axhline(value, color=colour("soft"), linestyle=REFERENCES[reference], linewidth=1.1)
            name_lines(axes, drawn_lines)
        log_axis(axes, "x", "Training tokens D")
        axes.set_ylabel(f"Loss, nats per {unit}")
        axes.set_title(f.name(name))

    drawn = [("known floor", floor)] if floor is not None else [(k, v) for k, v in lines.items() if k in REFERENCES]
    said = _said(found) + "".join(f"; {k}: {f.fixed(v)}" for k, v in drawn)
    return draw(f"loss-{name}", f"Loss against tokens, {f.name(name)}", said, plot)


def items_panel(found: list[Curve], sizes: list[float], rivals: Mapping[str, float]) -> Drawing:
    """Loss among items against tokens, with the prior where there is one, beside what others have on the same items."""
    name = found[0].set

    def plot(axes: Axes) -> None:
        plot_series(axes, found, sizes, excess=False)
        lines = sorted((value, rival) for rival, value in rivals.items())
        for value, rival in lines:
            axes.axhline(value, color=colour("soft"), linestyle=REFERENCES[rival], linewidth=1.1)
        name_lines(axes, [(value, f.name(rival)) for value, rival in lines])
        log_axis(axes, "x", "Training tokens D")
        axes.set_ylabel("Loss among items, nats per item")
        axes.set_title(f.name(name))

    said = _said(found) + "".join(f"; {f.name(k)}: {f.fixed(v)}" for k, v in rivals.items())
    return draw(f"items-{name}", f"Loss among items against tokens, {f.name(name)}", said, plot)


def fitted(inputs: Artifacts, name: str) -> dict[float, list[tuple[float, float]]]:
    """{N: [(D, fitted loss)]} of the set's chosen joint law, from fits.csv; empty where none was fitted."""
    chosen = next((law.form for law in laws(inputs) if law.set == name and law.chosen), None)
    lines: dict[float, dict[float, float]] = {}
    for row in inputs.rows("scaling", Fitted):
        if (row.set, row.form) == (name, chosen) and row.fitted is not None:
            lines.setdefault(row.params, {})[row.tokens] = row.fitted
    return {n: sorted(points.items()) for n, points in lines.items()}


def name_lines(axes: Axes, lines: list[tuple[float, str]]) -> None:
    """Write the names of horizontal lines where they don't fall on one another; the legend has them all."""
    low, high = axes.get_ylim()
    last = -np.inf
    for value, name in lines:
        if value - last > 0.07 * (high - low):
            place = ("axes fraction", "data")
            axes.annotate(name, (0.99, value), xycoords=place, ha="right", va="bottom", fontsize=8.5)  # type: ignore[arg-type]
            last = value


def excess_panel(found: list[Curve], sizes: list[float], law: Mapping[float, list[tuple[float, float]]]) -> Drawing:
    """Excess over the known floor against tokens, both logarithmic."""

    def plot(axes: Axes) -> None:
        plot_series(axes, found, sizes, excess=True, joined=not law)
        for curve in found:
            above = [(d, loss - curve.floor) for d, loss in law.get(curve.params, []) if curve.floor is not None]
            if above:
                name = ladder(len(sizes))[sizes.index(curve.params)]
                axes.plot(*np.transpose(above), ":", color=colour(name))
        log_axis(axes, "x", "Training tokens D")
        log_axis(axes, "y")
        axes.set_ylabel(f"Excess over the floor, nats per {found[0].unit}")
        axes.set_title(f"{f.name(found[0].set)}: excess")

    name = found[0].set
    return draw(
        f"excess-{name}", f"Excess over the known floor against tokens, {f.name(name)}", _said(found, excess=True), plot
    )


def _ladder(rows: list[Rung]) -> Html:
    head = columns(Rung)
    body = [[_cell(k, getattr(r, k)) for k in head] for r in rows]
    return table([k.replace("_", " ") for k in head], body, "The ladder: every number follows from depth", text_columns=1)


def _cell(column: str, value: Any) -> str:
    x = number(value)
    if x is None:
        return f.any_value(value)
    return f.size(x) if column.startswith(("params", "flops")) else f.whole(x) if x == int(x) else f.short(x, 4)


def _table(by_set: dict[str, list[Curve]], ordered: list[str]) -> Html:
    rows = []
    for name in ordered:
        for c in by_set[name]:
            ends = (f.size(c.tokens[0]), f.fixed(c.loss[0]), f.size(c.tokens[-1]), f.fixed(c.loss[-1]))
            rows.append([f.name(name), f.size(c.params), *ends, f.fixed(c.floor), f.fixed(c.excess[-1]), str(c.runs)])
    head = ["Set", "N", "Fewest D", "Loss there", "Most D", "Loss there", "Known floor", "Excess at most D", "Runs"]
    inner = table(head, rows, "First and last point of every curve", text_columns=1)
    return h("details", h("summary", "The losses as a table"), inner)
