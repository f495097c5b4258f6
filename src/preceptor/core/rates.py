"""How fast each stage has been on this machine, so that a dry run can say its cost in time.

Kept in the cache folder, outside of any run; nothing but what a person is shown depends on it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from preceptor.core.cache import cache_folder
from preceptor.core.errors import PreceptorError

_SHORTEST = 0.5  # seconds: shorter builds are mostly start-up
_SMALLER = 0.1  # of the work behind a rate: less work than that tells less of a rate, and doesn't replace it


class Rate(NamedTuple):
    """Units of work per second, and the work that it was measured by."""

    rate: float
    amount: float


def record(stage: str, unit: str, amount: float | None, seconds: float) -> None:
    """Remember that a stage did `amount` units of work in `seconds`, but for a rate that rests on far more work.

    A cache that can't be written is no error.
    """
    if not amount or seconds < _SHORTEST:
        return
    known, name = _read(), f"{stage}, {unit}"
    if amount < _SMALLER * known.get(name, Rate(0, 0)).amount:
        return
    known[name] = Rate(amount / seconds, amount)
    with contextlib.suppress(OSError, PreceptorError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        temporary = _path().with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps({k: r._asdict() for k, r in known.items()}, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(temporary, _path())


def seconds(stage: str, unit: str, amount: float | None) -> float | None:
    """How long that much work would take at the rate measured here; None where none was, or where work isn't known."""
    known = _read().get(f"{stage}, {unit}")
    return amount / known.rate if known and amount is not None else None


def _path() -> Path:
    return cache_folder() / "rates.json"


def _read() -> dict[str, Rate]:
    """Rates by stage and unit; what can't be read counts as not measured."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, PreceptorError):
        return {}
    good = found.items() if isinstance(found, dict) else ()
    return {str(k): Rate(v["rate"], v["amount"]) for k, v in good if isinstance(v, dict) and _positive(v)}


def _positive(entry: dict[str, object]) -> bool:
    values = [entry.get(name) for name in Rate._fields]
    return all(isinstance(value, int | float) and value > 0 for value in values)
