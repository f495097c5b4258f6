"""The command that fits laws to a table of points."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from preceptor import cli_output as shown


def fit(
    points: Path,
    *,
    test: Path | None = None,
    hold_out: str | None = None,
    drop: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    out: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Fit scaling laws to a table of points (columns params,tokens,loss[,run,seed,set,floor,unit,…]).

    Expressions have columns, numbers, quoted text, comparisons, and, or, not: 'params > 2e9 and set == "uih"'.

    Parameters
    ----------
    test
        A second table: its points are predicted, not fitted, and errors and coverage of the intervals are said.
    hold_out
        An expression: rows for which it holds are predicted, not fitted.
    drop
        An expression: rows for which it holds are left out, on the record. May be given again.
    out
        Write the law there as JSON, forecasts included; `preceptor plan` reads it.
    """
    from preceptor.scaling.law import fit as fit_points
    from preceptor.scaling.points import Points

    other = None if test is None else Points.read(test)
    law = fit_points(Points.read(points), test=other, hold_out=hold_out, drop=drop)
    if out is not None:
        law.save(out)
    if json_:
        shown.data(law.as_dict() | {"judged": {name: dataclasses.asdict(j) for name, j in law.judged().items()}})
    else:
        shown.line(law)
