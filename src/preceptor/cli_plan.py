"""The command that turns a law into a budget, and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from preceptor import cli_output as shown
from preceptor.core.errors import PreceptorError

if TYPE_CHECKING:
    from preceptor.scaling.beside import Beside
    from preceptor.scaling.budget import Budget
    from preceptor.scaling.fitted import SetLaws, Tried

_PAPER = "paper"
Number = str | None  # as typed: 417k and 1e15 are numbers here, and a bad one is refused in words


def plan(
    law: str,
    *,
    flops: Number = None,
    tokens: Number = None,
    hours: Number = None,
    usd: Number = None,
    rate: Number = None,
    usd_per_hour: Number = None,
    params: Number = None,
    target_loss: Number = None,
    target_recall: Number = None,
    k: Literal["10", "100"] = "100",
    unique: Number = None,
    next_: Annotated[bool, Parameter(name="--next", negative="")] = False,
    of: str | None = None,
    tables: Path | None = None,
    extrapolate: Annotated[bool, Parameter(negative="")] = False,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Say what a budget buys, what a loss or a recall costs, when to stop repeating, and which run to make next.

    Give one question. A budget: preceptor plan law.json --flops 1e13, where preceptor fit POINTS --out law.json has written
    the law. The reverse: --target-loss 5.25. Numbers may be written 417k, 4.2M or 1e15. Where the law of N isn't identified,
    a plan chooses among the trained sizes. Beyond ten times the largest fitted run it refuses, and names the run to make
    next. The study `quick` has too few budgets for a plan; those of `quick-full` are enough.

    Parameters
    ----------
    law
        A law written by `preceptor fit --out`, or scaling/laws.json of a study. `paper`: the joint laws that arXiv 2602.07298
        prints, with their caveats.
    flops
        A budget in floating-point operations. A token costs what the table of points says, or 6 per parameter.
    tokens
        A budget in training tokens: the size for which they are the best number, unless --params names one.
    hours
        A budget in hours, at --rate.
    usd
        A budget in money, at --usd-per-hour and --rate.
    rate
        FLOP per second that training reaches; with another budget, to say its hours.
    usd_per_hour
        What an hour costs.
    params
        Keep to this size, in place of the best one.
    target_loss
        Say what this loss costs, in nats as the law's set counts them.
    target_recall
        Say what this recall costs, read off the study's own models. --k: at which cut-off.
    unique
        So many distinct tokens are all there is: say when to stop repeating them.
    next_
        Say which run to make next: the one that narrows the forecast most per FLOP.
    of
        The set that is planned for; by default the first with an identified law, a known floor before others.
    tables
        A folder with points.csv, ladder.csv, sources.csv, recommend.csv, where they aren't the law's own study's.
    extrapolate
        Answer beyond ten times the largest fitted run too, with a warning.
    """
    from preceptor.scaling.budget import amount, budget

    asked = budget(flops=flops, tokens=tokens, hours=hours, rate=rate, usd=usd, usd_per_hour=usd_per_hour)
    loss = None if target_loss is None else amount("target-loss", target_loss)
    recall = None if target_recall is None else amount("target-recall", target_recall)
    distinct = None if unique is None else amount("unique", unique)
    size = None if params is None else amount("params", params)
    _one_question(asked, loss=loss, recall=recall, distinct=distinct, next_=next_)
    sets, tried, beside, caveats = _read(law, tables)
    common: dict[str, Any] = {"params": size, "extrapolate": extrapolate, "beside": beside}
    found: Any
    if distinct is not None:
        from preceptor.scaling.repeats import when_to_stop

        found = when_to_stop(_surface(sets, tried, beside, of), distinct, size, extrapolate)
    elif next_:
        from preceptor.scaling.next_run import next_runs

        budgets = sorted({float(p.tokens) for p in beside.points})
        found = next_runs(sets, tried, beside, target=of, flops=asked.flops if asked else None, params=size, budgets=budgets)
    elif asked is not None:
        from preceptor.scaling.plan import make_plan

        found = make_plan(sets, tried, asked, target=of, **common)
    else:
        from preceptor.scaling.reverse import price_of_loss, price_of_recall

        surface = _surface(sets, tried, beside, of)
        common |= {
            "rate": None if rate is None else amount("rate", rate),
            "price": None if usd_per_hour is None else amount("usd-per-hour", usd_per_hour),
        }
        if loss is not None:
            found = price_of_loss(surface, loss, **common)
        else:
            assert recall is not None
            found = price_of_recall(surface, recall, f"recall_{k}", **common)
    if json_:
        shown.data(dataclasses.asdict(found) | {"caveats": list(caveats)})
        return
    shown.line(found, *(f"  ! {caveat}" for caveat in caveats))


def _one_question(
    asked: Budget | None, *, loss: float | None, recall: float | None, distinct: float | None, next_: bool
) -> None:
    """Refuse none, and two at once. --next takes a budget in FLOP for its forecast."""
    given = {"--target-loss": loss, "--target-recall": recall, "--unique": distinct, "--next": next_ or None}
    questions = [name for name, value in given.items() if value is not None]
    if asked is not None and (questions != ["--next"] or asked.flops is None):
        questions.append("a budget" if asked.flops is not None else "a budget of tokens")
    if asked is not None and questions == ["--next"]:
        return
    expected = "one of --flops, --tokens, --hours, --usd, --target-loss, --target-recall, --unique, --next"
    if not questions:
        raise PreceptorError("Nothing was asked", expected=expected)
    if len(questions) > 1:
        raise PreceptorError("Two questions at once", found=" and ".join(questions), expected=expected)


def _read(law: str, tables: Path | None) -> tuple[dict[str, SetLaws], Tried, Beside, tuple[str, ...]]:
    """The laws, the runs they are of, what other tables add, and what to say of them all."""
    from preceptor.scaling.beside import Beside, beside

    if law == _PAPER:
        from preceptor.scaling.published import CAVEATS, paper_laws

        sets, tried = paper_laws()
        return sets, tried, Beside(no_recall="the paper reports no recall of language models"), CAVEATS
    from preceptor.scaling.law import Law

    found = Law.load(law)
    return dict(found.sets), found.tried, found.beside(beside(Path(law), tables)), ()


def _surface(sets: dict[str, SetLaws], tried: Tried, beside: Beside, of: str | None) -> Any:
    from preceptor.scaling.surface import surface_of
    from preceptor.scaling.training_cost import TrainingCost

    return surface_of(sets, tried, TrainingCost.of(beside.flops_per_token), of)
