"""Tables of the stage `scaling`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from preceptor.core.tables.row import Row


@dataclass(frozen=True)
class Forecast(Row):
    """One held-out point predicted by one form. excess_error and the two *_error columns are shares of the excess that
    the held-out runs of the same size and tokens have on average; None where that isn't above 0.

    held: 'corner' (largest sizes at largest budgets), 'size' (the largest sizes wholly), 'tokens' (the largest budgets wholly),
    or 'named' (by a person). form: of the law, or 'plan': the law that a plan would use at this size, averaged with others as
    it would be (`note` names them). reference: what the excess is over, reference_kind: 'known floor', or of the points that
    weren't held out 'fitted E' of the joint law, else 'fitted L_inf' of the size's own. lo, hi: 95 % prediction interval. None
    where there is none, as for whatever couldn't be computed (then `note` says why).
    """

    FILE: ClassVar[str] = "forecast.csv"

    set: str
    form: str
    params: float
    tokens: float
    actual: float
    predicted: float | None
    error: float | None
    excess_error: float | None
    baseline_two_point: float | None
    baseline_nearest_smaller: float | None
    lo: float | None
    hi: float | None
    held: str
    run: str
    two_point_error: float | None
    nearest_smaller_error: float | None
    reference: float | None
    reference_kind: str
    note: str = ""


@dataclass(frozen=True)
class Fitted(Row):
    """A point with the loss that a law of its set gives there. residual: log fitted − log loss."""

    FILE: ClassVar[str] = "fits.csv"

    set: str
    form: str
    params: float
    tokens: float
    run: str
    loss: float
    fitted: float | None
    residual: float | None
