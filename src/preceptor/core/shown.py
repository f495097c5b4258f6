"""What objects of `pc.*` show of themselves: one line in a terminal, a small table in a notebook. Standard library only."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

from preceptor.core.terminal import visible


class Shown:
    """A class says what it is by `facts`, and may add a table or sentences below it by `details`, as markup."""

    def facts(self) -> Mapping[str, Any]:
        """What it holds, by name: numbers, short texts."""
        raise NotImplementedError

    def details(self) -> str:
        """Markup below the facts; nothing by default."""
        return ""

    def __repr__(self) -> str:
        return visible(f"{type(self).__name__}({', '.join(f'{name}: {text(value)}' for name, value in self.facts().items())})")

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escaped(name)}</th><td>{escaped(text(v))}</td></tr>" for name, v in self.facts().items())
        return f"<b>{escaped(type(self).__name__)}</b><table>{rows}</table>{self.details()}"


def text(value: Any) -> str:
    """A value as a person reads it: counts with separators, other numbers with four digits."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def escaped(value: Any) -> str:
    """Text as markup; what can't be printed becomes a visible mark."""
    return html.escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value)))


def listed(sentences: Iterable[str]) -> str:
    """Sentences as a list."""
    return "<ul>" + "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences) + "</ul>"
