"""How the tables of results/tstr/README.md write arms, numbers and intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.tstr import arms as tstr_arms
from benchmarks.tstr.tables import MeanRow


def title(arm: str) -> str:
    """An arm as a person reads it; of what is put together, or shown as it is, the parts."""
    for mark in (" ⊕ ", ", as it is"):
        if mark in arm:
            one, _, rest = arm.partition(mark)
            return title(one) + mark + rest
    return tstr_arms.ARMS[arm].title if arm in tstr_arms.ARMS else arm


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines) + "\n"


def with_interval(m: MeanRow, digits: int) -> str:
    """A mean and its interval."""
    return f"{plain(m.mean, digits)} [{plain(m.lo, digits)}, {plain(m.hi, digits)}]"


def gap(value: float | None, lo: float | None, hi: float | None, digits: int = 4) -> str:
    """A difference and its interval, with their signs."""
    return f"{signed(value, digits)} [{signed(lo, digits)}, {signed(hi, digits)}]"


def plain(x: float | None, digits: int) -> str:
    """A number, a dash where there is none; signs and dashes are those of print."""
    return "–" if x is None else f"{x:.{digits}f}".replace("-", "−")


def signed(x: float | None, digits: int) -> str:
    """A number with its sign."""
    return "–" if x is None else f"{x:+.{digits}f}".replace("-", "−")


def whole(x: float | None) -> str:
    """A whole number."""
    return "–" if x is None else f"{x:,.0f}".replace("-", "−")


def p_value(x: float | None) -> str:
    """A p to three digits."""
    return "–" if x is None else f"{x:.3f}" if x >= 0.001 else "< .001"
