"""Markup built from Python values. Text is escaped unless it is `Html`, so that item texts, which are untrusted, can't act.

>>> h("p", "a < b, ", h("b", "bold"), cls="note")
'<p class="note">a &lt; b, <b>bold</b></p>'
"""

from __future__ import annotations

import base64
import csv
import html
import io
import re
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
    """A table that scrolls inside its own box when it is too wide, with a link that saves it as CSV.

    The first columns are text, the others are numbers.
    """

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
    scrolled = h("div", body, cls="scroll", tabindex="0", role="region", aria_label=_words(caption)[:120])
    return join([scrolled, _download(head, rows, caption)])


def _download(head: Sequence[Any], rows: Sequence[Sequence[Any]], caption: Any) -> Html:
    """The table's text as a CSV file inside the page."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([[_cell(c) for c in row] for row in (head, *rows)])
    data = base64.b64encode(("\ufeff" + out.getvalue()).encode()).decode()
    name = re.sub(r"[^a-z0-9]+", "-", _words(caption).lower()).strip("-")[:48] or "table"
    link = h(
        "a",
        "CSV",
        href=f"data:text/csv;base64,{data}",
        download=f"{name}.csv",
        aria_label=f"Save as CSV: {_words(caption)[:80]}",
    )
    return h("p", link, cls="csv")


def _words(markup: Any) -> str:
    """The text of a cell or a caption."""
    text = "".join(map(_words, markup)) if isinstance(markup, Iterable) and not isinstance(markup, str) else str(markup or "")
    return html.unescape(re.sub(r"<[^>]*>", "", text)) if isinstance(markup, Html) else text


def _cell(value: Any) -> str:
    """A cell's text; one that a spreadsheet would run as a formula is quoted, numbers with a sign are left."""
    text = _words(value)
    acts = text[:1] in ("=", "@", "\t", "\r") or (text[:1] in ("+", "-") and not text[1:2].isdigit())
    return f"'{text}" if acts else text


def listing(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """Names with their values, as a description list."""
    return h("dl", (h("div", h("dt", name), h("dd", value)) for name, value in pairs))


def paragraphs(*texts: Any) -> Html:
    """Each text that isn't empty as a paragraph."""
    return join(h("p", text) for text in texts if text)


def missing(what: str) -> Html:
    """The note that stands where an input is absent."""
    return h("p", h("strong", "Not available. "), what, cls="missing")
