"""The answer in words: which recipe to use on a log, what it gains, whether the log can tell, and the three claims apart.

The recipe is chosen by calibrated validation nats, as settings and budgets are; the test only says what it gains in
NDCG@10. An arm that hasn't converged is no candidate, and where the real arm itself hasn't, there is no verdict at all.

- complementarity: real ⊕ generator beats real;
- distillation: one model, trained on real + synthetic, reaches real ⊕ generator;
- synthetic histories as such: real + synthetic ⊕ generator beats real ⊕ generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.statistics import deviation_over_users, users_needed
from preceptor.core.tables.ranking import NAMES, NO_VERDICT, Answer, ArmMean, ArmRun, Paired, ShownMean
from preceptor.ranking import impressions, lists
from preceptor.ranking.config import ARMS, VARIANTS, RankingConfig
from preceptor.ranking.trials import BASELINES, GENERATOR, taught

METRIC = ("ndcg", 10)
_SMALL = 0.05  # a gain worth having, as a share of what real reaches


@dataclass(frozen=True)
class Shown:
    """All that is known of a split. means, pairs, runs: its rows; ndcg: NDCG@10 of each test target, by arm, mean over seeds.

    user: of each test target. left_out: baselines that were too large. baseline: what lists.Lists.facts counts, where there are
    lists. impressions: the arms on what people were shown, and counts, where there is such a file.
    """

    split: str
    means: Sequence[ArmMean]
    pairs: Sequence[Paired]
    runs: Sequence[ArmRun]
    ndcg: Mapping[str, np.ndarray]
    user: np.ndarray
    left_out: Sequence[str]
    config: RankingConfig
    baseline: dict[str, Any] | None = None
    impressions: tuple[Sequence[ShownMean], dict[str, Any]] | None = None


def answer(shown: Shown) -> Answer:
    """The answer for one split."""
    reached = _on_validation(shown)
    settled = {arm: v for arm, v in reached.items() if not _unsettled(shown, arm)}
    users = len(np.unique(shown.user))
    facts: dict[str, Any] = {"split": shown.split, "users": users, "left_out": list(shown.left_out)}
    if _unsettled(shown, "real"):
        best = min(reached, key=lambda arm: reached[arm])
        said = [*_unfinished(shown, reached), *_claims(shown), *_on_impressions(shown, best), *_rest(shown)]
        empty: dict[str, Any] = dict.fromkeys(("gain", "lo", "hi", "needed", "needed_5"))
        return Answer(recipe=best, reading=NO_VERDICT, sentences=said, **facts, **empty)
    recipe = min(settled, key=lambda arm: settled[arm])
    pair = _pair(shown, recipe, "real")
    if pair is None:
        said = [f"Use {NAMES['real']} alone: on validation nothing does better.", *_claims(shown),
                *_on_impressions(shown, "real"), *_rest(shown)]  # fmt: skip
        return Answer(recipe="real", reading="keep real", gain=0.0, lo=0.0, hi=0.0, needed=None, needed_5=None,
                      sentences=said, **facts)  # fmt: skip
    spread = deviation_over_users(shown.ndcg[recipe] - shown.ndcg["real"], shown.user) if users > 1 else 0.0
    worth = _SMALL * (_mean(shown, "real").mean or 0.0)
    needed, needed_5 = (users_needed(spread, abs(x)) if spread > 0 and x else None for x in (pair.difference, worth))
    reading, head = _head(shown, recipe, pair, users, needed, needed_5)
    return Answer(recipe=recipe, reading=reading, gain=pair.difference, lo=pair.diff_lo, hi=pair.diff_hi, needed=needed,
                  needed_5=needed_5, sentences=[head, *_claims(shown), *_on_impressions(shown, recipe), *_rest(shown)],
                  **facts)  # fmt: skip


def best_form(runs: Sequence[ArmRun], one: str) -> str | None:
    """The form in which `one` and the generator have the fewer validation nats, mean over seeds; None without a generator."""
    forms = {form: [r.nats for r in runs if r.arm == form] for form in (f"{one}-x-{GENERATOR}", f"{one}-plus-{GENERATOR}")}
    return min(forms, key=lambda form: float(np.mean(forms[form]))) if all(forms.values()) else None


def _head(shown: Shown, recipe: str, pair: Paired, users: int, needed: int | None, needed_5: int | None) -> tuple[str, str]:
    gain = f"{_signed(pair.difference)} {_interval(pair.diff_lo, pair.diff_hi)}"
    reaches = f"NDCG@10 {_plain(_mean(shown, recipe).mean)} on {users:,} test users"
    if pair.reading == "better":
        share = f", {pair.ratio - 1:+.0%}" if pair.ratio is not None else ""
        return "use", f"Use {NAMES[recipe]}: {reaches}, {gain} against {NAMES['real']} alone{share}."
    if pair.reading == "worse":
        return "keep real", (
            f"Use {NAMES['real']} alone: validation preferred {NAMES[recipe]}, but on the test it has {gain} in NDCG@10."
        )
    said = f"Your log can't tell: on validation {NAMES[recipe]} is best, but its gain in NDCG@10 over {NAMES['real']} alone is"
    said += f" {gain} on {users:,} test users."
    if needed:
        said += f" To tell a gain of that size takes about {needed:,} test users"
        said += f"; one of {_SMALL:.0%} about {needed_5:,}." if needed_5 else "."
    return "can't tell", said


def _unfinished(shown: Shown, reached: Mapping[str, float]) -> list[str]:
    said = f"No verdict: {NAMES['real']} {_still(_run(shown, 'real'))}, so nothing can be compared with it yet."
    so_far = "; ".join(f"{NAMES[arm]} {_plain(_mean(shown, arm).mean)}" for arm in reached)
    return [
        f"{said} Give it more: --set ranking.doublings={shown.config.doublings + 1}.",
        f"So far, and not as a verdict, NDCG@10 is: {so_far}.",
    ]


def _claims(shown: Shown) -> list[str]:
    """The three claims, each by NDCG@10 on the test; none without a generator that can be scored."""
    best = best_form(shown.runs, "real")
    if best is None:
        return []
    said = [_claim(shown, "Complementarity", best, "real", f"{NAMES[best]} against real alone")]
    if "real+synthetic" in shown.config.arms:
        said.append(
            _claim(shown, "Distillation", "real+synthetic", best, f"one model on real + synthetic against {NAMES[best]}")
        )
        both = best_form(shown.runs, "real+synthetic")
        if both is not None:
            title = "Synthetic histories as such"
            said.append(_claim(shown, title, both, best, f"{NAMES[both]} against {NAMES[best]}"))
    return said


def _claim(shown: Shown, title: str, a: str, b: str, words: str) -> str:
    pair = _pair(shown, a, b)
    if pair is None:
        return f"{title} ({words}): not compared."
    unfinished = [arm for arm in (a, b) if _unsettled(shown, arm)]
    if unfinished:
        return f"{title} ({words}): no verdict, an arm in it has not converged."
    gap = f"NDCG@10 {_signed(pair.difference)} {_interval(pair.diff_lo, pair.diff_hi)}"
    return f"{title} ({words}): {gap}, {pair.reading}."


def _rest(shown: Shown) -> list[str]:
    """The best baseline, convergence, cost, and what was left out."""
    found = []
    for arm in ARMS:
        if arm in shown.config.arms:
            found.append(f"{arm}: {_state(_run(shown, arm))}")
    said = [*_variants(shown), *_baseline(shown), *_own_baseline(shown), "Convergence: " + "; ".join(found) + "."]
    spent = sum(r.updates or 0 for r in shown.runs)
    said.append(
        f"Cost: {spent:,} updates of at most {shown.config.positions:,} next items for all seeds; the generator is fitted, not"
        " trained. What is put together asks both for every list."
    )
    if shown.left_out:
        said.append(f"Left out, the catalogue being too large: {', '.join(shown.left_out)}.")
    return said


def _variants(shown: Shown) -> list[str]:
    """Arms under another loss or with another model, beside real."""
    own = [arm for arm in VARIANTS if arm in shown.config.arms]
    return [f"{NAMES[arm]}: NDCG@10 {_plain(_mean(shown, arm).mean)}{_beside_real(shown, arm)}." for arm in own]


def _baseline(shown: Shown) -> list[str]:
    """The untrained baseline with the fewest validation nats, beside real."""
    own = [r for r in shown.runs if r.arm in BASELINES]
    if not own:
        return []
    best = min(own, key=lambda r: r.nats).arm
    reached = f"NDCG@10 {_plain(_mean(shown, best).mean)}{_beside_real(shown, best)}"
    return [f"Of the untrained baselines {NAMES[best]} is best: {reached}."]


def _own_baseline(shown: Shown) -> list[str]:
    """The baseline that came as a file of lists, beside real."""
    if shown.baseline is None:
        return []
    reached = f"NDCG@10 {_plain(_mean(shown, lists.ARM).mean)}{_beside_real(shown, lists.ARM)}"
    return [f"Your own baseline: {reached} ({lists.sentence(shown.baseline)})."]


def _on_impressions(shown: Shown, recipe: str) -> list[str]:
    """What the second test set says."""
    return [] if shown.impressions is None else [impressions.sentence(*shown.impressions, recipe)]


def _beside_real(shown: Shown, arm: str) -> str:
    """What an arm has over real alone, and how that reads; nothing where they weren't compared."""
    pair = _pair(shown, arm, "real")
    if pair is None:
        return ""
    return f", {_signed(pair.difference)} {_interval(pair.diff_lo, pair.diff_hi)} against real alone, {pair.reading}"


def _state(run: ArmRun) -> str:
    if run.verdict == NO_VERDICT:
        return _still(run)
    if run.verdict == "turned":
        return f"best at {run.budget:,} updates, worse with twice as many"
    return f"converged at {run.budget:,} updates"


def _still(run: ArmRun) -> str:
    if run.change is None:
        return f"was trained for one budget of {run.budget:,} updates, which says nothing about convergence"
    if run.epochs is not None and run.epochs < 1 and taught(run.arm) != "synthetic":
        return f"had seen {run.epochs:.0%} of the log after {run.budget:,} updates"
    gained = f"the last doubling gained {run.change:.3f} nats, where the standard error is {run.error:.3f}"
    return f"was still getting better at {run.budget:,} updates ({gained})"


def _on_validation(shown: Shown) -> dict[str, float]:
    """Validation nats of every recipe that can be used, mean over seeds. Of two forms the one with fewer counts."""
    allowed = {
        "real",
        GENERATOR,
        "real+synthetic",
        "synthetic",
        best_form(shown.runs, "real"),
        best_form(shown.runs, "real+synthetic"),
    }
    found: dict[str, list[float]] = {}
    for r in shown.runs:
        if r.arm in allowed:
            found.setdefault(r.arm, []).append(r.nats)
    return {arm: float(np.mean(values)) for arm, values in found.items()}


def _unsettled(shown: Shown, arm: str) -> bool:
    return _run(shown, arm).verdict == NO_VERDICT


def _run(shown: Shown, arm: str) -> ArmRun:
    return next(r for r in shown.runs if r.arm == arm and r.seed == 0)


def _mean(shown: Shown, arm: str) -> ArmMean:
    return next(m for m in shown.means if (m.arm, m.balance, m.metric, m.k) == (arm, "target", *METRIC))


def _pair(shown: Shown, a: str, b: str) -> Paired | None:
    wanted = (a, b, "target", *METRIC)
    return next((p for p in shown.pairs if (p.arm_a, p.arm_b, p.balance, p.metric, p.k) == wanted), None)


def _plain(x: float | None) -> str:
    return "–" if x is None else f"{x:.4f}"


def _signed(x: float | None) -> str:
    return "–" if x is None else f"{x:+.4f}".replace("-", "−")


def _interval(lo: float | None, hi: float | None) -> str:
    return "(no interval)" if lo is None or hi is None else f"[{_signed(lo)}, {_signed(hi)}]"
