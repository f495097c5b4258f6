"""Numbers and tables of the pages of the scaling studies, as they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def number(text: str, sign: bool = False) -> str:
    """Three decimals; none from a thousand on; a dash where nothing is known."""
    if text in ("", "nan"):
        return "–"
    value = float(text)
    if value and not math.isfinite(value):
        return "∞"
    digits = 0 if abs(value) >= 1000 else 3
    return f"{value:{'+' if sign else ''},.{digits}f}"


def percent(text: str, sign: bool = False, digits: int = 1) -> str:
    """A share as per cent."""
    return "–" if text in ("", "nan") else f"{100 * float(text):{'+' if sign else ''}.{digits}f} %"


def whole(text: str) -> str:
    """A count."""
    return f"{float(text):,.0f}"
