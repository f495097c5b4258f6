"""The picture for a README: what is left above the known floor, for each size; how language models and the others recommend."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes

from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import formats as f
from preceptor.report import sections_recommend as recommended
from preceptor.report.curves import Curve, curves
from preceptor.report.drawing import MARKERS, colour, document, ladder, log_axis
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_lm import FLOOR_SET, plot_series, sizes_of
from preceptor.report.sections_ranking import Mark, better_forms, headline, label, mark, measure, plot_marks


def picture(inputs: Artifacts, metric: str = "ndcg", k: int = 10) -> str | None:
    """A standalone SVG on a white ground (README viewers don't pass on the colour scheme); None with nothing to draw."""
    found = [c for c in curves(inputs).get(FLOOR_SET, []) if c.floor is not None]
    marks, title = _compared(inputs, metric, k)
    if not found and not marks:
        return None

    def plot(axes: list[Axes]) -> None:
        left, right = axes
        _excess(left, found)
        if not marks:
            right.set_axis_off()
            return
        plot_marks(right, marks, measure(metric, k))
        right.set_title(title)

    said = (
        "Excess loss over the known floor against training tokens for each model size, and how well language models,"
        " ranking models, the generator and simple baselines rank real next items."
    )
    return document("picture", "Preceptor: a study's main results", said, plot, panels=2, width=9.6, height=3.7)


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


def _compared(inputs: Artifacts, metric: str, k: int) -> tuple[list[Mark], str]:
    """Language models and ranking arms on the same targets; without the recommend stage the ranking arms alone."""
    rows = recommended.compared(recommended.shown(inputs.rows("recommend", RecommendRow)))
    if rows and (metric, k) == ("ndcg", 10):
        kept = better_forms([r.arm for r in rows if r.arm != recommended.LM])
        marks = [
            mark(r.arm, _name(r), r.ndcg_10, (r.ndcg_10_lo, r.ndcg_10_hi), r.verdict)
            for r in rows
            if r.arm in kept or (r.arm == recommended.LM and r.form != "alone")
        ]
        return marks, f"Real next items, {rows[0].part} part ({f.whole(rows[0].users)} users)"
    split, means = next(iter(headline(inputs, metric, k).items()), ("", []))
    kept = better_forms([r.arm for r in means])
    marks = [mark(r.arm, label(r.arm), r.mean or 0.0, (r.lo, r.hi), r.verdict) for r in means if r.arm in kept]
    return marks, f"Real histories, {f.name(split)} ({f.whole(means[0].users)} users)" if means else ""


def _name(row: RecommendRow) -> str:
    if row.arm != recommended.LM:
        return label(row.arm)
    return f"language model ({f.size(row.params)})" + (" ⊕ generator" if row.form == "generator" else "")
