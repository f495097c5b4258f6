"""On the simulated market: how far graph and walks are from what people would choose, beside two ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.report import formats as f
from preceptor.report.drawing import colour, draw, figure, legend, log_axis, titled
from preceptor.report.html import h, join, listing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

_MEASURES = {
    "tv": ("Total variation", "share of next items that would have to change; 0: the truth, 1: nothing in common"),
    "js": ("Jensen–Shannon, bits", "0: the truth, 1: nothing in common; it weighs many small errors less"),
    "overlap": ("Overlap at 10", "share of the truth's 10 likeliest next items among the graph's 10 likeliest"),
    "undefined": ("Without edges", "share of items without an edge; they count as completely wrong"),
    "exposure_tv": ("Led to, total variation", "the same for the items that steps lead to, from whatever item"),
    "popularity_drift": (
        "Drift to popular",
        "mean percentile of the next item by popularity in the log, less that of the truth",
    ),
    "promotion_drift": ("Drift to promoted", "the same by the shop's promotion"),
    "shelf_drift": ("Drift to the front", "the same by place in the shop's page order"),
}
_DRIFTS = {"popularity_drift": "popular", "promotion_drift": "promoted", "shelf_drift": "front of page"}
_LAWS = {"popularity": "By popularity in the log", "true shares": "By true shares alone", "all alike": "Every item alike"}
_WALKS = {"log": "Real log", "first-order": "First-order walks", "node2vec": "node2vec walks", "history": "History walks"}


def truth(inputs: Artifacts) -> Section:
    """Nothing where the log isn't the simulated market's."""
    if not inputs.has("audit", "truth.json"):
        return Section(join([]))
    found = inputs.document("audit", "truth.json")
    ladder = found["uniform"]
    rows = [_row("This study's graph", found["graph"]), _row("A log of equal size, all shown alike", ladder[0])]
    rows += [_row(f"The same, {step['multiple']} times as large", step) for step in ladder[1:]]
    rows.append(_row("The same, infinite (extrapolated)", dict.fromkeys(_MEASURES) | dict(found["infinite"])))
    rows += [_row(_LAWS.get(name, name), law) for name, law in found["references"].items()]
    head = ["From item to item", *(said for said, _ in _MEASURES.values())]
    made = (
        draw(
            "truth-ladder",
            "Distance to the truth by size of the log",
            _said(found),
            titled("Distance to the truth by size of the log", lambda axes: _ladder(axes, found)),
        ),
        draw(
            "truth-drifts",
            "Who is met too often",
            "Drift of log and walks from the true shares. " + _drifts_said(found),
            titled("Who is met too often", lambda axes: _drifts(axes, found["shares"])),
        ),
    )
    entries = [
        ("real", "o", "all shown alike"),
        ("synthetic", "s", "this study"),
        ("soft", "--", "infinite, or true shares alone"),
    ]
    met = [
        [
            _WALKS.get(name, f.name(name)),
            f.short(law["tv"]),
            *(f.signed(law[d]) for d in _DRIFTS),
            f.short(law["transitions"]["tv"] if "transitions" in law else None),  # of walks in small catalogues alone
        ]
        for name, law in _ordered(found["shares"]).items()
    ]
    parts = join(
        [
            h("h3", "Distance to the market's truth"),
            paragraphs(
                "The simulated market knows what the people behind an item would choose next, had everything been shown alike:"
                " T*(i→j) = Σ P(u|i)·P*(j|u) over users u. This is a measure of bias, not of flatness: the true shares are"
                " uneven, since things differ in quality, and a flat graph has a drift below 0.",
                _said(found),
            ),
            table(head, rows, f"Mean distance to the truth over {f.whole(found['sources'])} items, each alike"),
            h("details", h("summary", "What each measure is"), listing(_MEASURES.values())),
            table(
                ["Items met", "Total variation", *(f"Drift to {d}" for d in _DRIFTS.values()), "Steps, total variation"],
                met,
                "Items met in the log and in walks, against the true shares",
            ),
            figure(
                list(made),
                "The infinite log has ever more people like these, not longer histories. Its distance is the limit of the last"
                " three sizes; the cell is empty where they do not converge.",
                legend(entries),
            ),
        ]
    )
    return Section(parts, made)


def _row(name: str, law: Mapping[str, Any]) -> list[str]:
    return [name, *((f.signed if key in _DRIFTS else f.short)(law[key]) for key in _MEASURES)]


def _said(found: Mapping[str, Any]) -> str:
    """The distance in its three parts."""
    graph, equal, last = found["graph"]["tv"], found["uniform"][0]["tv"], found["uniform"][-1]
    limit = found["infinite"]["tv"]
    far, what = (last["tv"], f"one {last['multiple']} times as large") if limit is None else (limit, "an infinite one")
    return (
        f"The graph's total variation from the truth is {f.fixed(graph)}; that of the same settings on an equally large log in"
        f" which everything was shown alike is {f.fixed(equal)}, and on {what} {f.fixed(far)}. So {f.signed(graph - equal)}"
        f" is due to biased exposure and {f.signed(equal - far)} to the size of the log. No amount of data removes the"
        f" remaining {f.fixed(far)}: these settings aim at something other than T*."
    )


def _drifts_said(found: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{_WALKS.get(name, name)}: " + ", ".join(f"{said} {f.signed(law[key])}" for key, said in _DRIFTS.items())
        for name, law in _ordered(found["shares"]).items()
    )


def _ordered(shares: Mapping[str, Any]) -> dict[str, Any]:
    """The log first, then the policies."""
    return {name: shares[name] for name in sorted(shares, key=lambda name: [*_WALKS, name].index(name))}


def _ladder(axes: Axes, found: Mapping[str, Any]) -> None:
    steps = found["uniform"]
    axes.plot([s["rows"] for s in steps], [s["tv"] for s in steps], color=colour("real"), marker="o")
    axes.plot([steps[0]["rows"]], [found["graph"]["tv"]], color=colour("synthetic"), marker="s", markersize=7, linestyle="none")
    lines = {
        "infinite log": found["infinite"]["tv"],
        "true shares alone": found["references"]["true shares"]["tv"],
    }
    for name, level in lines.items():
        if level is not None:
            axes.axhline(level, color=colour("soft"), linestyle="--", linewidth=1.0)
            axes.annotate(
                name, (0.02, level), xycoords=("axes fraction", "data"), va="bottom", color=colour("soft"), fontsize=8
            )
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("Total variation from the truth")
    log_axis(axes, "x", "Interactions")


def _drifts(axes: Axes, shares: Mapping[str, Any]) -> None:
    names = list(_ordered(shares))
    styles = (("synthetic", "s"), ("third", "D"), ("s4", "^"))
    for at, (key, (hue, mark)) in enumerate(zip(_DRIFTS, styles, strict=True)):
        places = np.arange(len(names)) + 0.18 * (at - 1)
        values = [shares[name][key] for name in names]
        axes.plot(values, places, color=colour(hue), marker=mark, linestyle="none", label=_DRIFTS[key])
    axes.axvline(0, color=colour("ink"), linewidth=0.8)
    axes.set_yticks(range(len(names)), [_WALKS.get(name, name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("Percentile less the truth's (0: unbiased)")
    axes.legend(loc="best")
