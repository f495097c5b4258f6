"""How fast each stage has been on this machine, so that a dry run can say its cost in time.

Kept in the cache folder, outside of any run; nothing but what a person is shown depends on it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from preceptor.core.cache import cache_folder
from preceptor.core.errors import PreceptorError

_SHORTEST = 0.5  # seconds: shorter builds are mostly start-up


def record(stage: str, unit: str, amount: float | None, seconds: float) -> None:
    """Remember that a stage did `amount` units of work in `seconds`. A cache that can't be written is no error."""
    if not amount or seconds < _SHORTEST:
        return
    with contextlib.suppress(OSError, PreceptorError):
        cache_folder().mkdir(parents=True, exist_ok=True)
        temporary = _path().with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(
            json.dumps(_read() | {f"{stage}, {unit}": amount / seconds}, indent=1, sort_keys=True), encoding="utf-8"
        )
        os.replace(temporary, _path())


def seconds(stage: str, unit: str, amount: float | None) -> float | None:
    """How long that much work would take at the rate last measured here; None where none was, or where work isn't known."""
    rate = _read().get(f"{stage}, {unit}")
    return amount / rate if rate and amount is not None else None


def _path() -> Path:
    return cache_folder() / "rates.json"


def _read() -> dict[str, float]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, PreceptorError):
        return {}
    good = found.items() if isinstance(found, dict) else ()
    return {str(k): float(v) for k, v in good if isinstance(v, int | float) and v > 0}
