"""The main table as plain text, for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import ArmMean, Paired
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import formats as f
from preceptor.report import sections_recommend as recommended
from preceptor.report.curves import curves
from preceptor.report.findings import doubts
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_lm import ORDER, REAL
from preceptor.report.sections_ranking import headline, label, verdict
from preceptor.report.sections_scaling import FORMS, largest


def main_table(out: Path, metric: str = "ndcg", k: int = 10) -> str:
    """Ranking arms, loss and excess by size and set, and the forecast, from the finished artifacts in `out`."""
    inputs = Artifacts.of(Path(out))
    blocks = [_ranking(inputs, metric, k), _losses(inputs), _recommended(inputs), _forecast(inputs), _doubts(inputs)]
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


def _ranking(inputs: Artifacts, metric: str, k: int) -> str:
    blocks = []
    for split, rows in headline(inputs, metric, k).items():
        every = [r for r in inputs.rows("ranking", ArmMean) if r.split == split]
        recall = {label(r): r for r in every if (r.metric, r.k) == ("recall", 100)}
        body = []
        for r in rows:
            other = recall[label(r)]
            body.append(
                [
                    label(r),
                    f.fixed(r.mean, 4),
                    f.interval(r.lo, r.hi, 4),
                    f.fixed(other.mean, 4),
                    f.interval(other.lo, other.hi, 4),
                ]
            )
        users = f"{f.whole(rows[0].users)} users, {f.whole(rows[0].targets)} targets"
        text = f"Tested on real histories, {f.name(split)} ({users})\n"
        text += columns(["arm", f"{f.name(metric)}@{k}", "95 %", "Recall@100", "95 %"], body)
        for p in inputs.rows("ranking", Paired):
            if (p.split, p.metric, p.k) == (split, metric, k):
                ratio = f"{f.fixed(p.ratio, 2)} {f.interval(p.lo, p.hi, 2)}"
                text += f"\n{f.name(p.arm_a)} over {f.name(p.arm_b)}: ratio {ratio}, {verdict(p)}"
        blocks.append(text)
    return "\n\n".join(blocks)


def _losses(inputs: Artifacts) -> str:
    by_set, among = curves(inputs), curves(inputs, among_items=True)
    if not by_set:
        return ""
    sizes = sorted({c.params for found in by_set.values() for c in found})
    most = max(float(c.tokens[-1]) for found in by_set.values() for c in found)
    rows, said = [], []
    points = inputs.rows("lm", Point)
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
        if name in REAL and name in among:
            at = {c.params: c for c in among[name]}
            rows.append(["  among items, with the prior", *(f.fixed(at[n].loss[-1]) if n in at else f.ABSENT for n in sizes)])
            said.append(f.name(name) + ": " + ", ".join(f"{f.name(k)} {f.fixed(v)}" for k, v in rivals(points, name).items()))
    return "\n".join([_of_sizes(most, sizes, rows), *said])


def _of_sizes(most: float, sizes: Sequence[float], rows: Sequence[Sequence[str]]) -> str:
    return f"Loss of the language models at D = {f.size(most)} tokens\n" + columns(
        ["set", *(f"N = {f.size(n)}" for n in sizes)], rows
    )


def _recommended(inputs: Artifacts) -> str:
    rows = recommended.compared(recommended.shown(inputs.rows("recommend", RecommendRow)))
    kept = [r for r in rows if r.form != "calibrated"]
    if not kept:
        return ""
    body = [
        [
            f"{recommended.label(r)}, {recommended.FORMS[r.form]}",
            f.fixed(r.ndcg_10, 4),
            f.interval(r.ndcg_10_lo, r.ndcg_10_hi, 4),
            f.fixed(r.recall_100, 4),
            f.interval(r.recall_100_lo, r.recall_100_hi, 4),
        ]
        for r in kept
    ]
    first = kept[0]
    title = f"Recommending on the {first.part} part ({f.whole(first.users)} users, the same {f.whole(first.targets)} targets)\n"
    return title + columns(["arm", "NDCG@10", "95 %", "Recall@100", "95 %"], body)


def _forecast(inputs: Artifacts) -> str:
    rows = largest(inputs)
    if not rows:
        return ""
    body = [
        [
            f.name(r.set),
            FORMS.get(r.form, r.form),
            f.fixed(r.predicted),
            f.fixed(r.actual),
            f.excess_share(r, r.excess_error),
            f.fixed(r.baseline_two_point),
            f.fixed(r.baseline_nearest_smaller),
        ]
        for r in rows
    ]
    first = rows[0]
    title = f"Forecast of what was held out (largest: N = {f.size(first.params)}, D = {f.size(first.tokens)})\n"
    return title + columns(["set", "law", "predicted", "came", "error in excess", "last two points", "nearest smaller"], body)


def _doubts(inputs: Artifacts) -> str:
    names = [name for name, _ in doubts(inputs)][:-3]  # the last three hold always
    return "To doubt: " + "; ".join(names).lower() + " (see the report)." if names else ""
