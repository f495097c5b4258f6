"""The picture for a README: what is left above the known floor, for each size, beside the ranking arms."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes

from preceptor.core.tables.ranking import ArmMean
from preceptor.report import formats as f
from preceptor.report.curves import Curve, curves
from preceptor.report.drawing import MARKERS, colour, document, ladder, log_axis
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_lm import FLOOR_SET, plot_series, sizes_of
from preceptor.report.sections_ranking import headline, plot_arms


def picture(inputs: Artifacts, metric: str = "ndcg", k: int = 10) -> str | None:
    """A standalone SVG on a white ground (README viewers don't pass on the colour scheme); None with nothing to draw."""
    found = [c for c in curves(inputs).get(FLOOR_SET, []) if c.floor is not None]
    ranked = headline(inputs, metric, k)
    if not found and not ranked:
        return None
    split, rows = next(iter(ranked.items()), ("", []))
    rows = [r for r in rows if r.arm not in _second(rows)]

    def plot(axes: list[Axes]) -> None:
        left, right = axes
        _excess(left, found)
        _arms(right, rows, split, metric, k)

    said = (
        "Excess loss over the known floor against training tokens for each model size, and ranking accuracy of models trained"
        " on synthetic and on real histories."
    )
    return document("picture", "Preceptor: a study's main results", said, plot, panels=2, width=9.6, height=3.7)


def _second(rows: list[ArmMean]) -> set[str]:
    """Of two rankers put together in two forms the lower form, and the control: a small picture has no room for them."""
    forms: dict[str, list[str]] = {}
    for r in rows:  # the best first
        forms.setdefault(r.arm.replace("-plus-", "-x-"), []).append(r.arm)
    return {arm for pair, found in forms.items() for arm in (found if pair == "real-x-real" else found[1:])}


def _excess(axes: Axes, found: list[Curve]) -> None:
    if not found:
        axes.set_axis_off()
        return
    sizes = sizes_of({FLOOR_SET: found})
    plot_series(axes, found, sizes, excess=True)
    log_axis(axes, "x", "Training tokens D")
    log_axis(axes, "y")
    axes.set_ylabel("Loss above the known floor, nats per item")
    axes.set_title(f"Fresh histories: known floor {f.fixed(found[0].floor, 2)} nats per item")
    names = ladder(len(sizes))
    handles = [
        mpl.lines.Line2D([], [], color=colour(names[i]), marker=MARKERS[i % 8], label=f"N = {f.size(n)}")
        for i, n in enumerate(sizes)
    ]
    axes.legend(handles=handles, loc="best")


def _arms(axes: Axes, rows: list[ArmMean], split: str, metric: str, k: int) -> None:
    if not rows:
        axes.set_axis_off()
        return
    plot_arms(axes, rows, metric, k)
    axes.set_title(f"Real histories, {f.name(split)} ({f.whole(rows[0].users)} users)")
