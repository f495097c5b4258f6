"""How many processes to use. Never part of a config: results don't depend on it."""

from __future__ import annotations

import os

from preceptor.core.errors import PreceptorError


def count() -> int:
    """Worker processes to run side by side: the environment variable PRECEPTOR_WORKERS, else the cores we may use."""
    given = os.environ.get("PRECEPTOR_WORKERS")
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdigit() or int(given) < 1:
        raise PreceptorError(
            "Bad number of workers", where="environment variable PRECEPTOR_WORKERS", found=given, expected="an integer ≥ 1"
        )
    return int(given)
