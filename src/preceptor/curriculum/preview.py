"""Examples of documents, with codes made readable: under each document stand its items, their codes with typical words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import CodeIds, code_token

KINDS = {
    "item-text": "items, codes and text",
    "cf": "pairs of items that users share",
    "uih": "synthetic histories: walks over the item graph",
    "real": "people's own histories",
    "general": "general text",
}
_LINES = 8  # lines of a general text that are shown


def readable(
    tokenizer: Tokenizer,
    ids: CodeIds,
    n_codes: int,
    tokens: np.ndarray,
    words: Sequence[Sequence[str]],
    names: Mapping[tuple[int, ...], str],
    eos: int | None = None,
) -> str:
    """The text of a document's tokens, and below it a line for each of its items: Enamel pot: REC0007⟨kettle, steel, tea⟩ ….

    Goes by token ids, so that a title which looks like a code isn't taken for one. n_codes: of an item. words: by latent
    (codes' code_words.json). names: of items, by their codes. A final `eos` is left out.
    """
    row = tokens.tolist()
    if row and row[-1] == eos:
        row.pop()
    lines = [tokenizer.decode(row, skip_special_tokens=False)]
    for codes in dict.fromkeys(_items(row, ids, n_codes)):
        shown = [code_token(c) + (f"⟨{', '.join(words[c])}⟩" if c < len(words) and len(words[c]) else "") for c in codes]
        lines.append("  " + (f"{names[codes]}: " if codes in names else "") + " ".join(shown))
    return "\n".join(lines)


def names_of(codes: np.ndarray, titles: Sequence[str]) -> dict[tuple[int, ...], str]:
    """The title that stands for each row of codes; where items share codes, the first one's and how many more there are."""
    distinct, first, count = np.unique(codes, axis=0, return_index=True, return_counts=True)
    more = ["" if n == 1 else f" and {n - 1:,} more" for n in count.tolist()]
    return {tuple(row): titles[i] + m for row, i, m in zip(distinct.tolist(), first.tolist(), more, strict=True)}


def page(examples: Mapping[str, Sequence[str]], sources: Sequence[Mapping[str, Any]], width: int) -> str:
    """All examples for a terminal of `width` columns, kind by kind. sources: those of stream.json, for shares and numbers."""
    found = {s["name"]: s for s in sources}
    parts = []
    for kind in sorted(examples, key=lambda k: list(KINDS).index(k) if k in KINDS else len(KINDS)):
        source = found.get(kind)
        facts = [KINDS.get(kind, "")]
        if source is None:
            facts.append("no share of the tokens")
        else:
            facts += [
                f"{source['share']:.1%} of the tokens",
                f"{source['documents']:,} documents" if "documents" in source else "endless",
            ]
        heading = f"{kind}: " + ", ".join(f for f in facts if f)
        parts += ["", heading, "─" * min(len(heading), width)]
        for number, text in enumerate(examples[kind], 1):
            parts += _numbered(number, text, kind == "general", width)
    return "\n".join(parts)


def _numbered(number: int, text: str, is_general: bool, width: int) -> Iterator[str]:
    """The lines of one example, hanging behind its number."""
    margin = " " * 4
    lines = text.split("\n")
    if is_general:
        more = len(lines) - _LINES
        body = [margin + _cut(line, width - len(margin)) for line in lines[:_LINES]]
        body += [f"{margin}… {more:,} more lines"] if more > 0 else []
    else:
        body = []
        for line in lines:
            first, rest = (margin + "  ", margin + "    ") if line.startswith("  ") else (margin, margin)
            wrapped = textwrap.wrap(
                line.strip(), max(width, 40), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
            )
            body += wrapped or [""]
    body[0] = f"{number:>2}  " + body[0][len(margin) :]
    yield from body


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _items(row: Sequence[int], ids: CodeIds, n_codes: int) -> Iterator[tuple[int, ...]]:
    """The codes of each item: whole items only are written, so every `n_codes` of them are one."""
    codes = [token - ids.first_code for token in row if 0 <= token - ids.first_code < ids.n_latents]
    yield from zip(*[iter(codes)] * n_codes, strict=True)
