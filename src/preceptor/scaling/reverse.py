"""The reverse of a plan: what a loss or a recall costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.progress import duration, quantity
from preceptor.core.relation import METRICS, Relation
from preceptor.scaling.beside import Beside
from preceptor.scaling.doubts import doubts_at
from preceptor.scaling.plan import beyond, repeats, within_reach
from preceptor.scaling.surface import Surface

_ENDS = (1e-6, 1e12)  # times the smallest and the largest fitted run: where a cost is looked for


@dataclass(frozen=True)
class Price:
    """What a loss or a recall costs. reachable: whether any budget pays for it, None where that isn't known; why_not: why there
    is no price.

    wanted: what was asked for, in words; loss: the loss that it takes. flops: of the cheapest run (params, tokens) whose
    expected loss is that; flops_80, flops_95: between a run that might reach it and one that will, each end None where no
    budget does. hours, usd: where a rate and a price are known.
    """

    target: str
    wanted: str
    reachable: bool | None
    why_not: str = ""
    loss: float | None = None
    flops: float | None = None
    params: float | None = None
    tokens: float | None = None
    flops_80: tuple[float | None, float | None] | None = None
    flops_95: tuple[float | None, float | None] | None = None
    beyond: float | None = None
    hours: float | None = None
    usd: float | None = None
    cost: str = ""
    warnings: tuple[str, ...] = ()
    open_end: str = "no budget makes sure of it"

    def __str__(self) -> str:
        if self.flops is None or self.params is None or self.tokens is None:
            said = {None: "not known", False: "not reachable under this law", True: "any run gets there"}[self.reachable]
            return f"{self.wanted} of {self.target}: {said}: {self.why_not}"
        time = "" if self.hours is None else f", {duration(self.hours * 3600)}"
        money = "" if self.usd is None else f", {self.usd:.4g} USD"
        lines = [
            f"{self.wanted} of {self.target} costs {self.flops:.3g} FLOP{time}{money}, {self.beyond:.2g}× the largest run",
            f"  80 %       {_ends(self.flops_80, self.open_end)}",
            f"  95 %       {_ends(self.flops_95, self.open_end)}",
            f"  parameters {quantity(self.params)}",
            f"  tokens     {quantity(self.tokens)}",
            f"  cost       {self.cost}",
        ]
        return "\n".join(lines + [f"  ! {w}" for w in self.warnings])


def price_of_loss(
    surface: Surface, loss: float, *, params: float | None, extrapolate: bool, beside: Beside,
    rate: float | None = None, price: float | None = None,
) -> Price:  # fmt: skip
    """The cheapest run whose expected loss is `loss`. params: a size to keep to.

    Raises PreceptorError beyond 10× the largest run unless `extrapolate`.
    """
    wanted = f"A loss of {loss:.4g}"
    size = None if params is None else surface.nearest(params)
    bottom = surface.bottom(size)
    if loss <= bottom:
        end = "the known floor" if surface.floor is not None and abs(bottom - surface.floor) < 1e-9 else "the law's end"
        of = f" at N = {quantity(size)}" if size is not None else ""
        return Price(surface.name, wanted, False, f"{end}{of} is {bottom:.4g}")
    flops = _cost(surface, size, lambda n, d: float(surface.loss(n, d)), loss)
    if flops is None:
        n, d = run_of(surface, size, surface.smallest)
        least = float(surface.loss(n, d))
        if least <= loss:
            run = f"one of {surface.smallest:.3g} FLOP, which the smallest fitted run cost, has {least:.4g}"
            return Price(surface.name, wanted, True, run, loss)
        return Price(surface.name, wanted, False, "no budget within a million million times the largest run gets there")
    n, d = run_of(surface, size, flops)
    warnings = [*within_reach(surface, n, d, extrapolate), *repeats(surface, beside, d), *doubts_at(surface, n)]
    hours = flops / rate / 3600 if rate else None
    return Price(
        surface.name, wanted, True, "", loss, flops, n, d,
        flops_80=_interval(surface, size, loss, 0), flops_95=_interval(surface, size, loss, 1),
        beyond=beyond(surface, n, d), hours=hours, usd=hours * price if hours is not None and price else None,
        cost=surface.cost.said, warnings=tuple(warnings),
    )  # fmt: skip


def price_of_recall(
    surface: Surface, recall: float, metric: str, *, params: float | None, extrapolate: bool, beside: Beside,
    rate: float | None = None, price: float | None = None,
) -> Price:  # fmt: skip
    """The cheapest run whose loss lets a recall be read off. The intervals add the relation's scatter to the law's."""
    if not 0 < recall < 1:
        raise PreceptorError("Bad recall", where="--target-recall", found=recall, expected="between 0 and 1")
    wanted = f"{METRICS[metric]} {recall:.4g}"
    found = beside.recall(surface.name)[metric]
    if isinstance(found, str):
        return Price(surface.name, wanted, None, f"recall can't be read off the loss: {found}")
    loss = found.inverse(recall)
    if loss is None:
        lo, hi = min(found.y), max(found.y)
        return Price(surface.name, wanted, None, f"models of this study were measured from {lo:.3f} to {hi:.3f} only")
    made = price_of_loss(surface, loss, params=params, extrapolate=extrapolate, beside=beside, rate=rate, price=price)
    size = None if params is None else surface.nearest(params)
    spans = [_recall_interval(surface, size, found, recall, i, level) for i, level in ((0, 0.8), (1, 0.95))]
    return replace(
        made,
        wanted=wanted,
        flops_80=made.flops_80 and spans[0],
        flops_95=made.flops_95 and spans[1],
        open_end="more than was measured",
    )


def run_of(surface: Surface, params: float | None, flops: float) -> tuple[float, float]:
    """(size, tokens) that a budget pays for: the best, or of one size."""
    if params is not None:
        return params, float(surface.cost.tokens(params, flops))
    n, d = surface.best(flops)
    return float(n[0]), float(d[0])


def _cost(surface: Surface, params: float | None, loss_of: Callable[[float, float], float], wanted: float) -> float | None:
    """The least FLOP at which a loss has fallen to `wanted`; None where it isn't between the ends.

    A forecast falls for ever. The upper end of its band turns up again where the form may be wrong by more than is gained.
    """
    lo, hi = np.log(surface.smallest * _ENDS[0]), np.log(surface.largest * _ENDS[1])

    def above(log_flops: float) -> bool:
        return loss_of(*run_of(surface, params, float(np.exp(log_flops)))) > wanted

    if not above(lo):
        return None
    for end in np.arange(lo, hi, np.log(2))[1:]:
        if not above(end):
            hi = end
            break
        lo = end
    if above(hi):
        return None
    while hi - lo > 1e-7:
        middle = (lo + hi) / 2
        lo, hi = (middle, hi) if above(middle) else (lo, middle)
    return float(np.exp(hi))


def _interval(surface: Surface, params: float | None, loss: float, level: int) -> tuple[float | None, float | None] | None:
    """FLOP at which the lower and the upper end of the forecast are `loss`. level: 0 for 80 %, 1 for 95 %."""
    if not all(len(law.draws) for law in surface.laws):
        return None
    lower, upper = (_cost(surface, params, _end(surface, level, end), loss) for end in (0, 1))
    return lower, upper


def _recall_interval(
    surface: Surface, params: float | None, found: Relation, recall: float, at: int, level: float
) -> tuple[float | None, float | None]:
    reach = found.reach(level)
    easy, hard = found.inverse(recall - reach), found.inverse(recall + reach)
    return (
        None if easy is None else _cost(surface, params, _end(surface, at, 0), easy),
        None if hard is None else _cost(surface, params, _end(surface, at, 1), hard),
    )


def _end(surface: Surface, level: int, end: int) -> Callable[[float, float], float]:
    def loss(params: float, tokens: float) -> float:
        found = surface.expected(params, tokens)
        pair = (found.interval_80, found.interval_95)[level]
        assert pair is not None
        return float(pair[end][0])

    return loss


def _ends(pair: tuple[float | None, float | None] | None, open_end: str) -> str:
    if pair is None:
        return "no interval"
    lo, hi = (None if v is None else f"{v:.3g} FLOP" for v in pair)
    return f"{lo or 'less than can be said'} – {hi or open_end}"
