"""What to do next: actions that a study's own tables ask for, the most useful first."""

from __future__ import annotations

import math
from collections.abc import Collection

from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import NO_VERDICT, ArmRun
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report import formats as f
from preceptor.report import sections_recommend as recommended
from preceptor.report.curves import Curve, curves
from preceptor.report.fitted import laws
from preceptor.report.inputs import Artifacts
from preceptor.report.items import rivals
from preceptor.report.sections_lm import FLOOR_SET
from preceptor.report.sections_ranking import label

_REAL = "real-test-seen"
_LITTLE = 0.01  # nats per doubling that aren't worth paying for
_NEAR = 0.15  # nats between a model and the law that it learns


def next_steps(inputs: Artifacts, out: str) -> list[str]:
    """At most five sentences, each with the setting or the command that carries it out; none without trained models.

    out: the study's folder, as commands name it.
    """
    made = [_spend(inputs), limit(inputs), _converge(inputs), _law(inputs, out), _ask(inputs, out)]
    return [step for step in made if step]


def spending(inputs: Artifacts) -> tuple[str, str] | None:
    """(in a few words, in a sentence): whether a doubling of tokens or of parameters took more off the excess."""
    found = [c for c in curves(inputs).get(FLOOR_SET, []) if c.floor is not None]
    if not found:
        return None
    most = max(float(c.tokens[-1]) for c in found)
    full = sorted((c for c in found if c.tokens[-1] == most), key=lambda c: c.params)
    by_tokens, by_size = _by_tokens(full[-1]), _by_size(full)
    if by_tokens is None or by_size is None:
        return None
    took = (
        f"the last doubling of tokens took {f.fixed(by_tokens)} nats off the excess, the last doubling of parameters"
        f" {f.fixed(by_size)}"
    )
    if max(by_tokens, by_size) < _LITTLE:
        return "Little", f"More training buys little here: {took}."
    if by_tokens >= by_size:
        return "Tokens first", f"Give more tokens before more parameters (lm.tokens): {took}."
    return "Parameters first", f"Give more parameters before more tokens (lm.depths): {took}."


def _spend(inputs: Artifacts) -> str | None:
    found = spending(inputs)
    return None if found is None else found[1]


def _by_tokens(curve: Curve) -> float | None:
    """Nats per doubling of tokens, between the curve's last two points."""
    if len(curve.tokens) < 2:
        return None
    return float((curve.loss[-2] - curve.loss[-1]) / math.log2(curve.tokens[-1] / curve.tokens[-2]))


def _by_size(full: list[Curve]) -> float | None:
    """Nats per doubling of parameters, between the last two sizes at their common budget."""
    if len(full) < 2:
        return None
    below, above = full[-2:]
    return float((below.loss[-1] - above.loss[-1]) / math.log2(above.params / below.params))


def limit(inputs: Artifacts) -> str | None:
    """Whether training or the law itself keeps real people's loss where it is."""
    found = curves(inputs, among_items=True).get(_REAL)
    limit = rivals(inputs.rows("lm", Point), _REAL).get("generator")
    if not found or limit is None:
        return None
    best = min(float(c.loss[-1]) for c in found)
    if best <= limit:
        return (
            f"The law is the limit now: the models are at its own loss on real next items ({f.fixed(limit)} nats). Fit a better"
            " law, or let the models read the log's own histories too (curriculum.mixture.real, where privacy allows it)."
        )
    if best - limit < _NEAR:
        return (
            f"A better law would help soon: on real next items the models are only {f.fixed(best - limit)} nats from their"
            f" limit, the law's own {f.fixed(limit)}."
        )
    return (
        f"Training, not the law, is short: on real next items the models are {f.fixed(best - limit)} nats from their limit, the"
        f" law's own {f.fixed(limit)}."
    )


def _converge(inputs: Artifacts) -> str | None:
    runs = [r for r in inputs.rows("ranking", ArmRun) if r.verdict == NO_VERDICT and r.updates is not None]
    if not runs:
        return None
    arms = ", ".join(dict.fromkeys(label(r.arm) for r in runs))
    doublings = int(inputs.config("ranking")["doublings"]) + 1
    return f"For a verdict let every ranking arm finish (--set ranking.doublings={doublings}). Still rising: {arms}."


def _law(inputs: Artifacts, out: str) -> str | None:
    """What may be planned: by the chosen joint law, by the largest size's law of tokens, or nothing yet."""
    found = [law for law in laws(inputs) if law.set == FLOOR_SET]
    swept = curves(inputs).get(FLOOR_SET)
    joint = [law for law in found if law.params is None]
    if not joint or not swept:
        return None
    chosen = next((law for law in joint if law.chosen), joint[0])
    if chosen.identified and _among_sizes(inputs):
        return (
            "Plan among the trained sizes: their own laws told later budgets better than the law of all sizes, though that"
            f" one is identified. {_plan(inputs, out)}."
        )
    if chosen.identified:
        return f"Plan a budget with the law: {_plan(inputs, out)}."
    own = [law for law in found if law.params is not None and law.form == "excess" and law.identified]
    if own:
        law = max(own, key=lambda law: law.params or 0.0)
        alpha = law.parameters["alpha"]
        return (
            f"Plan no sizes: what N does is not identified (lm.depths). At N = {f.size(law.params)} the excess falls with D to"
            f" the power −{f.fixed(alpha.value, 2)} {f.short_interval(alpha.interval, 2)}; laws of this form missed what was"
            f" held out by {f.percent(law.error)} of the excess. To plan among the trained sizes:"
            f" {_plan(inputs, out, {law.params for law in own})}."
        )
    budgets, seeds = max(len(c.tokens) for c in swept), max(c.runs for c in swept)
    return (
        f"Plan nothing with these laws yet: {len(swept)} sizes, {budgets} budgets and at most {seeds} seeds don't fix them."
        " Sweep more of each (lm.depths, lm.tokens, lm.seeds)."
    )


def _among_sizes(inputs: Artifacts) -> bool:
    """Whether a plan of drawn histories chooses among the trained sizes, by a law of each."""
    found = inputs.document("scaling", "plan.json")
    return found is not None and any(one["name"] == FLOOR_SET and not one["joint"] for one in found["sets"])


def _plan(inputs: Artifacts, out: str, sizes: Collection[float | None] = ()) -> str:
    """The command, with a budget that is well within reach: half of what a law answers. sizes: those that have a law of their
    own; none where one law holds for all."""
    points = [p for p in inputs.rows("lm", Point) if not sizes or p.params in sizes]
    most = max(p.tokens * (p.flops_per_token or 6 * p.params) for p in points)
    return f"preceptor plan {out}/scaling/laws.json --flops {5 * most:.1g}"


def _ask(inputs: Artifacts, out: str) -> str | None:
    if recommended.largest(recommended.shown(inputs.rows("recommend", RecommendRow))) is None:
        return None
    return f'Ask a model: preceptor recommend {out} --history "A title; another title".'
