"""Numbers as a reader wants them: one home, so that the page, the terminal and the picture agree."""

from __future__ import annotations

import math
from typing import Any

from preceptor.core.progress import quantity
from preceptor.core.tables.scaling import Forecast
from preceptor.report.inputs import number

ABSENT = "–"
SETS = {
    "general": "General",
    "item-text": "Item-Text",
    "cf-both-seen": "CF, both seen",
    "cf-one-unseen": "CF, one unseen",
    "cf-both-unseen": "CF, both unseen",
    "cf-permuted": "CF, permuted",
    "uih-in-graph": "UIH in-graph",
    "uih-full": "UIH Full",
    "uih-ood": "UIH OOD",
    "real-validation-seen": "Real seen, validation",
    "real-test-seen": "Real seen, test",
    "real-validation-unseen": "Real unseen, validation",
    "real-test-unseen": "Real unseen, test",
    "real-validation-new": "Real new, validation",
    "real-test-new": "Real new, test",
}
_NAMES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "generator": "generator's law",
    "real": "real histories",
    "synthetic": "synthetic histories",
    "real+synthetic": "real + synthetic",
    "nats": "Nats",
    "temporal": "temporal split",
    "leave-last-out": "leave-last-out",
}


def name(key: Any) -> str:
    """The printed name of a set, metric or split; unknown keys are shown as they are."""
    text = str(key)
    return SETS.get(text) or _NAMES.get(text.lower().replace("_", "-")) or text.replace("_", " ")


def fixed(value: Any, digits: int = 3) -> str:
    """A number with so many decimals; – where there is none."""
    x = number(value)
    return ABSENT if x is None else f"{x:.{digits}f}".replace("-", "−")


def short(value: Any, digits: int = 3) -> str:
    """A number in so many significant digits, plain where it can be."""
    x = number(value)
    if x is None:
        return ABSENT
    if x == 0 or 1e-4 <= abs(x) < 1e6:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(x)))) if x else 0
        return f"{x:,.{min(decimals, 6)}f}".replace("-", "−")
    return f"{x:.{digits - 1}e}".replace("-", "−")


def signed(value: Any, digits: int = 3) -> str:
    """A number with its sign."""
    x = number(value)
    return ABSENT if x is None else f"{x:+.{digits}f}".replace("-", "−")


def percent(value: Any, digits: int = 1) -> str:
    """A share as a percentage."""
    x = number(value)
    return ABSENT if x is None else f"{100 * x:.{digits}f} %".replace("-", "−")


def excess_share(row: Forecast, share: float | None) -> str:
    """A forecast's error as a share of the measured excess; in words where there is no excess, or next to none."""
    if share is None:
        return f"measured below the {row.reference_kind}" if (excess_of(row) or 1.0) <= 0 else ABSENT
    return percent(share) if abs(share) <= 2 else "over ±200 %"


def missed(row: Forecast) -> str:
    """A forecast's error in nats, and as a share of what was measured above the known floor, or above a fitted end."""
    if row.predicted is None:
        return ABSENT
    share = excess_share(row, row.excess_error)
    if row.excess_error is not None:
        share += f" of the excess over the {row.reference_kind}"
    return f"{signed(row.predicted - row.actual)} nats ({share})"


def excess_of(row: Forecast) -> float | None:
    """What was measured, less what the excess is over."""
    return None if row.reference is None else row.actual - row.reference


def whole(value: Any) -> str:
    """A count with separators."""
    x = number(value)
    return ABSENT if x is None else f"{x:,.0f}".replace("-", "−")


def size(value: Any) -> str:
    """A count in a few characters: 12.3k, 4.56M."""
    x = number(value)
    return ABSENT if x is None else quantity(x)


def interval(lo: Any, hi: Any, digits: int = 3) -> str:
    """[lo, hi], or that there is none."""
    if number(lo) is None or number(hi) is None:
        return "no interval"
    return f"[{fixed(lo, digits)}, {fixed(hi, digits)}]"


def short_interval(bounds: Any, digits: int = 3) -> str:
    """[lo, hi] of a pair in significant digits; text is handed through; anything else is no interval."""
    if isinstance(bounds, str) and bounds:
        return bounds
    if isinstance(bounds, list | tuple) and len(bounds) == 2 and all(number(b) is not None for b in bounds):
        return f"[{short(bounds[0], digits)}, {short(bounds[1], digits)}]"
    return "no interval"


def any_value(value: Any) -> str:
    """Any JSON value in a table cell."""
    if value is None or isinstance(value, bool):
        return {None: ABSENT, True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        text = short(value, 4)
        return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    if isinstance(value, list | tuple):
        return ", ".join(any_value(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{str(k).replace('_', ' ')} {any_value(v)}" for k, v in value.items())
    return str(value) or ABSENT
