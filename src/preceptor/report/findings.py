"""What a run found beside its verdicts: sentences computed from the tables, so that they can't say more."""

from __future__ import annotations

import math

from preceptor.core.tables.lm import Point
from preceptor.report import formats as f
from preceptor.report import sections_generator
from preceptor.report.curves import Curve, curves, slope
from preceptor.report.doubts import REAL_SET
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import headline, label, measure
from preceptor.report.sections_scaling import largest


def findings(inputs: Artifacts, metric: str, k: int) -> list[str]:
    """What was measured beside the verdicts: up to five entries of a sentence or a few, fewer where stages are absent."""
    made = [
        sections_generator.verdict(inputs),
        _best(inputs, metric, k),
        _excess(inputs),
        _real(inputs),
        _forecast(inputs),
    ]
    return [sentence for sentence in made if sentence]


def _best(inputs: Artifacts, metric: str, k: int) -> str | None:
    for split, rows in headline(inputs, metric, k).items():
        if len(rows) < 2:
            continue
        first, second = rows[0], rows[1]
        apart = "" if first.lo is not None and second.hi is not None and first.lo > second.hi else "; their intervals overlap"
        said = (
            f"The highest {measure(metric, k)} of all arms on the {f.name(split)} is that of {label(first.arm)}"
            f" ({f.fixed(first.mean, 4)}), before {label(second.arm)} ({f.fixed(second.mean, 4)}){apart}."
        )
        return said + _by_the_other(inputs, split, metric, first.arm)
    return None


def _by_the_other(inputs: Artifacts, split: str, metric: str, arm: str) -> str:
    """Whether the other metric has the same best arm."""
    other, k = ("recall", 100) if metric == "ndcg" else ("ndcg", 10)
    rows = headline(inputs, other, k).get(split)
    if not rows:
        return ""
    if rows[0].arm == arm:
        return f" It has the highest {measure(other, k)} too ({f.fixed(rows[0].mean, 4)})."
    own = next((f", before its {f.fixed(r.mean, 4)}" for r in rows if r.arm == arm), "")
    return f" The highest {measure(other, k)} is that of {label(rows[0].arm)} ({f.fixed(rows[0].mean, 4)}{own})."


def _largest_curve(found: list[Curve]) -> Curve:
    return max(found, key=lambda c: c.params)


def _excess(inputs: Artifacts) -> str | None:
    by_set = curves(inputs)
    found = [c for c in by_set.get(FLOOR_SET, []) if c.floor is not None]
    if not found:
        return None
    c = _largest_curve(found)
    said = (
        f"On fresh histories the largest model (N = {f.size(c.params)}) falls from {f.fixed(c.excess[0])} nats per item above"
        f" the known floor of {f.fixed(c.floor)} at {f.size(c.tokens[0])} tokens to {f.fixed(c.excess[-1])} at"
        f" {f.size(c.tokens[-1])}"
    )
    s = slope(c)
    return (
        f"{said}: a straight-line slope of {f.fixed(s, 2)} in log excess against log tokens." if s is not None else said + "."
    )


def _real(inputs: Artifacts) -> str | None:
    found = curves(inputs, among_items=True).get(REAL_SET)
    if not found:
        return None
    lines = rivals(inputs.rows("lm", Point), REAL_SET)
    best = min(((float(c.loss[-1]), c) for c in found), key=lambda pair: pair[0])
    said = (
        f"On real test targets that it was trained on the best model (N = {f.size(best[1].params)}) has {f.fixed(best[0])} nats"
        " per item, among the items that could come"
    )
    beaten = [f.name(k) for k, v in lines.items() if best[0] < v]
    listed = ", ".join(f"{f.name(k)} {f.fixed(v)}" for k, v in lines.items())
    below = " and ".join([", ".join(beaten[:-1]), beaten[-1]] if len(beaten) > 1 else beaten)
    tail = f"it is below {below}" if beaten else "it is below none of them"
    if best[0] > lines.get("uniform", math.inf):
        tail += ", and worse than a uniform guess"
    return f"{said}; others have {listed}, so {tail}."


def _forecast(inputs: Artifacts) -> str | None:
    rows = largest(inputs)
    row = next((r for r in rows if r.set == FLOOR_SET), rows[0] if rows else None)
    if row is None or row.predicted is None:
        return None
    said = (
        f"The held-out run of N = {f.size(row.params)}, D = {f.size(row.tokens)} on {f.name(row.set)} was"
        f" predicted at {f.fixed(row.predicted)} and measured at {f.fixed(row.actual)}"
    )
    said += f", an error of {f.missed(row)}" if row.excess_error is not None else ""
    base = {"the last two points": row.baseline_two_point, "the nearest smaller run": row.baseline_nearest_smaller}
    error = abs(row.predicted - row.actual)
    better = [n for n, x in base.items() if x is not None and error < abs(x - row.actual)]
    known = [n for n, x in base.items() if x is not None]
    if known:
        worse = [n for n in known if n not in better]
        said += f"; closer than {' and '.join(better)}" if better else "; no closer than guesses that need no law"
        said += f", but not than {' and '.join(worse)}" if better and worse else ""
    return said + "."
