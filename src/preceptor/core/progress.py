"""Progress with rate and ETA on standard error: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

from preceptor.core.terminal import behind, note, put, visible

T = TypeVar("T")

# A rate is that of the newest half of the time spent, so that compilation and slow first units soon stop counting. An ETA is
# shown after so many seconds, with so many updates in that half, once the half's two halves agree within a factor.
SETTLE_SECONDS = 10.0
SETTLE_UPDATES = 5
SETTLE_FACTOR = 1.5


def say(text: str) -> None:
    """Print a line for the person watching (standard error; standard output is for results)."""
    if not os.environ.get("PRECEPTOR_QUIET"):
        note(visible(text))


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
    """Counts work done against a total. Use as a context manager; `advance(n)` after n units.

    A line says how much is done, the recent rate, and, once that rate has settled, the time left.
    """

    def __init__(self, label: str, total: float, unit: str = "") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0.0
        self._quiet = bool(os.environ.get("PRECEPTOR_QUIET"))
        self._live = behind(sys.stderr).isatty()
        self._every = 0.2 if self._live else 10.0
        self._start = self._shown = time.monotonic()
        self._updates = 0
        self._past = deque([(self._start, 0.0, 0)])  # time, done, updates: what the newest half needs, the oldest first
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def advance(self, n: float = 1) -> None:
        self.done += n
        self._updates += 1
        now = time.monotonic()
        self._remember(now)
        if not self._quiet and now - self._shown >= self._every:
            self._shown = now
            self._draw(now)

    def _remember(self, now: float) -> None:
        """Keep the state at `now`; forget what lies before the newest half, and states that lie close together."""
        if len(self._past) > 1 and now - self._past[-2][0] < (now - self._start) / 500:
            self._past.pop()
        self._past.append((now, self.done, self._updates))
        while self._past[1][0] <= self._start + (now - self._start) / 2:
            self._past.popleft()

    def _rate(self) -> tuple[float, bool]:
        """Units per second over the newest half of the time, and whether that rate has settled."""
        (begin, done, updates), (now, _, _) = self._past[0], self._past[-1]
        if now <= begin:
            return 0.0, False
        rate = (self.done - done) / (now - begin)
        middle, half, _ = max(p for p in self._past if p[0] <= max(begin, (begin + now) / 2))
        enough = now - self._start >= SETTLE_SECONDS and self._updates - updates >= SETTLE_UPDATES and middle > begin
        if not enough:
            return rate, False
        older, newer = (half - done) / (middle - begin), (self.done - half) / (now - middle)
        return rate, 0 < max(older, newer) <= SETTLE_FACTOR * min(older, newer)

    def _draw(self, now: float, end: bool = False) -> None:
        spent = now - self._start
        rate, settled = self._rate()
        tail = ""
        if end:
            rate = self.done / spent if spent > 0 else 0.0
            tail = f", in {duration(spent)}"
        elif settled and self.done < self.total:
            tail = f", ETA {duration((self.total - self.done) / rate)}"
        amount = f"{quantity(self.done)}/{quantity(self.total)} {self.unit}".rstrip()
        text = visible(f"  {self.label}: {amount}, {quantity(rate)}/s{tail}")
        if self._live:
            stream = behind(sys.stderr)
            put(stream, "\r\033[K" + text + ("\n" if end else ""))
            stream.flush()
        else:
            note(text)
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
