"""From a law to a budget: the size and the tokens that make the loss least for a number of FLOP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import quantity, say
from preceptor.scaling.fitted import FittedLaw, SetLaws, Tried
from preceptor.scaling.forms import FORMS, natural
from preceptor.scaling.intervals import prediction_draws

REACH = 10.0  # times the largest fitted run: farther is extrapolation


@dataclass(frozen=True)
class Expected:
    """A set's loss at the planned run. interval_80, interval_95: of one new run, None where `note` says why."""

    loss: float
    interval_80: tuple[float, float] | None
    interval_95: tuple[float, float] | None
    form: str
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """The compute-optimal run of a budget. params_interval, tokens_interval: 95 %, of the optimum. epochs: by source."""

    flops: float
    target: str
    params: float
    tokens: float
    params_interval: tuple[float, float] | None
    tokens_interval: tuple[float, float] | None
    losses: Mapping[str, Expected]
    epochs: Mapping[str, float]
    beyond: float
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        def span(pair: tuple[float, float] | None, text: str = "") -> str:
            return "no interval" if pair is None else f"{quantity(pair[0])} – {quantity(pair[1])}{text}"

        lines = [
            f"Budget {self.flops:.3g} FLOP, {self.beyond:.2g}× the largest fitted run; best for {self.target}",
            f"  parameters {quantity(self.params):>8}   {span(self.params_interval, ' (95 %)')}",
            f"  tokens     {quantity(self.tokens):>8}   {span(self.tokens_interval, ' (95 %)')}",
            "",
            f"  {'set':<20} {'loss':>8}  {'80 %':<19} {'95 %':<19} law",
        ]
        for name, e in self.losses.items():
            cells = ["no interval" if p is None else f"{p[0]:.4g} – {p[1]:.4g}" for p in (e.interval_80, e.interval_95)]
            lines.append(f"  {name:<20} {e.loss:>8.4g}  {cells[0]:<19} {cells[1]:<19} {e.form}{'; ' * bool(e.note)}{e.note}")
        if self.epochs:
            lines += ["", *(f"  {name}: {n:.3g} epochs" for name, n in self.epochs.items())]
        return "\n".join(lines + [f"  ! {w}" for w in self.warnings])


def optimum(law: FittedLaw, flops: float, theta: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(N*, D*) of a joint law under C = 6·N·D (Hoffmann et al. 2022, eq. 4); with theta [R, 5], of each resample [R].

    N* = G·(C/6)^(β/(α+β)), D* = (C/6)/N*, G = (αA/βB)^(1/(α+β)).
    """
    values = natural(law.theta if theta is None else theta, law.centre, FORMS[law.form])
    a, alpha, b, beta = (values[..., -4 + k] for k in range(4))
    with np.errstate(all="ignore"):
        log_n = (np.log(alpha * a) - np.log(beta * b) + beta * np.log(flops / 6)) / (alpha + beta)
    return np.exp(log_n), np.exp(np.log(flops / 6) - log_n)


def make_plan(
    sets: Mapping[str, SetLaws],
    tried: Tried,
    flops: float,
    target: str | None,
    extrapolate: bool,
    sources: Mapping[str, tuple[float, float]],
) -> Plan:
    """See Law.plan."""
    if not (np.isfinite(flops) and flops > 0):
        raise PreceptorError("Bad budget", where="flops", found=flops, expected="a positive number of FLOP")
    name, chosen = _target(sets, target)
    largest = 6.0 * tried.largest[0] * tried.largest[1]
    beyond, warnings = flops / largest, []
    if beyond > REACH:
        said = f"the budget is {beyond:.3g}× the largest fitted run ({largest:.3g} FLOP)"
        if not extrapolate:
            raise PreceptorError(
                "A law doesn't reach that far",
                where="flops",
                found=said,
                expected=f"at most {REACH:g}× ({REACH * largest:.3g} FLOP)",
                remedy="train a larger run, or ask for the extrapolation (extrapolate=True, --extrapolate) and doubt it",
            )
        warnings.append(f"Extrapolated: {said}; intervals know nothing of a law that bends.")
    n, d = (float(v) for v in optimum(chosen, flops))
    for what, value, (lo, hi) in (("parameters", n, tried.params_range), ("tokens", d, tried.tokens_range)):
        if not lo / REACH <= value <= hi * REACH:
            warnings.append(
                f"{quantity(value)} {what} are more than {REACH:g}× outside the fitted {quantity(lo)} – {quantity(hi)}."
            )
    spans: list[tuple[float, float] | None] = [None, None]
    if len(chosen.draws):
        both = np.stack(optimum(chosen, flops, chosen.draws))
        both = both[:, np.isfinite(both).all(axis=0) & (both > 0).all(axis=0)]
        spans = [(float(lo), float(hi)) for lo, hi in np.quantile(both, [0.025, 0.975], axis=1).T]
    losses = {}
    for other, entry in sets.items():
        joint = entry.law(entry.chosen) if entry.chosen else None
        if joint is not None:
            losses[other] = _expected(joint, n, d)
    epochs = {source: share * d / unique for source, (share, unique) in sources.items()}
    for text in warnings:
        say(f"warning: {text}")
    return Plan(flops, name, n, d, spans[0], spans[1], losses, epochs, beyond, tuple(warnings))


def _target(sets: Mapping[str, SetLaws], target: str | None) -> tuple[str, FittedLaw]:
    if target is not None and target not in sets:
        raise PreceptorError("No such set", where="target", found=target, expected=", ".join(sets))
    names = [target] if target else sorted(sets, key=lambda s: sets[s].floor is None)
    reasons = []
    for name in names:
        entry = sets[name]
        joint = entry.law(entry.chosen) if entry.chosen else None
        if joint is None:
            reasons.append(f"{name}: {entry.not_fitted.get('joint', 'no joint law')}")
        elif joint.identified:
            return name, joint
        else:
            reasons.append(f"{name} ({joint.form}): {joint.why_not}")
    raise PreceptorError(
        "No plan: no joint law is identified by these points",
        found="\n            ".join(reasons[:6]),
        expected="a joint law whose parameters are all identified",
        remedy="train more sizes, budgets or seeds; a plan from this law would be invented",
    )


def _expected(law: FittedLaw, params: float, tokens: float) -> Expected:
    loss = float(law.predict(params, tokens)[0])
    note = "" if law.identified else "not identified"
    if not len(law.draws):
        return Expected(loss, None, None, law.form, "; ".join(filter(None, (note, law.interval_reason))))
    losses = law.predict(params, tokens, law.draws)[:, 0]
    draws = prediction_draws(losses, law.floor, law.noise, law.scale, 0)
    q = [float(v) for v in np.quantile(draws, [0.1, 0.9, 0.025, 0.975])]
    return Expected(loss, (q[0], q[1]), (q[2], q[3]), law.form, note)
