"""Templates as data: literal text, fields, items, and optional clauses in square brackets.

A rendered document is plain text cut at the places where items stand; the plain text, fields and literals alike, is later
encoded so that no added token can come out of it, and only the items become code tokens.
"""

from __future__ import annotations

import html
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html.entities import html5

from preceptor.core.errors import PreceptorError

_SPACES = re.compile(r"\s+")
# As a browser shows it: what these hold isn't shown, whether or not they are closed.
_UNSEEN = re.compile(r"<!--.*?(?:-->|$)|<(script|style|template|svg)\b[^<>]*>.*?(?:</\1\s*>|$)|<[!?][^<>]*>", re.DOTALL | re.I)
_ATTRIBUTES = r"(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+>|[^<>]*+>"  # a quoted value may hold ">"
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|cite|code|em|font|i|mark|s|small|span|strong|sub|sup|tt|u|wbr)(?=[\s/>])"
    rf"(?:{_ATTRIBUTES})",
    re.IGNORECASE,
)
_TAG = re.compile(rf"</?[a-zA-Z](?:{_ATTRIBUTES})")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Control characters (Cc), lone surrogates (Cs) and bidirectional marks
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Clause:
    """A run of (literal text, field name or None); optional ones vanish when a field of theirs is missing."""

    parts: tuple[tuple[str, str | None], ...]
    optional: bool

    @cached_property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.parts if name is not None)


@dataclass(frozen=True)
class Template:
    """A parsed template. items: the names of its item fields, in their order."""

    clauses: tuple[Clause, ...]
    items: tuple[str, ...]

    def render(self, fields: Mapping[str, str | None]) -> tuple[str, ...] | None:
        """The text before, between and after the items (len(items) + 1 strings), or None where a needed field is missing."""
        texts = [""]
        for clause in self.clauses:
            if any(name not in self.items and not fields.get(name) for name in clause.fields):
                if clause.optional:
                    continue
                return None
            for literal, name in clause.parts:
                texts[-1] += literal
                if name in self.items:
                    texts.append("")
                elif name is not None:
                    texts[-1] += fields[name] or ""
        return tuple(texts)


def parse(text: str, name: str, fields: tuple[str, ...], items: tuple[str, ...]) -> Template:
    """Parse a template in which every item field stands exactly once, outside of brackets.

    Raises PreceptorError naming the template, for unknown fields, items missing or repeated, unbalanced brackets.
    """
    clauses = []
    depth = 0
    for piece in re.split(r"([\[\]])", text):
        if piece in "[]" and piece:
            depth += 1 if piece == "[" else -1
            if depth not in (0, 1):
                raise _bad(name, text, "square brackets that open and close in turn")
        elif piece:
            clauses.append(Clause(_parts(piece, name, text), depth == 1))
    if depth:
        raise _bad(name, text, "square brackets that open and close in turn")
    used = [f for c in clauses for f in c.fields]
    unknown = sorted(set(used) - {*fields, *items})
    if unknown:
        raise _bad(name, "{" + unknown[0] + "}", "fields among " + ", ".join("{" + f + "}" for f in (*items, *fields)))
    order = tuple(f for c in clauses if not c.optional for f in c.fields if f in items)
    if sorted(order) != sorted(items) or sum(f in items for f in used) != len(items):
        raise _bad(name, text, " and ".join("{" + i + "}" for i in items) + " exactly once, outside of brackets")
    return Template(tuple(clauses), order)


def clean(text: str | None, limit: int, markup: bool = False) -> str | None:
    """A field made fit for one line: entities resolved, white space runs become a space, control and bidirectional marks go.

    It is cut at `limit` characters, at a space if one is near. With `markup` the text is what a browser would show: tags,
    comments, scripts and styles go. Returns None for nothing left.
    """
    if text is None:
        return None
    read = limit * (200 if markup else 20)  # a style sheet may stand before the text
    whole = len(text) <= read
    text = text if whole else text[:read]
    for _ in range(2):  # twice: exports escape what was escaped before
        text = _ENTITY.sub(_character, _shown(text, whole) if markup else text)
    text = _shown(text, whole) if markup else text
    text = _UNWANTED.sub("", _SPACES.sub(" ", text)).strip()
    if len(text) > limit:
        cut = text[:limit]
        text = cut[: cut.rfind(" ")] if cut.rfind(" ") > limit // 2 else cut
    return text.strip() or None


def _shown(text: str, whole: bool) -> str:
    """The text without markup. Tags within words vanish, others part words; of a text that isn't whole, a cut tag goes too."""
    if "<" not in text:
        return text
    text = _TAG.sub(" ", _INLINE.sub("", _UNSEEN.sub(" ", text)))
    return text if whole else re.sub(r"</?[a-zA-Z][^<>]*$", "", text)


def _character(entity: re.Match[str]) -> str:
    """The character of an entity with its semicolon; unknown ones stay. (html.unescape takes "&notes" for "¬es".)"""
    written = entity.group()
    return html.unescape(written) if written[1] == "#" else html5.get(written[1:], written)


def _parts(piece: str, name: str, text: str) -> tuple[tuple[str, str | None], ...]:
    try:
        parsed = list(string.Formatter().parse(piece))
    except ValueError as e:
        raise _bad(name, text, f"balanced braces ({e})") from None
    if any(spec or conversion for _, _, spec, conversion in parsed):
        raise _bad(name, text, "plain fields such as {title}")
    return tuple((literal, field) for literal, field, _, _ in parsed)


def _bad(name: str, found: str, expected: str) -> PreceptorError:
    return PreceptorError("Bad template", where=f"curriculum.templates.{name}", found=found, expected=expected)
