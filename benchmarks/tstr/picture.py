"""The picture of results/tstr: what is taught without or beside the log, over real, by interactions per item."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

from benchmarks.tstr.arms import PRIMARY, SIGNAL, WALKS
from benchmarks.tstr.map import MEASURE, PAPER
from benchmarks.tstr.tables import LevelRow, ShareRow, read
from preceptor.report.drawing import colour, document, log_axis

FILE = "by-sparsity.svg"
STUDIES = ("finalists", "sparsity")  # the same arms with three seeds
ARMS = {  # how each is drawn: name, colour, marker, and how far beside its place, so that intervals don't hide each other
    WALKS: ("first-order walks alone (the paper's)", "s4", "s", 0.94),
    SIGNAL: ("samples of the fitted law alone", "synthetic", "o", 1.0),
    PRIMARY: ("real log + samples, half and half", "real", "D", 1.06),
}
MEASURES = {MEASURE: "Recall@100 over real's", "ndcg@10": "NDCG@10 over real's"}


def picture(out: Path) -> str | None:
    """A standalone SVG, or None before any test was opened. A panel for each measure, test targets, intervals over users."""
    places = {(r.set, r.level): r for r in read(out, LevelRow)}
    rows = [r for r in read(out, ShareRow) if r.part == "test" and r.study in STUDIES and r.arm in ARMS and r.share]
    rows = [r for r in rows if (r.set, r.level) in places]
    if not rows:
        return None

    logs: dict[str, float] = {}  # the densest level of each, where its name stands
    for r in rows:
        logs[r.set] = max(logs.get(r.set, 0.0), places[r.set, r.level].per_item)

    def plot(axes: list[Axes]) -> None:
        for one, (measure, label) in zip(axes, MEASURES.items(), strict=True):
            for arm, (name, tone, marker, beside) in ARMS.items():
                own = sorted(
                    (places[r.set, r.level].per_item, r.share, r.lo, r.hi) for r in rows if (r.arm, r.measure) == (arm, measure)
                )
                x = [at * beside for at, *_ in own]
                one.vlines(x, [r[2] for r in own], [r[3] for r in own], color=colour(tone), linewidth=1.2)
                one.plot(x, [r[1] for r in own], linestyle="none", marker=marker, color=colour(tone), label=name)
            for name, at in logs.items():
                one.text(at * 1.12, 0.02, name, transform=one.get_xaxis_transform(), rotation=90, va="bottom", fontsize=8)
            one.axhline(1, color=colour("ink"), linewidth=1)
            one.set_title(label)
            log_axis(one, "y")
            log_axis(one, "x", "interactions per item of the training part")
        axes[0].axhline(PAPER, color=colour("other"), linestyle="--", linewidth=1)
        where = axes[0].get_yaxis_transform()
        axes[0].text(0.98, PAPER * 0.99, "the paper's claim for walks: +130 %", transform=where, ha="right", va="top")
        axes[1].legend(loc="upper right")

    said = "; ".join(
        f"{r.set} {r.level}, {places[r.set, r.level].per_item:.2g} per item, {ARMS[r.arm][0]}: {r.measure} {r.share:.2f}"
        for r in rows
        if r.measure in MEASURES
    )
    return document("by-sparsity", "Synthetic over real, by interactions per item", said + ".", plot, 2, 9.6, 3.6)
