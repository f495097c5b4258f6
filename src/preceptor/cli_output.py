"""The one place where commands print. Results go to standard output, what is said about them to standard error.

Titles, ids and names of files are untrusted, so every text here is made printable (`core.terminal`), cell by cell in tables.
JSON is ASCII. rich is imported when a table is printed.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from preceptor.core.terminal import Open, behind, line, note, visible

__all__ = ["console", "data", "fault", "heading", "line", "note", "sentences", "table"]

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult


def data(value: Any) -> None:
    """Print JSON for programs. What isn't ASCII is escaped, so that no terminal obeys it and every one can show it."""
    line(json.dumps(value, indent=1, default=str))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """Print a table."""
    from rich.table import Column, Table
    from rich.text import Text

    def cell(value: object) -> Text:
        return Text(visible(str(value), lines=True))

    shown = Text(visible(title), style="bold") if title else None
    made = Table(*(Column(cell(name)) for name in columns), title=shown, title_justify="left", show_header=any(columns))
    for row in rows:
        made.add_row(*map(cell, row))
    console().print(made)


def heading(text: str) -> None:
    """Print a heading, after an empty line."""
    from rich.text import Text

    console().print(Text("\n" + visible(text), style="bold"))


def sentences(texts: Iterable[object], mark: str = "") -> None:
    """Print sentences as wide as the terminal is, each with a mark before it."""
    from rich.text import Text

    for text in texts:
        console().print(Text(mark + visible(str(text), lines=True)))


def fault(error: BaseException) -> None:
    """Show an error that isn't the user's in full."""
    note("".join(traceback.format_exception(error)).rstrip())
    note("preceptor: this is a fault of preceptor itself; the lines above say where. Please report them.")


def console(stderr: bool = False) -> Console:
    """A console of rich that shows styles but no code that came with a text."""
    from rich.console import Console

    made = Console(file=Open(behind(sys.stderr if stderr else sys.stdout)))  # type: ignore[arg-type]
    made.push_render_hook(_Cleaned())  # type: ignore[arg-type]
    return made


class _Cleaned:
    """A hook of rich: whatever is printed is first made into segments, whose texts are then made printable."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(one) for one in renderables]


class _Visible:
    def __init__(self, inner: ConsoleRenderable) -> None:
        self.inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for one in console.render(self.inner, options):
            yield one if one.control else Segment(visible(one.text, lines=True), one.style)
