"""The section on bias: the real log beside each walk policy, in a table and in pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.report import formats as f
from preceptor.report.drawing import MARKERS, Drawing, colour, draw, figure, legend, log_axis, titled
from preceptor.report.html import h, join, listing, missing, paragraphs, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section
from preceptor.report.sections_truth import truth

COLUMNS = {  # name in bias.json: (printed name, colour)
    "log": ("Real log", "real"),
    "first-order": ("First-order walks", "synthetic"),
    "node2vec": ("node2vec walks", "third"),
    "history": ("History walks", "s4"),
    "training": ("Training histories", "other"),
}
GROUPS = {"head": "Head", "mid": "Middle", "tail": "Tail", "unseen": "Not in training"}
_MEASURES = {
    "steps": ("Interactions or walk steps", "how many were counted"),
    "popularity_exponent": ("Popularity exponent", "how fast counts fall with rank: 0: all items alike; 1: as 1/rank (Zipf)"),
    "gini": ("Gini of exposure", "0: every item occurs equally often; near 1: one item has all the exposure"),
    "coverage": ("Coverage", "share of the catalogue's items that occur at all"),
    "exposure.head": ("Share of head items", "those that together hold half of the training interactions"),
    "exposure.mid": ("Share of middle items", "the next, up to 80 % of the training interactions"),
    "exposure.tail": ("Share of tail items", "the rest of the items met in training"),
    "exposure_correlation": ("Exposure against popularity", "rank correlation over items; 1: the log's order is kept"),
    "position_correlation": ("Position against popularity", "rank correlation; below 0: popular items come early"),
}


def bias(inputs: Artifacts) -> Section:
    """Popularity, coverage, exposure and position: the real log beside each walk policy."""
    found = inputs.document("audit", "bias.json")
    if found is None:
        return Section(missing("The audit stage is not among the inputs."))
    columns = {k: found["columns"][k] for k in sorted(found["columns"], key=lambda name: [*COLUMNS, name].index(name))}
    shown = [COLUMNS.get(name, (f.name(name), "other"))[0] for name in columns]
    rows = [[said, *(_cell(column, key) for column in columns.values())] for key, (said, _) in _MEASURES.items()]
    parts = [
        paragraphs(
            "A log records what the shop showed: popular items and early positions. Synthetic histories should carry which"
            " items go together, and less of the rest. This section measures whether they do.",
            "These figures say how flat the exposure is. Flat is not the same as unbiased: items differ in quality, and a"
            " truthful sampler meets good ones more often. Only the simulated market knows how far graph and walks"
            " are from the truth; a study of it shows that distance below.",
        ),
        table(["Measure", *shown], rows, "Bias of the real log, of walks of each policy, and of the training histories"),
        h("details", h("summary", "What each measure is"), listing(_MEASURES.values())),
    ]
    made, known = _panels(found, columns), truth(inputs)
    walks = f.whole(found["walks"])
    caption = (
        f"{walks} walks of each policy on the whole graph. Training histories, of seen items alone, are what the language"
        " models read; the generator draws them. Percentile: an item's place among all items by training"
        " interactions, 0.5 for items drawn uniformly."
    )
    entries = [(_style(name)[1], _style(name)[2], COLUMNS.get(name, (f.name(name), ""))[0]) for name in columns]
    return Section(join([*parts, figure(made, caption, legend(entries)), known.html]), (*made, *known.figures))


def _cell(column: Mapping[str, Any], key: str) -> str:
    value: Any = column
    for part in key.split("."):
        value = value[part]
    return f.whole(value) if key == "steps" else f.short(value)


def _style(name: str) -> tuple[str, str, str]:
    """(printed name, palette name, marker) of a column."""
    said, hue = COLUMNS.get(name, (f.name(name), "other"))
    return said, hue, MARKERS[list(COLUMNS).index(name) % len(MARKERS)] if name in COLUMNS else "X"


def _panels(found: Mapping[str, Any], columns: Mapping[str, Mapping[str, Any]]) -> list[Drawing]:
    made = []
    if any(c["rank_curve"] for c in columns.values()):
        made.append(
            draw(
                "bias-ranks",
                "Share of steps by item rank",
                "Each line: items in falling order of their own count. " + _said(columns, "gini", "Gini"),
                titled(
                    "Share of steps by item rank",
                    lambda axes: _curves(axes, columns, "rank_curve", "Rank of the item", "Share of all steps", logs="xy"),
                ),
            )
        )
    groups = [g for g in GROUPS if any(c["exposure"][g] for c in columns.values())]
    if groups:
        made.append(
            draw(
                "bias-exposure",
                "Where the steps go",
                "Share of steps on head, middle and tail items, beside their share of the catalogue.",
                titled("Where the steps go", lambda axes: _bars(axes, columns, groups, found["item_share"])),
            )
        )
    if any(c["position_curve"] for c in columns.values()):
        made.append(
            draw(
                "bias-position",
                "Popularity by place in the history",
                "Mean popularity percentile of the items at each place. "
                + _said(columns, "position_correlation", "correlation of position with popularity"),
                titled(
                    "Popularity by place in the history",
                    lambda axes: _curves(axes, columns, "position_curve", "Place", "Mean popularity percentile", logs="x"),
                ),
            )
        )
    return made


def _said(columns: Mapping[str, Mapping[str, Any]], key: str, name: str) -> str:
    return f"{name}: " + "; ".join(f"{_style(c)[0]} {f.short(v[key])}" for c, v in columns.items()) + "."


def _curves(axes: Axes, columns: Mapping[str, Mapping[str, Any]], key: str, x_label: str, y_label: str, logs: str) -> None:
    for name, column in columns.items():
        points = np.array([row[:2] for row in column[key]], np.float64)
        if not len(points):
            continue
        _, hue, marker = _style(name)
        every = max(1, len(points) // 8)
        axes.plot(points[:, 0], points[:, 1], color=colour(hue), marker=marker, markevery=every, linewidth=1.3, markersize=4)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    for axis in logs:
        log_axis(axes, axis)


def _bars(axes: Axes, columns: Mapping[str, Mapping[str, Any]], groups: list[str], items: Mapping[str, Any]) -> None:
    width = 0.8 / len(columns)
    for place, (name, column) in enumerate(columns.items()):
        heights = [column["exposure"][g] for g in groups]
        at = np.arange(len(groups)) + (place - (len(columns) - 1) / 2) * width
        axes.bar(at, heights, width=0.86 * width, color=colour(_style(name)[1]))
    for place, group in enumerate(groups):
        share = items[group]
        axes.plot([place - 0.45, place + 0.45], [share, share], color=colour("ink"), linewidth=1.2, linestyle="--")
    axes.set_xticks(range(len(groups)), [GROUPS[g] for g in groups])
    axes.grid(axis="x", visible=False)
    axes.set_ylabel("Share of all steps (dashes: of the items)")
