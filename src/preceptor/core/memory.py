"""How much memory a run may take: what is held at once, and in how many passes the rest is counted, follows from it.

Never part of a config: results don't depend on it. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from pathlib import Path

from preceptor.core.errors import PreceptorError

VARIABLE = "PRECEPTOR_MEMORY"
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_LEAST = 1 << 29  # bytes: the libraries alone take as much
_SHARE = 0.75  # of the free memory, where nothing is asked for
_LIMITS = (  # of a container, version 2 and 1: its folder, limit, use, and which files' pages in that can be taken back
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def budget() -> int:
    """Bytes that a run may take in all: the environment variable PRECEPTOR_MEMORY, else three quarters of what is free."""
    given = os.environ.get(VARIABLE)
    if given:
        return parse(given, f"environment variable {VARIABLE}")
    free = available()
    return _LEAST * 8 if free is None else max(_LEAST, int(free * _SHARE))


def ask(text: str, where: str = "--memory") -> None:
    """Set the budget of this process and those it starts. Raises PreceptorError for what is no amount."""
    parse(text, where)
    os.environ[VARIABLE] = text


def parse(text: str, where: str) -> int:
    """Bytes of "6GiB", "6g" or "800 MiB". Raises PreceptorError, which names `where`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", text, re.IGNORECASE)
    size = 0 if found is None else int(float(found[1]) * (1 << _UNITS[found[2].lower()]))
    if size < _LEAST:
        raise PreceptorError("Bad amount of memory", where=where, found=text, expected="0.5GiB or more, such as 6GiB")
    return size


def release() -> None:
    """Hand what was freed back to the system, where its C library can (glibc). Tensors of ever other sizes leave gaps between
    them: a process that trains ranking models one after the other came to hold 6.6 GB, of which .6 were in use."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def available() -> int | None:
    """Bytes that this machine, or the container this runs in, has free; None where the system doesn't say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        free = int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return None
    for folder, limit, use, cached in _LIMITS:
        try:
            most, used = (int((Path(folder) / name).read_text()) for name in (limit, use))
            facts = dict(line.split() for line in (Path(folder) / "memory.stat").read_text().splitlines())
            free = min(free, most - used + int(facts[cached]))
        except (OSError, ValueError, KeyError):  # none, or "max"
            continue
    return max(free, 0)
