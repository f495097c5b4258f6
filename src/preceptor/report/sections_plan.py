"""The section that plans a budget: a table that needs nothing, curves of equal loss, and sliders over the same law."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.core.relation import METRICS, Relation, read_off, recall_of_loss
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import formats as f
from preceptor.report.drawing import Drawing, colour, draw, figure, log_axis
from preceptor.report.html import Html, h, join, missing, paragraphs, raw, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section


def plan(inputs: Artifacts) -> Section:
    """What budgets buy, by each law that is identified; sliders; without such a law, what keeps one from planning."""
    found = inputs.document("scaling", "plan.json")
    if found is None:
        return Section(missing("The scaling stage is not among the inputs: there is no law to plan with."))
    sets = found["sets"]
    if not sets:
        said = "No law of this study is identified, so that a plan would be invented. What is open, by set:"
        open_sets = [h("li", h("strong", f.name(name)), ": ", why) for name, why in found["without"].items() if why]
        return Section(join([h("p", said), h("ul", open_sets) if open_sets else None]))
    recall = {one["name"]: _recall(inputs, one["name"]) for one in sets}
    drawings = [d for d in (_equal_loss(one) for one in sets if one["joint"]) if d is not None]
    intro = (
        "What a budget buys, by the laws that are identified. The loss is that of one new run. Its interval allows for what the"
        " points leave open, for the luck of a run, and, beyond the points, for a form that is wrong, as forms were over other"
        f" sweeps; {found['cost']['said']}. Nothing is said beyond"
        f" {found['reach']:g}× the largest fitted run. preceptor plan answers the same and more: what a loss or a recall"
        " costs, when to stop repeating, which run to make next."
    )
    parts: list[Html | None] = [paragraphs(intro)]
    if not all(one["joint"] for one in sets):
        parts.append(
            paragraphs(
                "Where what N does is not identified, or one law of all sizes told later budgets worse than the sizes' own,"
                " each trained size has a law of tokens of its own, and a plan chooses among these sizes."
            )
        )
    parts += [_controls(), _data(found, recall)]
    tables = [_table(one, recall[one["name"]]) for one in sets]
    parts.append(tables[0])
    if len(tables) > 1:
        parts.append(h("details", h("summary", f"The other sets with a law ({len(tables) - 1})"), tables[1:]))
    if drawings:
        said = "Runs of equal loss: sizes and tokens along each line end at the same loss. Dashed: the best size for a budget."
        parts.append(figure(drawings, said))
    return Section(join(parts), tuple(drawings), script=script())


def script() -> str:
    """The page's one script, as it is hashed into the page's policy."""
    return Path(__file__).with_name("plan.js").read_text(encoding="utf-8")


def _recall(inputs: Artifacts, name: str) -> dict[str, Relation | str]:
    rows = inputs.rows("recommend", RecommendRow)
    if not rows:
        return dict.fromkeys(METRICS, "the recommend stage is not among the inputs")
    return recall_of_loss(inputs.rows("lm", Point), rows, name)


def _controls() -> Html:
    """The sliders, hidden until the script runs."""
    slider = {"type": "range", "min": "0", "max": "400", "step": "1"}
    return h(
        "div",
        h("p", h("label", "Loss on ", for_="plan-set"), h("select", id="plan-set")),
        h(
            "p",
            h("label", "Budget", for_="plan-c"),
            " ",
            h("output", id="plan-c-out", for_="plan-c"),
            h("input", id="plan-c", **slider),
        ),
        h(
            "p",
            h("label", "Model size", for_="plan-n"),
            " ",
            h("output", id="plan-n-out", for_="plan-n"),
            h("input", id="plan-n", **slider),
            h("label", h("input", type="checkbox", id="plan-best"), " the best size for the budget"),
        ),
        h("div", id="plan-tiles", cls="tiles", aria_live="polite"),
        h("p", id="plan-note", cls="note"),
        h("div", raw(_SVG), cls="panel wide"),
        h(
            "p",
            "Line: the best size for each budget, with 80 and 95 % bands. Dashes: the size that you chose. Dots: the largest"
            " fitted run. ",
            h("a", "Address of this setting", id="plan-link", href="#plan"),
            ", to be copied and sent.",
            cls="note",
        ),
        id="plan-play",
        hidden="",
    )


_SVG = '<svg id="plan-figure" role="img" aria-labelledby="plan-figure-t plan-figure-d"></svg>'


def _data(found: Any, recall: dict[str, dict[str, Relation | str]]) -> Html:
    """The laws as JSON that can't end its element: no < is left in it."""
    sets = []
    for one in found["sets"]:
        known = {k: v for k, v in one.items() if k not in ("plans", "reason", "doubts", "each", "bottom", "params_range")}
        relations = {metric: _relation(r) for metric, r in recall[one["name"]].items()}
        sets.append({**known, "label": f.name(one["name"]), "recall": relations})
    content = {"sets": sets, "reach": found["reach"], "cost": found["cost"], "epochs": found["epochs"]}
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return h("script", raw(text), type="application/json", id="plan-data")


def _relation(found: Relation | str) -> Any:
    if isinstance(found, str):
        return found
    return {
        "x": [round(v, 6) for v in found.x],
        "y": [round(v, 6) for v in found.y],
        "lo": found.lo,
        "hi": found.hi,
        "reach80": found.reach(0.8),
        "reach95": found.reach(0.95),
    }


def _table(one: Any, recall: dict[str, Relation | str]) -> Html:
    """Budgets about the largest run, as a table: it is there without a script and in print."""
    floor = one["floor"]
    read = {metric: r for metric, r in recall.items() if isinstance(r, Relation)}
    head = ["Budget, FLOP", "N", "D", "Loss", "80 %", "95 %", *(["Excess"] if floor is not None else [])]
    rows = []
    for p in one["plans"]:
        spans = [None if p[k] is None else (p[k][0], p[k][1]) for k in ("interval_80", "interval_95")]
        cells = [f"{p['flops']:.2e}", f.size(p["params"]), f.size(p["tokens"]), f.fixed(p["loss"])]
        cells += [f.interval(*(s or (None, None))) for s in spans]
        cells += [f.fixed(p["loss"] - floor)] if floor is not None else []
        cells += [f.fixed(read_off(r, p["loss"], *spans).value) for r in read.values()]
        rows.append(cells)
    head += [METRICS[metric] for metric in read]
    unit = f", nats per {one['unit']}" if one["unit"] else ""
    notes = [
        *([f"No interval: {one['reason']}."] if one["reason"] else []),
        *(f"{METRICS[m]} can't be read off the loss: {why}." for m, why in recall.items() if isinstance(why, str)),
    ]
    if read:
        notes.append(
            "– under recall: no model of this study had so low a loss, and nothing is read off beyond what was measured."
        )
    caption = f"{f.name(one['name'])}{unit}: the best run of a tenth, one, three and ten times the largest run's budget"
    doubts = [h("li", text) for text in one["doubts"]]
    parts = [
        table(head, rows, caption, text_columns=1),
        h("p", " ".join(notes), cls="note") if notes else None,
        h("div", h("p", "What the fit says against this:", cls="note"), h("ul", doubts)) if doubts else None,
    ]
    return join(parts)


def _equal_loss(one: Any) -> Drawing | None:
    """Curves of equal loss over sizes and tokens, and the best size for each budget."""
    params, flops = np.array(one["params"]), np.array(one["flops"])
    loss, best = np.array(one["loss"]), np.array(one["best"])
    costs = np.array(one["each"])
    tokens = flops[None, :] / costs[:, None]
    levels = np.unique(np.round([p["loss"] for p in one["plans"]], 3))
    if not len(levels):
        return None
    along = np.interp(np.log(best), np.log(params), np.log(costs))

    def plot(axes: Axes) -> None:
        sizes = np.repeat(params[:, None], len(flops), axis=1)
        axes.plot(flops / np.exp(along), best, "--", color=colour("soft"), linewidth=1.3)
        made = axes.contour(tokens, sizes, loss, levels=levels, colors=[colour("s5")], linewidths=1.5)
        log_axis(axes, "x", "Training tokens D")
        log_axis(axes, "y", "Parameters N")
        axes.clabel(made, fmt="%.3g", fontsize=8.5, colors=[colour("ink")])
        axes.set_title(f"{f.name(one['name'])}: equal loss")

    said = "; ".join(f"loss {p['loss']:.3f} at N {f.size(p['params'])}, D {f.size(p['tokens'])}" for p in one["plans"])
    name = re.sub(r"[^\w-]+", "-", one["name"])  # part of a file's name
    return draw(f"plan-{name}", f"Curves of equal loss, {f.name(one['name'])}", said, plot, width=5.2, height=3.6)
