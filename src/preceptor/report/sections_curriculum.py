"""Sections on what the language models read: the mixture, and examples of each document kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from preceptor.report import formats as f
from preceptor.report.html import Html, h, join, missing, table
from preceptor.report.inputs import Artifacts
from preceptor.report.section import Section

KINDS = {
    "general": ("General text", "keeps the model a model of language, and is the control"),
    "item-text": ("Item-Text", "Layer 1a: what each item is, codes → text"),
    "cf": ("CF", "Layer 1b: which items go together, with confidence and lift"),
    "uih": ("UIH", "Layer 2: histories drawn from the generator"),
}
_CODE = re.compile(r"(<RECTOKEN>|</RECTOKEN>|REC\d{4,}(?:⟨[^⟩]*⟩)?)")
_LONGEST = 1800  # characters shown of a document


def examples(inputs: Artifacts, count: int) -> Section:
    """A few documents of each kind, with the words that tell what each code stands for."""
    preview, stream = inputs.document("curriculum", "preview.json"), inputs.document("curriculum", "stream.json")
    if preview is None:
        return Section(missing("The curriculum stage is not among the inputs."))
    words = inputs.document("codes", "code_words.json")
    parts: list[Html | None] = [_mixture(stream)]
    for kind in sorted(preview, key=lambda k: list(KINDS).index(k) if k in KINDS else len(KINDS)):
        title, what = KINDS.get(kind, (f.name(kind), ""))
        shown = preview[kind][:count]
        parts.append(h("h3", title, h("small", f" {what}") if what else None))
        parts += [h("pre", _highlight(text), cls="doc", tabindex="0") for text in shown]
        parts.append(_glossary(shown, words) if words is not None else None)
    return Section(join(parts))


def _highlight(text: str) -> Html:
    pieces = _CODE.split(text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " …")
    return join([_code(p) if i % 2 else p for i, p in enumerate(pieces)])


def _code(piece: str) -> Html:
    code, opening, words = piece.partition("⟨")
    if not code.startswith("REC"):
        return h("i", code)
    return h("mark", code, h("small", " ", words.rstrip("⟩")) if opening else None)


def _glossary(texts: list[str], words: list[list[str]]) -> Html | None:
    codes = sorted({int(m) for text in texts for m in re.findall(r"REC(\d{4,})", text)})
    known = [(f"REC{c:04d}", words[c]) for c in codes if c < len(words) and words[c]]
    if not known:
        return None
    rows = [[name, ", ".join(m)] for name, m in known[:60]]
    inner = table(["Code", "Words most typical of its items"], rows, "Codes in these examples", text_columns=2)
    return h("details", h("summary", f"What these {len(rows)} codes stand for"), inner)


def _mixture(stream: Mapping[str, Any]) -> Html:
    rows = []
    for source in stream["sources"]:
        finite = source["kind"] == "finite"
        sizes = [f.size(source[k]) if finite else f.ABSENT for k in ("documents", "tokens")]
        rows.append([KINDS.get(source["name"], (source["name"],))[0], source["kind"], f.percent(source["share"]), *sizes])
    facts = [f"{k.replace('_', ' ')} {f.any_value(stream[k])}" for k in ("context", "block_tokens", "vocab_size", "order")]
    return join(
        [
            table(
                ["Source", "Kind", "Share of tokens", "Documents", "Tokens"], rows, "The mixture the language models read", 2
            ),
            h(
                "p",
                "Endless: drawn afresh for ever, nothing repeats. Finite: read again when used up. ",
                "; ".join(facts) + ".",
                cls="note",
            ),
        ]
    )
