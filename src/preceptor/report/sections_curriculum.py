"""Sections on what the language models read: the mixture, and examples of each document kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from preceptor.report import formats as f
from preceptor.report.drawing import Drawing
from preceptor.report.html import Html, h, join, missing, table
from preceptor.report.inputs import Inputs

KINDS = {
    "general": ("General text", "keeps the model a model of language, and is the control"),
    "item-text": ("Item-Text", "Layer 1a: what each item is, codes → text"),
    "cf": ("CF", "Layer 1b: which items go together, with confidence and lift"),
    "uih": ("UIH", "Layer 2: walks on the item graph, written as histories"),
}
_CODE = re.compile(r"(<RECTOKEN>|</RECTOKEN>|REC\d{4,}(?:⟨[^⟩]*⟩)?)")
_LONGEST = 1800  # characters shown of a document


def examples(inputs: Inputs, drawings: list[Drawing], count: int) -> Html:
    """A few documents of each kind, with the words that tell what each code stands for."""
    preview = inputs.object("curriculum", "preview.json")
    parts = [_mixture(inputs)]
    if not preview:
        return join([*parts, missing("The curriculum has no preview.json.")])
    words = inputs.json("codes", "code_words.json") or {}
    for kind in sorted(preview, key=lambda k: list(KINDS).index(k) if k in KINDS else len(KINDS)):
        documents = preview[kind]
        title, what = KINDS.get(kind.removesuffix("-walks"), (f.name(kind), ""))
        shown = [_text(d) for d in documents[:count]]
        parts.append(h("h3", title, h("small", f" {what}") if what else None))
        parts += [h("pre", _highlight(text), cls="doc", tabindex="0") for text in shown]
        parts.append(_glossary(shown, words))
    return join(parts)


def _text(document: Any) -> str:
    if isinstance(document, Mapping):
        return "\n".join(str(document[k]) for k in ("text", "readable") if document.get(k)) or f.any_value(dict(document))
    return "\n".join(map(str, document)) if isinstance(document, list) else str(document)


def _highlight(text: str) -> Html:
    pieces = _CODE.split(text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " …")
    return join([_code(p) if i % 2 else p for i, p in enumerate(pieces)])


def _code(piece: str) -> Html:
    code, opening, words = piece.partition("⟨")
    if not code.startswith("REC"):
        return h("i", code)
    return h("mark", code, h("small", " ", words.rstrip("⟩")) if opening else None)


def _glossary(texts: list[str], words: Any) -> Html | None:
    codes = sorted({int(m) for text in texts for m in re.findall(r"REC(\d{4,})", text)})

    def meaning(code: int) -> Any:
        if isinstance(words, list):
            return words[code] if code < len(words) else None
        return words.get(str(code)) if isinstance(words, dict) else None

    known = [(f"REC{c:04d}", meaning(c)) for c in codes if meaning(c)]
    if not known:
        return None
    rows = [[name, ", ".join(map(str, m)) if isinstance(m, list) else str(m)] for name, m in known[:60]]
    inner = table(["Code", "Words most typical of its items"], rows, "Codes in these examples", text_columns=2)
    return h("details", h("summary", f"What these {len(rows)} codes stand for"), inner)


def _mixture(inputs: Inputs) -> Html | None:
    stream = inputs.object("curriculum", "stream.json")
    rows = []
    for source in stream.get("sources", []):
        share = source.get("share")
        sizes = [f.size(source.get("documents")), f.size(source.get("tokens"))]
        rows.append(
            [KINDS.get(source["name"], (source["name"],))[0], str(source.get("kind", f.ABSENT)), f.percent(share), *sizes]
        )
    if not rows:
        return None
    facts = [
        f"{k.replace('_', ' ')} {f.any_value(stream[k])}"
        for k in ("context", "block_tokens", "vocab_size", "order")
        if k in stream
    ]
    return join(
        [
            table(
                ["Source", "Kind", "Share of tokens", "Documents", "Tokens"], rows, "The mixture the language models read", 2
            ),
            h(
                "p",
                "Endless: drawn afresh for ever, nothing repeats. Finite: read again when used up. ",
                "; ".join(facts) + "." if facts else None,
                cls="note",
            ),
        ]
    )
