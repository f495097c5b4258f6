"""A plan as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from preceptor.core.progress import duration, quantity
from preceptor.core.relation import METRICS, Reading

if TYPE_CHECKING:
    from preceptor.scaling.plan import Equal, Plan


def plan_text(plan: Plan) -> str:
    """The run, what is expected of it, the curve of equal loss, and what to doubt."""
    lines = [f"Budget {plan.budget}, {plan.beyond:.2g}× the largest fitted run; best for {plan.target}"]
    lines += [
        f"  parameters {quantity(plan.params):>8}   {_span(plan.params_interval)}{plan.choice}",
        f"  tokens     {quantity(plan.tokens):>8}   {_span(plan.tokens_interval)}".rstrip(),
        f"  cost       {plan.flops:>8.3g}   {plan.cost}{_time(plan)}",
        "",
        f"  {'set':<20} {'loss':>8}  {'80 %':<17} {'95 %':<17} {'excess':>7}  law",
    ]
    for name, e in plan.losses.items():
        if name != plan.target and "not identified" in e.note:
            continue
        cells = ["no interval" if p is None else f"{p[0]:.4g} – {p[1]:.4g}" for p in (e.interval_80, e.interval_95)]
        above = "" if e.excess is None else f"{e.excess:.3g}"
        note = f"; {e.note}" if e.note else ""
        law = "average" if e.averaged else e.form
        lines.append(f"  {name:<20} {e.loss:>8.4g}  {cells[0]:<17} {cells[1]:<17} {above:>7}  {law}{note}")
    left_out = [n for n, e in plan.losses.items() if n != plan.target and "not identified" in e.note]
    if plan.averaged:
        lines.append(f"  {plan.target} is the average of laws: {plan.averaged}")
    if left_out:
        lines.append(f"  no identified law: {', '.join(left_out)}")
    if plan.recall:
        lines += ["", *_recall(plan.recall)]
    if plan.epochs:
        lines += ["", "  epochs: " + ", ".join(f"{name} {n:.3g}" for name, n in plan.epochs.items())]
    lines += ["", *_equal(plan.same_loss, plan.flops)]
    return "\n".join(lines + [f"  ! {w}" for w in plan.warnings])


def recall_text(reading: Reading) -> str:
    """A reading with its intervals, or why there is none."""
    if reading.value is None:
        return reading.note
    parts = [f"{reading.value:.3f}"]
    for level, pair in (("80 %", reading.interval_80), ("95 %", reading.interval_95)):
        if pair is not None:
            parts.append(f"{level} {' – '.join('?' if v is None else f'{v:.3f}' for v in pair)}")
    return "   ".join(parts) + (f"   ({reading.note})" if reading.note else "")


def _recall(found: Mapping[str, Reading]) -> list[str]:
    texts = {metric: recall_text(r) for metric, r in found.items()}
    if len(set(texts.values())) == 1:
        return [f"  recall       {next(iter(texts.values()))}"]
    return [f"  {METRICS[m]:<12} {text}" for m, text in texts.items()]


def _equal(rows: tuple[Equal, ...], flops: float) -> list[str]:
    if len(rows) < 2:
        return []
    lines = [f"  the same loss  {'parameters':>10} {'tokens':>8} {'FLOP':>9}  cost"]
    for r in rows:
        if r.tokens is None or r.flops is None:
            lines.append(f"  {'':<15}{quantity(r.params):>10} {'never':>8}")
        else:
            lines.append(
                f"  {'':<15}{quantity(r.params):>10} {quantity(r.tokens):>8} {r.flops:>9.3g}  {r.flops / flops:.3g}×"
                + ("   beyond 10×" if r.far else "")
            )
    return lines


def _span(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{quantity(pair[0])} – {quantity(pair[1])} (95 %)   "


def _time(plan: Plan) -> str:
    hours = "" if plan.hours is None else f"; {duration(plan.hours * 3600)}"
    return hours + ("" if plan.usd is None else f"; {plan.usd:.4g} USD")
