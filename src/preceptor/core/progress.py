"""Progress with rate and ETA on standard error: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line for the person watching (standard error; standard output is for results)."""
    if not os.environ.get("PRECEPTOR_QUIET"):
        print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds as people read them: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def quantity(x: float) -> str:
    """A count in four characters or so: 950, 12.3k, 4.56M, 1.20G."""
    for scale, suffix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(x) >= scale * 0.9995:  # 999,600 is 1.00M, not 1e+03k
            return f"{x / scale:.3g}{suffix}"
    return f"{x:.3g}"


class Progress:
    """Counts work done against a total. Use as a context manager; `advance(n)` after n units."""

    def __init__(self, label: str, total: float, unit: str = "") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0.0
        self._quiet = bool(os.environ.get("PRECEPTOR_QUIET"))
        self._live = sys.stderr.isatty()
        self._every = 0.2 if self._live else 10.0
        self._start = self._shown = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def advance(self, n: float = 1) -> None:
        self.done += n
        now = time.monotonic()
        if not self._quiet and now - self._shown >= self._every:
            self._shown = now
            self._draw(now)

    def _draw(self, now: float, end: bool = False) -> None:
        spent = now - self._start
        rate = self.done / spent if spent > 0 else 0.0
        left = (self.total - self.done) / rate if rate > 0 else 0.0
        tail = f"in {duration(spent)}" if end else f"ETA {duration(left)}"
        text = f"  {self.label}: {quantity(self.done)}/{quantity(self.total)} {self.unit}, {quantity(rate)}/s, {tail}"
        if self._live:
            print("\r\033[K" + text, end="\n" if end else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        self._drawn = True

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        if not self._quiet and (self._drawn or now - self._start > 2):
            self._draw(now, end=True)


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "") -> Iterator[T]:
    """Iterate with progress."""
    if total is None:
        total = len(items)  # type: ignore[arg-type]
    with Progress(label, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()
