"""The section on a study's arms: variants that differ in codes, wording, mixture or sizes, beside the study itself."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from preceptor.core.tables.lm import Point
from preceptor.report import formats as f
from preceptor.report.curves import Curve, curves
from preceptor.report.drawing import MARKERS, Drawing, colour, draw, figure, legend, log_axis
from preceptor.report.html import Html, h, join, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.section import Section
from preceptor.report.sections_curriculum import examples
from preceptor.report.sections_lm import REAL, REFERENCES, name_lines

MAIN = "the study itself"
_HEAD = ["Arm", "Items are", "Wording", "Tokens per item", "N", "D", "Set", "Loss", "Above the floor", "Among items"]
_SETS = ("uih-in-graph", "real-test-seen", "item-text", "cf-both-seen", "general")


def arms(inputs: Artifacts) -> Section:
    """What each arm's largest finished run reaches, and a document of each kind as the arm writes it."""
    if not inputs.arms:
        return Section(missing("This study has no arms."))
    body = [row for name in _names(inputs) for row in _rows(name, inputs.of_arm(name) if name else inputs)]
    drawings = [d for d in (_panel(inputs, name) for name in REAL) if d is not None]
    parts: list[Html | None] = [
        paragraphs(
            "An arm is the same study with other codes, wording, mixture or sizes; what comes out the same is shared. Losses of"
            " histories are in nats per item, all others per token, so they can be compared where tokens are the same. Among"
            " items: the loss of the next item alone, which can be compared across wordings."
        ),
        table(_HEAD, body, "The largest finished run of each arm", text_columns=3),
    ]
    if drawings:
        said = (
            "Real next items that the models were trained on, by tokens: the largest size of each arm, with the prior where"
            " there is one. A line that turns up belongs to histories that teach what people don't do."
        )
        parts.append(figure(drawings, said, legend([(*_style(i), name or MAIN) for i, name in enumerate(_names(inputs))])))
    for name in inputs.arms:
        parts += [h("h3", f"Documents of the arm {name}"), examples(inputs.of_arm(name), 1).html]
    return Section(join(parts), tuple(drawings))


def _names(inputs: Artifacts) -> list[str]:
    return ["", *inputs.arms]


def _style(i: int) -> tuple[str, str]:
    """Palette name and marker of the arm at place i; the study itself is 0."""
    return ("real", "synthetic", "third", "s4", "other")[i % 5], MARKERS[i % 8]


def _panel(inputs: Artifacts, name: str) -> Drawing | None:
    """Loss among items against tokens, of the largest size of every arm; None where no arm but the study was measured."""
    measured = [curves(inputs.of_arm(arm) if arm else inputs, among_items=True).get(name, []) for arm in _names(inputs)]
    largest = [max(found, key=lambda c: c.params, default=None) for found in measured]
    if largest[0] is None or not any(largest[1:]):
        return None
    limits = rivals(inputs.rows("lm", Point), name)

    def plot(axes: Axes) -> None:
        for i, curve in enumerate(largest):
            if curve is not None:
                axes.plot(curve.tokens, curve.loss, marker=_style(i)[1], color=colour(_style(i)[0]))
        lines = sorted((value, rival) for rival, value in limits.items() if rival != "uniform")
        for value, rival in lines:
            axes.axhline(value, color=colour("soft"), linestyle=REFERENCES[rival], linewidth=1.1)
        _cut(axes, limits.get("uniform"), [(arm or MAIN, c) for arm, c in zip(_names(inputs), largest, strict=True) if c])
        name_lines(axes, [(value, f.name(rival)) for value, rival in lines])
        log_axis(axes, "x", "Training tokens D")
        axes.set_ylabel("Loss among items, nats per item")
        axes.set_title(f.name(name))

    said = "; ".join(
        f"{arm or MAIN}, N {f.size(c.params)}: {f.fixed(c.loss[0])} at {f.size(c.tokens[0])} tokens, {f.fixed(c.loss[-1])} at"
        f" {f.size(c.tokens[-1])}"
        for arm, c in zip(_names(inputs), largest, strict=True)
        if c is not None
    )
    return draw(f"arms-{name}", f"Loss among items against tokens, each arm, {f.name(name)}", said + ".", plot)


def _cut(axes: Axes, uniform: float | None, shown: Sequence[tuple[str, Curve]]) -> None:
    """Leave what is above a uniform guess out of the panel, and name arms that lie there wholly."""
    if uniform is None or max(float(c.loss.max()) for _, c in shown) <= uniform:
        return
    low = min(float(c.loss.min()) for _, c in shown)
    axes.set_ylim(low - 0.1 * (uniform - low), uniform)
    above = [f"{name}: {f.fixed(c.loss[-1], 1)}" for name, c in shown if float(c.loss.min()) > uniform]
    if above:
        place = (0.99, 0.98)
        axes.annotate("above: " + ", ".join(above), place, xycoords="axes fraction", ha="right", va="top", fontsize=8.5)


def _rows(name: str, inputs: Artifacts) -> list[list[str]]:
    points, counts = inputs.rows("lm", Point), inputs.artifacts["curriculum"].counts
    last = max(((p.tokens, p.params) for p in points), default=None)
    form = (str(counts["representation"]), str(counts["wording"]), f.fixed(counts["tokens_per_item"]))
    found = {p.set: p for p in points if (p.tokens, p.params) == last}
    return [
        [name or MAIN, *form, f.size(p.params), f.size(p.tokens), f.name(p.set), *map(f.fixed, (p.loss, p.excess, p.trie))]
        for p in (found[s] for s in _SETS if s in found)
    ]
