"""Standard output that takes every text: on a terminal that knows ASCII alone, a snowman is an escape and no failure."""

from __future__ import annotations

import codecs
import io
import sys


def take_everything() -> None:
    """Let standard output and error replace what their encoding lacks by a backslash and its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not knows_all(stream):
            stream.reconfigure(errors="backslashreplace")


def knows_all(stream: object) -> bool:
    """Whether a stream can print any character."""
    try:
        return codecs.lookup(str(getattr(stream, "encoding", None) or "utf-8")).name.startswith("utf-")
    except LookupError:
        return False
