"""The main table as plain text, for the end of a run: one screen, from what was learnt to what to do next."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import ArmMean, Paired
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import formats as f
from preceptor.report import sections_recommend as recommended
from preceptor.report.curves import Curve, curves
from preceptor.report.doubts import doubts
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.next_steps import next_steps
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import answers, better_forms, headline, label, measure
from preceptor.report.sections_scaling import largest

REAL = "real-test-seen"
WIDTH = 80  # columns of a terminal
SETS = (FLOOR_SET, REAL)  # the others are in the report


def main_table(out: Path, metric: str = "ndcg", k: int = 10) -> str:
    """What the models learnt and how far they are from the floor, how well they recommend, forecasts, what to do next."""
    inputs = Artifacts.of(Path(out))
    ranked = _recommended(inputs)
    blocks = [
        _answer(inputs) if ranked else _ranking(inputs, metric, k),
        _learnt(inputs),
        ranked,
        _forecast(inputs),
        _next(inputs, str(out)),
        _doubts(inputs),
    ]
    return (
        "\n\n".join(block for block in blocks if block)
        or "Nothing to show: this folder has no ranking, lm or scaling artifact."
    )


def _answer(inputs: Artifacts) -> str:
    """Which recipe to use, by each split."""
    said = answers(inputs)
    return "\n".join(
        _wrapped((f"{f.name(split)}: " if len(said) > 1 else "") + answer.sentences[0]) for split, answer in said.items()
    )


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned plain text: the first column to the left, the others to the right; the first is wrapped where that makes the
    table fit."""
    every = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in every) for i in range(len(head))]
    widths[0] = min(widths[0], max(WIDTH - sum(widths[1:]) - 2 * (len(widths) - 1), 12))
    lines = []
    for row in every:
        first, *more = textwrap.wrap(row[0], widths[0], subsequent_indent="  ", break_on_hyphens=False) or [""]
        cells = [first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines += ["  ".join(cells).rstrip(), *more]
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
        body, against = [], []
        for r in rows:
            others = [cells.get((r.arm, *m)) for m in (("recall", 100), ("nats", 0))]
            numbers = [f.fixed(x.mean if x else None, digits) for x, digits in zip(others, (4, 3), strict=True)]
            body.append([label(r.arm), f.fixed(r.mean, 4), f.interval(r.lo, r.hi, 4), *numbers])
            if pair := pairs.get(r.arm):
                gap = f"{f.signed(pair.difference, 4)} {f.interval(pair.diff_lo, pair.diff_hi, 4)}"
                against.append([label(r.arm), gap, pair.reading])
        users = f"{f.whole(rows[0].users)} users, {f.whole(rows[0].targets)} targets"
        sentences = said[split].sentences if whole else said[split].sentences[:1]
        blocks.append("\n".join(_wrapped(f"• {s}" if whole else s) for s in sentences))
        title = f"Tested on real histories, {f.name(split)} ({users})\n"
        blocks.append(title + columns(["arm", measure(metric, k), "95 %", "Recall@100", "Nats"], body))
        if against:
            title = f"{measure(metric, k)} against {label('real')} alone\n"
            blocks.append(title + columns(["arm", "difference, 95 %", "reading"], against))
    return "\n\n".join(blocks)


def _learnt(inputs: Artifacts) -> str:
    """A line for each size at the largest budget; a column is left out where nothing was measured."""
    by_set, among = curves(inputs), curves(inputs, among_items=True)
    if not by_set:
        return ""
    sizes = sorted({c.params for found in by_set.values() for c in found})
    most = max(float(c.tokens[-1]) for found in by_set.values() for c in found)
    models = recommended.calibrated(recommended.shown(inputs.rows("recommend", RecommendRow)))

    def last(found: Sequence[Curve], value: Callable[[Curve], float | None]) -> list[float | None]:
        return [next((value(c) for c in found if c.params == n and c.tokens[-1] == most), None) for n in sizes]

    walks, real = by_set.get(FLOOR_SET, []), among.get(REAL, [])
    recall = [next((r.recall_100 for r in models if (r.params, r.tokens) == (n, most)), None) for n in sizes]
    measured: list[tuple[str, list[float | None]]] = [
        ("fresh histories", last(walks, lambda c: float(c.loss[-1]))),
        ("above the floor", last(walks, lambda c: float(c.excess[-1]) if c.floor is not None else None)),
        ("real next items", last(real, lambda c: float(c.loss[-1]))),
        ("Recall@100", recall),
    ]
    kept = [(head, values) for head, values in measured if any(v is not None for v in values)]
    body = [[f"N = {f.size(n)}", *(f.fixed(values[i]) for _, values in kept)] for i, n in enumerate(sizes)]
    said = f"What the language models learnt by D = {f.size(most)} tokens, in nats per item\n"
    return "\n".join([said + columns(["size", *(head for head, _ in kept)], body), *_bounds(inputs, walks)])


def _bounds(inputs: Artifacts, walks: Sequence[Curve]) -> list[str]:
    """What the columns can come to, and what models that count reach."""
    floor = next((c.floor for c in walks if c.floor is not None), None)
    said = [f"The known floor of fresh histories is {f.fixed(floor)}." if floor is not None else ""]
    others = rivals(inputs.rows("lm", Point), REAL)
    listed = ", ".join(f"{f.name(name)} {f.fixed(nats)}" for name, nats in others.items())
    said.append(f"Real next items, among the items that could come, have: {listed}." if listed else "")
    return [_wrapped(" ".join(s for s in said if s))] if any(said) else []


def _recommended(inputs: Artifacts) -> str:
    """The largest language model beside the ranking arms on the same targets; of two rankers put together the better form."""
    rows = recommended.compared(recommended.shown(inputs.rows("recommend", RecommendRow)))
    kept = better_forms([r.arm for r in rows if r.arm != recommended.LM])
    rows = [r for r in rows if r.arm in kept or (r.arm == recommended.LM and r.form != "alone")]
    if not any(r.arm == recommended.LM for r in rows):
        return ""
    body = [
        [
            recommended.named(r),
            f.fixed(r.ndcg_10, 4),
            f.interval(r.ndcg_10_lo, r.ndcg_10_hi, 4),
            f.fixed(r.recall_100, 4),
            f.fixed(r.nats),
        ]
        for r in rows
    ]
    first = rows[0]
    title = f"Recommending: {first.part} part, {f.whole(first.users)} users, the same {f.whole(first.targets)} targets\n"
    return title + columns(["arm", "NDCG@10", "95 %", "Recall@100", "Nats"], body)


def _forecast(inputs: Artifacts) -> str:
    rows = [r for r in largest(inputs) if r.set in SETS]
    if not rows:
        return ""
    first = rows[0]
    said = [f"Forecast of what was held out (largest: N = {f.size(first.params)}, D = {f.size(first.tokens)})"]
    for r in rows:
        errors = {"last two points": r.two_point_error, "nearest smaller": r.nearest_smaller_error}
        guesses = ", ".join(f"{name} {f.excess_share(r, error)}" for name, error in errors.items())
        said.append(
            _wrapped(
                f"{f.name(r.set)}: predicted {f.fixed(r.predicted)}, measured {f.fixed(r.actual)}; error {f.missed(r)};"
                f" guesses without a law: {guesses}"
            )
        )
    return "\n".join(said)


def _next(inputs: Artifacts, out: str) -> str:
    steps = next_steps(inputs, out)
    return "\n".join(["What to do next", *(_wrapped(f"{i}. {step}") for i, step in enumerate(steps, 1))]) if steps else ""


def _doubts(inputs: Artifacts) -> str:
    names = [name for name, _ in doubts(inputs)][:-3]  # the last three hold always
    return _wrapped("Reasons for doubt: " + "; ".join(names).lower() + " (see the report).") if names else ""


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="   ", break_on_hyphens=False)
