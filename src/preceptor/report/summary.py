"""The main table as plain text, for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from preceptor.report import formats as f
from preceptor.report.curves import curves
from preceptor.report.findings import doubts
from preceptor.report.inputs import Inputs, where
from preceptor.report.sections_lm import ORDER
from preceptor.report.sections_ranking import headline, label, verdict
from preceptor.report.sections_scaling import FORMS, largest


def main_table(out: Path, metric: str = "ndcg", k: int = 10) -> str:
    """Ranking arms, loss and excess by size and set, and the forecast, from the finished artifacts in `out`."""
    inputs = Inputs.of(Path(out))
    blocks = [_ranking(inputs, metric, k), _losses(inputs), _forecast(inputs), _doubts(inputs)]
    return "\n\n".join(block for block in blocks if block) or "Nothing to show: no ranking, lm or scaling artifact here."


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned plain text: the first column to the left, the others to the right."""
    every = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in every
    ]
    return "\n".join([lines[0], "  ".join("─" * w for w in widths), *lines[1:]])


def _ranking(inputs: Inputs, metric: str, k: int) -> str:
    blocks = []
    for split, rows in headline(inputs, metric, k).items():
        recall = {label(r): r for r in where(inputs.rows("ranking", "tstr.csv"), split=split, metric="recall", k=100)}
        body = []
        for r in rows:
            other = recall.get(label(r), {})
            body.append(
                [
                    label(r),
                    f.fixed(r["mean"], 4),
                    f.interval(r.get("lo"), r.get("hi"), 4),
                    f.fixed(other.get("mean"), 4),
                    f.interval(other.get("lo"), other.get("hi"), 4),
                ]
            )
        users = f"{f.whole(rows[0].get('users'))} users, {f.whole(rows[0].get('targets'))} targets"
        text = f"Tested on real histories, {f.name(split)} ({users})\n"
        text += columns(["arm", f"{f.name(metric)}@{k}", "95 %", "Recall@100", "95 %"], body)
        for r in where(inputs.rows("ranking", "paired.csv"), split=split, metric=metric, k=k):
            text += (
                f"\n{f.name(r.get('arm_a'))} over {f.name(r.get('arm_b'))}: ratio {f.fixed(r.get('ratio'), 2)} "
                f"{f.interval(r.get('lo'), r.get('hi'), 2)}, {verdict(r)}"
            )
        blocks.append(text)
    return "\n\n".join(blocks)


def _losses(inputs: Inputs) -> str:
    by_set = curves(inputs)
    if not by_set:
        return ""
    sizes = sorted({c.params for found in by_set.values() for c in found})
    most = max(float(c.tokens[-1]) for found in by_set.values() for c in found)
    rows = []
    for name in sorted(by_set, key=lambda s: ORDER.index(s) if s in ORDER else 99):
        at = {c.params: c for c in by_set[name]}
        rows.append(
            [
                f"{f.name(name)}, nats per {by_set[name][0].unit}",
                *(f.fixed(at[n].loss[-1]) if n in at else f.ABSENT for n in sizes),
            ]
        )
        if any(c.floor is not None for c in by_set[name]):
            rows.append(["  excess over the known floor", *(f.fixed(at[n].excess[-1]) if n in at else f.ABSENT for n in sizes)])
    return f"Loss of the language models at D = {f.size(most)} tokens\n" + columns(
        ["set", *(f"N = {f.size(n)}" for n in sizes)], rows
    )


def _forecast(inputs: Inputs) -> str:
    rows = largest(inputs)
    if not rows:
        return ""
    body = [
        [
            f.name(r.get("set")),
            FORMS.get(r.get("form", ""), r.get("form", "")),
            f.fixed(r.get("predicted")),
            f.fixed(r.get("actual")),
            f.excess_share(r),
            f.fixed(r.get("baseline_two_point")),
            f.fixed(r.get("baseline_nearest_smaller")),
        ]
        for r in rows
    ]
    first = rows[0]
    title = f"Forecast of what was held out (largest: N = {f.size(first.get('params'))}, D = {f.size(first.get('tokens'))})\n"
    return title + columns(["set", "law", "predicted", "came", "error in excess", "last two points", "nearest smaller"], body)


def _doubts(inputs: Inputs) -> str:
    names = [name for name, _ in doubts(inputs)][:-3]  # the last three hold always
    return "To doubt: " + "; ".join(names).lower() + " (see the report)." if names else ""
