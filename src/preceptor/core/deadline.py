"""A time at which training stops after saving: for machines that are lent for minutes. No part of any key.

`PRECEPTOR_STOP_AT`, in seconds since the epoch, is read by every process that trains; the same command goes on where it ended.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from preceptor.core.errors import PreceptorError

VARIABLE = "PRECEPTOR_STOP_AT"


class OutOfTime(PreceptorError):
    """The time is over, and all is saved."""


@contextlib.contextmanager
def within(minutes: float) -> Iterator[float]:
    """Within, training stops after so many minutes, in the processes that are started here too. Gives the time at which."""
    at, before = time.time() + 60 * minutes, os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(at)
    try:
        yield at
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def given() -> float | None:
    """Seconds since the epoch at which to stop; None: never. Raises PreceptorError where it is no number."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise PreceptorError(
            "Bad time to stop", where=f"environment variable {VARIABLE}", found=text, expected="seconds since the epoch"
        ) from None


def over(at: float | None) -> bool:
    """Whether the time is over."""
    return at is not None and time.time() >= at
