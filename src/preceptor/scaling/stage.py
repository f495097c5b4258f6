"""The stage `scaling`: laws of the language-model sweep, from its table of points alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.artifact import canonical, write_atomic
from preceptor.core.stage import Cost, Counts, Inputs, Stage
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, SourceTokens
from preceptor.core.tables.scaling import Fitted, Forecast
from preceptor.scaling.beside import of_tables
from preceptor.scaling.chart import chart
from preceptor.scaling.config import ScalingConfig, check
from preceptor.scaling.fitted import SetLaws
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points

SOURCES = ("general", "item-text", "cf", "uih")  # of a stream's tokens, as sources.csv has them


def build(config: ScalingConfig, inputs: Inputs, folder: Path) -> Counts:
    """Fit the points of stage `lm`; write laws.json, forecast.csv, fits.csv, summary.json and plan.json."""
    sources = row.read(inputs["lm"].path, SourceTokens)
    points = points_of(row.read(inputs["lm"].path, Point), sources, inputs["lm"].file(Point.FILE))
    law = fit(points, config)
    law.save(folder / "laws.json")
    row.write(folder, Forecast, law.forecasts)
    row.write(folder, Fitted, fitted(law, points))
    write_atomic(folder / "summary.json", canonical(summarise(law, points)))
    write_atomic(folder / "plan.json", canonical(chart(law.sets, law.tried, law.beside(of_tables([], [], sources, [])))))
    return {
        "points": len(points),
        "sets": len(law.sets),
        "laws": sum(len(entry.laws) for entry in law.sets.values()),
        "identified": sum(one.identified for entry in law.sets.values() for one in entry.laws),
    }


def points_of(rows: Sequence[Point], sources: Sequence[SourceTokens], where: object) -> Points:
    """The table of points, with the distinct tokens behind each.

    A set learns from its own sources, so a run repeats for it where one of them was read more than once: of its tokens as many
    are distinct as one over the epochs.
    """
    at = {(s.tokens, s.source): s for s in sources}
    distinct = []
    for point in rows:
        read = [s for name in sources_of(point.set) if (s := at.get((point.tokens, name))) is not None]
        known = any(s.epochs is not None for s in read)
        distinct.append(point.tokens * _distinct_share(read) if known else None)
    return Points.of(row.table(Point, rows) | {"unique_tokens": distinct}, where)


def _distinct_share(read: Sequence[SourceTokens]) -> float:
    """Of the tokens of some sources, the share that isn't a repeat; an endless source has none."""
    return sum(s.source_tokens / max(s.epochs or 1.0, 1.0) for s in read) / max(sum(s.source_tokens for s in read), 1)


def sources_of(name: str) -> tuple[str, ...]:
    """The sources that a set's loss is learnt from: its own layer's; of real histories the drawn ones and people's own."""
    of_layer = [source for source in SOURCES if name == source or name.startswith(f"{source}-")]
    return (of_layer[0],) if of_layer else ("uih", "real")


def cost(config: ScalingConfig, inputs: Inputs) -> Cost:
    """Optimiser starts for each law of each set."""
    sets = len(inputs["lm"].counts["sets"]) if "lm" in inputs else None
    starts = config.starts + config.bootstraps * config.bootstrap_starts
    return Cost(None if sets is None else sets * starts, "starts")


def fitted(law: Law, points: Points) -> list[Fitted]:
    """Every point with the loss that each of its set's laws gives there."""
    found = []
    for name, entry in law.sets.items():
        part = points.of_set(name)
        for one in entry.laws:
            rows = part if one.params is None else part.where(part.params == one.params)
            losses = one.predict(rows.params, rows.tokens)
            columns = (rows.params, rows.tokens, rows.run, rows.loss, losses, np.log(losses / rows.loss))
            found += [Fitted(name, one.form, *cells) for cells in zip(*(c.tolist() for c in columns), strict=True)]
    return found


def summarise(law: Law, points: Points) -> dict[str, Any]:
    """What a reader wants first: the chosen law of each set, in words where it isn't identified, and its held-out error."""
    sizes = {float(n): len(set(points.run[points.params == n])) for n in np.unique(points.params)}
    return {
        "sizes": len(sizes),
        "budgets": len(np.unique(points.tokens)),
        "runs": len(set(points.run)),
        "fewest_runs_a_size": min(sizes.values()),
        "sets": {name: _set_summary(law, entry) for name, entry in law.sets.items()},
    }


def _set_summary(law: Law, entry: SetLaws) -> dict[str, Any]:
    chosen = entry.law(entry.chosen) if entry.chosen else None
    rows = [r for r in law.forecasts if r.set == entry.name and r.held == "corner"]

    def mean_error(values: list[float | None]) -> float | None:
        known = [abs(v) for v in values if v is not None]
        return float(np.mean(known)) if known else None

    of_points = list({(r.params, r.tokens, r.run): r for r in rows}.values())
    return {
        "unit": entry.unit,
        "floor": entry.floor,
        "chosen": entry.chosen,
        "identified": chosen.identified if chosen else False,
        "why_not": chosen.why_not if chosen else entry.not_fitted.get("joint", "no joint law"),
        "parameters": {s: p.value for s, p in chosen.parameters.items() if p.identified} if chosen else {},
        "intervals": chosen.interval_method if chosen else "no interval",
        "interval_reason": chosen.interval_reason if chosen else "",
        "forecast_excess_error": dict(entry.forecast_error),
        "forecast_cells": {form: dict(cells) for form, cells in entry.forecast_cells.items()},
        "enters_from_tokens": entry.burn_in.first if entry.burn_in else None,
        "two_point_excess_error": mean_error([r.two_point_error for r in of_points]),
        "nearest_smaller_excess_error": mean_error([r.nearest_smaller_error for r in of_points]),
    }


STAGE = Stage(
    name="scaling",
    version=13,
    section="scaling",
    needs=("lm",),
    build=build,
    check=check,
    cost=cost,
    tables=(Forecast, Fitted),
)
