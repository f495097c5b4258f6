"""Writes documents: plain text and item codes joined into token ids.

All plain text, templates and fields alike, is encoded by `vocabulary.PlainEncoder`, out of which no added token can come;
items are placed as code tokens. The ids equal those of encoding the whole text at once, since added tokens split a text
before anything else sees it (`check_assembly` verifies that for the tokenizer and the templates at hand).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from tokenizers import Tokenizer

from preceptor.codes.vocabulary import CodeIds, PlainEncoder, item_surface
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.form import Form
from preceptor.curriculum.ragged import Ragged, join, stacked
from preceptor.curriculum.templates import Template, clean, parse

TEXT_FIELDS = ("title", "brand", "categories", "description")
CF_FIELDS = ("percent", "confidence", "lift", "bucket")
DIRECTIONS = {"codes-to-text": "item_text", "text-to-codes": "text_item"}  # item-text directions and their templates
TEXT, CODES_A, CODES_B, NUMBERS = 1, 2, 3, 4  # spans
_CHUNK = 20_000  # texts encoded at once: the encoder's objects are large


@dataclass(frozen=True)
class Documents:
    """Documents as tokens, each ended by EOS, and the span of every token (uint8 flat)."""

    tokens: Ragged
    span: np.ndarray

    def __len__(self) -> int:
        return len(self.tokens)

    def take(self, rows: np.ndarray) -> Documents:
        spans = Ragged(self.span.astype(np.int32), self.tokens.offsets).take(rows)
        return Documents(self.tokens.take(rows), spans.flat.astype(np.uint8))


def concatenated(parts: Sequence[Documents]) -> Documents | None:
    """All documents of the parts, in order; None of no parts."""
    return Documents(stacked([p.tokens for p in parts]), np.concatenate([p.span for p in parts])) if parts else None


class Writer:
    """Turns rendered templates into tokens for one tokenizer, one table of codes and one form.

    tokenizer has the codes and markers added, with the ids `ids`. codes: int [I, n_codes]. eos: the id that ends a document.
    item_tokens: int32 [I, n_codes], two more with markers: what stands for each item.
    """

    def __init__(self, tokenizer: Tokenizer, ids: CodeIds, codes: np.ndarray, eos: int, context: int, form: Form) -> None:
        self.tokenizer, self.codes, self.eos, self.context, self.form = tokenizer, codes, eos, context, form
        self.ids, self.item_tokens = ids, ids.items(codes, form.markers)
        self.encode = PlainEncoder(tokenizer)
        size = tokenizer.get_vocab_size(with_added_tokens=True)
        self._numeric = np.array([any(c.isdigit() for c in tokenizer.decode([i])) for i in range(size)])

    def write(
        self,
        texts: Sequence[tuple[str, ...]],
        items: np.ndarray,
        item_spans: Sequence[int],
        number_span: int = TEXT,
        number_texts: Collection[int] = (),
    ) -> Documents:
        """Documents of rendered templates.

        texts: for each document the text before, between and after its items. items: int [docs, slots]. item_spans: the span
        of each slot's tokens; number_span: that of text tokens which hold a digit, and of all tokens of the texts
        `number_texts` (0: before the first item).
        """
        n, slots = items.shape
        everyone = np.zeros(n, np.int64)
        table = Ragged.table(self.item_tokens)
        columns: list[tuple[Ragged, np.ndarray]] = []
        spans: list[np.ndarray] = []
        for s in range(slots + 1):
            ragged, which = self._encode_each([t[s] for t in texts])
            columns.append((ragged, which))
            spans.append(np.where(self._numeric[ragged.flat] | (s in number_texts), number_span, TEXT))
            if s < slots:
                columns.append((table, items[:, s].astype(np.int64)))
                spans.append(np.full(len(table.flat), item_spans[s]))
        columns.append((Ragged.of([[self.eos]]), everyone))
        spans.append(np.array([TEXT]))
        span_columns = [(replace(r, flat=s.astype(np.int32)), w) for (r, w), s in zip(columns, spans, strict=True)]
        return Documents(join(columns), join(span_columns).flat.astype(np.uint8))

    def plain_ids(self, text: str) -> np.ndarray:
        """Tokens of a piece of plain text, int32."""
        return np.array(self.encode([text])[0], np.int32)

    def text(self, pieces: tuple[str, ...], items: Sequence[int]) -> str:
        """A rendered document as text, the items as their codes, between markers where the form has them."""
        surfaces = [item_surface(self.codes[i], self.form.markers) for i in items]
        return pieces[0] + "".join(s + p for s, p in zip(surfaces, pieces[1:], strict=True))

    def _encode_each(self, texts: Sequence[str]) -> tuple[Ragged, np.ndarray]:
        """Tokens of the distinct texts, and which of them each text is."""
        number: dict[str, int] = {}
        which = np.array([number.setdefault(t, len(number)) for t in texts], np.int64)
        distinct = list(number)
        chunks = [Ragged.of(self.encode(distinct[a : a + _CHUNK])) for a in range(0, len(distinct), _CHUNK)]
        return stacked(chunks), which


def check_assembly(writer: Writer, name: str, pieces: tuple[str, ...], items: Sequence[int]) -> None:
    """Assert that a document of trusted text, put together of pieces and items, has the tokens of its text encoded whole.

    Raises PreceptorError naming the template where they differ: it spells a token of the tokenizer, or the tokenizer joins
    plain text with what stands beside it (some SentencePiece ones do).
    """
    made = writer.write([pieces], np.array([items], np.int64).reshape(1, -1), [TEXT] * len(items)).tokens[0].tolist()
    text = writer.text(pieces, items)
    tokenizer, where = writer.tokenizer, f"curriculum.templates.{name}"
    if tokenizer.encode(text + (tokenizer.id_to_token(writer.eos) or ""), add_special_tokens=False).ids == made:
        return
    added = sorted((t.content for t in tokenizer.get_added_tokens_decoder().values()), key=len, reverse=True)
    spelled = next((t for t in added for piece in pieces if t in piece), None)
    if spelled is not None:
        raise PreceptorError(
            "A template spells a token of the tokenizer, which text never yields here",
            where=where,
            found=repr(spelled),
            expected="plain text; only items become added tokens",
            remedy="word the template without it",
        )
    raise PreceptorError(
        "This tokenizer encodes a text differently in parts and whole",
        where=f"curriculum.tokenizer, with {where}",
        found=text[:200],
        remedy="use a byte-level BPE tokenizer, or word the template and its separators otherwise",
    )


def item_template(templates: Templates, direction: str) -> Template:
    """The parsed item-text template of a direction ("codes-to-text" or "text-to-codes")."""
    name = DIRECTIONS[direction]
    return parse(getattr(templates, name), name, TEXT_FIELDS, ("item",))


def cf_template(templates: Templates) -> Template:
    """The parsed template of a pair of items."""
    return parse(templates.cf, "cf", CF_FIELDS, ("item_a", "item_b"))


def uih_template(templates: Templates) -> Template:
    """The parsed template of a history; its one item field stands for all of them."""
    return parse(templates.uih, "uih", (), ("items",))


def item_fields(items: pl.DataFrame, config: CurriculumConfig) -> list[dict[str, str | None]]:
    """Cleaned text fields of each item: one line, bounded, no control or bidirectional marks, descriptions without markup."""
    limit = config.field_characters
    columns: dict[str, list[Any]] = {name: items[name].to_list() for name in TEXT_FIELDS}
    rows = []
    for title, brand, categories, description in zip(*(columns[name] for name in TEXT_FIELDS), strict=True):
        path = [c for c in (clean(c, limit) for c in categories or ()) if c]
        rows.append(
            {
                "title": clean(title, limit, markup=False),
                "brand": clean(brand, limit),
                "categories": config.templates.category_separator.join(path)[:limit] or None,
                "description": clean(description, config.description_characters, markup=True),
            }
        )
    return rows


def item_documents(
    writer: Writer, template: Template, fields: Sequence[Mapping[str, str | None]], items: np.ndarray
) -> tuple[Documents, np.ndarray]:
    """Item-text documents of `items`, and which items they are: one without the needed fields has none.

    A document that would outgrow the context is rendered again with its fields cut shorter.
    """
    rendered = [template.render(fields[i]) for i in items]
    made = np.array([i for i, r in zip(items, rendered, strict=True) if r is not None], np.int64)
    texts = [r for r in rendered if r is not None]
    written = writer.write(texts, made[:, None], (CODES_A,))
    todo = np.flatnonzero(written.tokens.lengths > writer.context)
    if not len(todo):
        return written, made
    limit = max((len(v) for i in made for v in fields[i].values() if v), default=0)
    while len(todo):
        limit = limit * 3 // 4
        if not limit:
            raise PreceptorError(
                "An item-text document can't be made to fit the context",
                where="curriculum.context",
                found=f"{writer.context} tokens",
                remedy="raise it, or shorten curriculum.templates",
            )
        for d in todo:
            texts[d] = template.render({k: clean(v, limit) for k, v in fields[made[d]].items()}) or texts[d]
        again = writer.write([texts[d] for d in todo], made[todo, None], (CODES_A,))
        todo = todo[again.tokens.lengths > writer.context]
    return writer.write(texts, made[:, None], (CODES_A,)), made


def pieces(writer: Writer, texts: Sequence[str], limit: int) -> tuple[list[str], Documents]:
    """Texts cut at line ends or spaces into documents of at most `limit` tokens, EOS included: the pieces and their tokens."""
    done: list[tuple[int, int, str, list[int]]] = []  # text, place, piece, tokens
    todo = [(n, 0, t.strip("\n")) for n, t in enumerate(texts)]
    while todo:
        again = []
        for (n, place, text), ids in zip(todo, writer.encode([t for _, _, t in todo]), strict=True):
            if len(ids) < limit:
                if text.strip():
                    done.append((n, place, text, [*ids, writer.eos]))
                continue
            at = 0
            for part in _cuts(text, max(2, -(-len(ids) * 9 // (limit * 8)))):
                again.append((n, place + at, part.strip("\n")))
                at += len(part)
        todo = again
    done.sort(key=lambda d: d[:2])
    tokens = Ragged.of([ids for *_, ids in done])
    return [t for _, _, t, _ in done], Documents(tokens, np.full(len(tokens.flat), TEXT, np.uint8))


def _cuts(text: str, parts: int) -> list[str]:
    """The text in about equal parts, cut at the last line end, else space, in the half before each even cut."""
    size = -(-len(text) // parts)
    found, at = [], 0
    while len(text) - at > size:
        window = text[at + size // 2 : at + size]
        cut = max(window.rfind("\n\n"), 0) or max(window.rfind("\n"), 0) or max(window.rfind(" "), 0) or len(window)
        end = at + size // 2 + cut
        found.append(text[at:end])
        at = end
    return [*found, text[at:]]
