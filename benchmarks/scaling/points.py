"""From the rows of a study's table to points that laws are fitted to, and to forecasts of those that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.forecast import NAMED, PLANNED
from preceptor.scaling.law import Law
from preceptor.scaling.points import Points

WALKS = "uih-in-graph"
Line = Mapping[str, str]


def without_later(lines: Sequence[Line], held: set[tuple[str, str]]) -> list[Line]:
    """The rows without those of more tokens than the least that is held out of their cell, and not held out themselves."""
    first: dict[str, int] = {}
    for cell, tokens in held:
        first[cell] = min(first.get(cell, int(tokens)), int(tokens))
    return [
        line
        for line in lines
        if (line["cell"], line["tokens"]) in held or int(line["tokens"]) < first.get(line["cell"], int(line["tokens"]) + 1)
    ]


def points_of(lines: Sequence[Line]) -> Points:
    """A table of points, of which each set is one."""
    names = ("params", "tokens", "loss", "seed", "floor", "unit", "flops_per_token", "unigram", "bigram", "ends")
    columns: dict[str, list[Any]] = {name: [line[name] for line in lines] for name in names}
    columns["run"] = [f"{line['cell']}, seed {line['seed']}" for line in lines]
    columns["unique_tokens"] = [unique_tokens(line) for line in lines]
    return Points.of(columns)


def unique_tokens(line: Line) -> str:
    """Tokens over the epochs of its histories: those that aren't repeats; nothing where it isn't known."""
    own, unique = (float(line.get(name) or 0) for name in ("own_uih", "unique_uih"))
    return str(float(line["tokens"]) * min(unique / own, 1.0)) if own and unique else ""


def forecasts(law: Law) -> list[Forecast]:
    """The forecast of each held-out run by the law that a plan would use: the average of the forms that can be fitted."""
    return [r for r in law.forecasts if r.held == NAMED and r.form == PLANNED and r.predicted is not None]
