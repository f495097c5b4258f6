"""Markup built from Python values. Text is escaped unless it is `Html`, so that item texts, which are untrusted, can't act.

>>> h("p", "a < b, ", h("b", "bold"), cls="note")
'<p class="note">a &lt; b, <b>bold</b></p>'
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_VOID = {"meta", "br", "hr", "img", "col", "input"}
_KEEP = {"\n", "\t", "\u200c", "\u200d"}  # line breaks, and the joiners that Indic and Persian words need


class Html(str):
    """Text that is markup already. Made by `h` and `raw` only."""

    __slots__ = ()


def raw(markup: str) -> Html:
    """Declare a string to be markup: for our own constants and for finished figures, never for text from the data."""
    return Html(markup)


def escape(text: Any) -> Html:
    """Text as markup: <, >, & and quotes escaped; control and direction-changing characters shown as a box."""
    if isinstance(text, Html):
        return text
    shown = "".join(c if c in _KEEP or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in str(text))
    return Html(html.escape(shown, quote=True))


def h(tag: str, *children: Any, **attributes: Any) -> Html:
    """An element. Children: text, Html, None (nothing), or iterables of those. `cls` is class, `data_x` is data-x."""
    names = "".join(
        f' {"class" if k == "cls" else k.rstrip("_").replace("_", "-")}="{escape(v)}"'
        for k, v in attributes.items()
        if v is not None
    )
    return Html(f"<{tag}{names}>") if tag in _VOID else Html(f"<{tag}{names}>{join(children)}</{tag}>")


def join(children: Any) -> Html:
    """Children put together."""
    if children is None:
        return Html("")
    if isinstance(children, str) or not isinstance(children, Iterable):
        return escape(children)
    return Html("".join(join(child) for child in children))


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]], caption: Any, text_columns: int = 1) -> Html:
    """A table that scrolls inside its own box when it is too wide. The first columns are text, the others are numbers."""

    def row(cells: Sequence[Any], tag: str) -> Html:
        return h(
            "tr",
            (
                (
                    h("th" if i == 0 else tag, cell, scope="row" if i == 0 and tag == "td" else "col" if tag == "th" else None)
                    if i < text_columns
                    else h(tag, cell, cls="n", scope="col" if tag == "th" else None)
                )
                for i, cell in enumerate(cells)
            ),
        )

    body = h("table", h("caption", h("span", caption)), h("thead", row(head, "th")), h("tbody", (row(r, "td") for r in rows)))
    return h("div", body, cls="scroll", tabindex="0", role="region", aria_label=str(caption)[:120])


def listing(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Names with their values, as a description list."""
    return h("dl", (h("div", h("dt", name), h("dd", value)) for name, value in pairs))


def paragraphs(*texts: Any) -> Html:
    """Each text that isn't empty as a paragraph."""
    return join(h("p", text) for text in texts if text)


def missing(what: str) -> Html:
    """The note that stands where an input is absent."""
    return h("p", h("strong", "Not available. "), what, cls="missing")
