"""Figure of probes.py: the real loss of models as they are, and T, by updates."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.generator.probe_tables import CurveRow
from preceptor.core.tables import row as table

COLOURS = {"walks": "#c44e52", "samples": "#4c72b0", "signal samples": "#55a868", "law": "#8172b3"}
NAMES = {
    "walks": "first-order walks",
    "samples": "samples of the mixture",
    "signal samples": "samples of its signal",
    "law": "the law itself, at real histories",
}


def draw(out: Path) -> None:
    """Write OUT/probes.svg from OUT/probe_curves.csv; thin lines are seeds, dots the ends of finished budgets."""
    if not (out / CurveRow.FILE).exists():
        return
    rows = table.read(out, CurveRow)
    sets = sorted({(r.set, r.share) for r in rows if r.arm in COLOURS}, reverse=True)
    if not sets:
        return
    plt.rcParams.update({"svg.hashsalt": "probes", "font.size": 9, "svg.fonttype": "none"})
    figure, axes = plt.subplots(len(sets), 2, figsize=(9, 3.4 * len(sets)), squeeze=False, constrained_layout=True)
    for (loss, distance), (name, share) in zip(axes, sets, strict=True):
        found = [r for r in rows if (r.set, r.share) == (name, share)]
        for axis, field in ((loss, "nats"), (distance, "kl")):
            for arm, colour in COLOURS.items():
                _lines(axis, [r for r in found if r.arm == arm], field, colour, NAMES[arm])
            axis.set_xscale("log")
            axis.set_xlabel("updates")
        limit = [r.nats for r in found if r.arm == "the mixture"]
        if limit:
            loss.axhline(limit[0], color="#333333", linestyle="--", linewidth=1, label="C: the mixture itself")
        loss.set_ylabel("nats per real next item")
        distance.set_ylabel("T: KL(law ‖ model), nats")
        distance.set_ylim(bottom=0)
        where = f"{name}, {share:.0%} of users" if share < 1 else name
        loss.set_title(f"Real loss, {where}", loc="left")
        distance.set_title("Distance from the mixture at real histories", loc="left")
        loss.legend(frameon=False)
    figure.savefig(out / "probes.svg", metadata={"Date": None})
    plt.close(figure)


def _lines(axis: plt.Axes, rows: list[CurveRow], field: str, colour: str, label: str) -> None:
    trunk: dict[int, list[float]] = defaultdict(list)
    for seed in sorted({r.seed for r in rows}):
        own = sorted((r.update, getattr(r, field)) for r in rows if r.seed == seed and not r.end)
        axis.plot(*zip(*own, strict=True), color=colour, linewidth=0.6, alpha=0.5)
        for update, value in own:
            trunk[update].append(value)
    if trunk:
        updates = sorted(trunk)
        axis.plot(updates, [np.mean(trunk[u]) for u in updates], color=colour, linewidth=1.8, label=label)
    ends = [r for r in rows if r.end]
    axis.plot([r.update for r in ends], [getattr(r, field) for r in ends], "o", color=colour, markersize=3)
