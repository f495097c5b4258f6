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
from preceptor.report.sections_lm import FLOOR_SET, REAL
from preceptor.report.sections_ranking import answers, headline, label, measure
from preceptor.report.sections_scaling import FORMS, largest

SETS = (FLOOR_SET, "real-test-seen")  # the others are in the report


def main_table(out: Path, metric: str = "ndcg", k: int = 10) -> str:
    """Ranking arms, language models as recommenders, their loss on walks and on real histories, and the forecast of these."""
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


def ranking_tables(out: Path, metric: str = "ndcg", k: int = 10) -> str:
    """The whole answer of the ranking stage in `out` in words, and its table, for each split."""
    return _ranking(Artifacts.of(Path(out)), metric, k, whole=True)


def _ranking(inputs: Artifacts, metric: str, k: int, whole: bool = False) -> str:
    """whole: every sentence of the answer, not the first alone."""
    said, blocks = answers(inputs), []
    for split, rows in headline(inputs, metric, k).items():
        every = [r for r in inputs.rows("ranking", ArmMean) if (r.split, r.balance) == (split, "target")]
        cells = {(r.arm, r.metric, r.k): r for r in every}
        pairs = {p.arm_a: p for p in inputs.rows("ranking", Paired)
                 if (p.split, p.arm_b, p.balance, p.metric, p.k) == (split, "real", "target", metric, k)}  # fmt: skip
        body = []
        for r in rows:
            others = [cells.get((r.arm, *m)) for m in (("recall", 100), ("nats", 0))]
            pair = pairs.get(r.arm)
            gap = (
                [f"{f.signed(pair.difference, 4)} {f.interval(pair.diff_lo, pair.diff_hi, 4)}", pair.reading]
                if pair
                else ["", ""]
            )
            numbers = [f.fixed(x.mean if x else None, digits) for x, digits in zip(others, (4, 3), strict=True)]
            body.append([label(r.arm), f.fixed(r.mean, 4), f.interval(r.lo, r.hi, 4), *numbers, *gap])
        users = f"{f.whole(rows[0].users)} users, {f.whole(rows[0].targets)} targets"
        words = [f"• {s}" for s in said[split].sentences] if whole else [said[split].sentences[0]]
        text = "\n".join([*words, f"\nTested on real histories, {f.name(split)} ({users})"]) + "\n"
        head = ["arm", measure(metric, k), "95 %", "Recall@100", "Nats", "against real alone", "reading"]
        blocks.append(text + columns(head, body))
    return "\n\n".join(blocks)


def _losses(inputs: Artifacts) -> str:
    by_set, among = curves(inputs), curves(inputs, among_items=True)
    if not by_set:
        return ""
    sizes = sorted({c.params for found in by_set.values() for c in found})
    most = max(float(c.tokens[-1]) for found in by_set.values() for c in found)
    rows, said = [], []
    points = inputs.rows("lm", Point)
    for name in (s for s in SETS if s in by_set):
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
    kept = [r for r in rows if r.arm in (recommended.LM, *recommended.LINES, "ease")]
    if not kept:
        return ""
    body = [
        [
            ", ".join(x for x in (recommended.label(r), recommended.form(r)) if x),
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
    rows = [r for r in largest(inputs) if r.set in SETS]
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
