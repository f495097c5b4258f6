"""User-history documents: the wording around walks, and single documents of given items (evaluation, previews).

Training blocks are written by `histories.py`; both use the same parts, so their tokens are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preceptor.codes.vocabulary import START
from preceptor.core.errors import PreceptorError
from preceptor.curriculum.documents import TEXT, Documents, Writer, uih_template
from preceptor.curriculum.form import Form
from preceptor.curriculum.ragged import Ragged
from preceptor.curriculum.stream import GIVEN
from preceptor.generator.histories import Sampler, sample

_AT_ONCE = 4096  # histories drawn at once
LESS = 4  # of the tokens of the main sets of histories, others have one in so many


def parts(writer: Writer, longest: int) -> dict[str, np.ndarray]:
    """Tokens of the items, the prefix, the separator and the suffix with EOS, as `histories.HistorySource` wants them.

    Without markers about each item the prefix begins with the opening one.
    Raises PreceptorError when a history of `longest` items would not fit the context: its floor would not hold.
    """
    templates, markers = writer.form.templates, writer.form.markers
    before, after = uih_template(templates).render({}) or ("", "")
    prefix = writer.plain_ids(before)
    found = {
        "item_tokens": writer.item_tokens,
        "prefix": prefix if markers else np.append(np.int32(writer.ids.start), prefix),
        "separator": writer.plain_ids(templates.uih_separator),
        "suffix": np.append(writer.plain_ids(after), np.int32(writer.eos)),
    }
    width = writer.item_tokens.shape[1]
    tokens = longest * width + (longest - 1) * len(found["separator"]) + len(found["prefix"]) + len(found["suffix"])
    if tokens > writer.context:
        raise PreceptorError(
            "A history doesn't fit the context",
            where="curriculum.context",
            found=f"{writer.context} tokens",
            expected=f"at least {tokens}, for {longest} items of {width} tokens",
            remedy="raise curriculum.context, or shorten generator.length",
        )
    return found


def count_within(parts: dict[str, np.ndarray], longest: int, tokens: int, main: bool) -> int:
    """How many documents of `longest` items an evaluation set has, at least one. main: it has all the tokens, else a part."""
    each = longest * parts["item_tokens"].shape[1] + (longest - 1) * len(parts["separator"]) + len(parts["prefix"])
    return max(1, tokens // (1 if main else LESS) // (each + len(parts["suffix"])))


def documents(parts: dict[str, np.ndarray], histories: list[np.ndarray], given: list[int] | None = None) -> Documents:
    """One document a history (int items each). The prefix isn't scored; separators, items and the end are.

    With `given`, that many first items of each history aren't scored either, and the end is left out: real histories go on.
    """
    tokens, spans = [], []
    for h, items in enumerate(histories):
        row, span = [parts["prefix"]], [GIVEN] * len(parts["prefix"])
        for t, item in enumerate(items):
            ids = parts["item_tokens"][item]
            ids = np.concatenate([parts["separator"], ids]) if t else ids
            row.append(ids)
            span += [TEXT if given is None or t >= given[h] else GIVEN] * len(ids)
        if given is None:
            row.append(parts["suffix"])
            span += [TEXT] * len(parts["suffix"])
        tokens.append(np.concatenate(row))
        spans.append(np.array(span, np.uint8))
    offsets = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(t) for t in tokens], out=offsets[1:])
    return Documents(Ragged(np.concatenate(tokens).astype(np.int32), offsets), np.concatenate(spans))


def drawn(tables: Sampler, parts: dict[str, np.ndarray], seed: int, tokens: int) -> Documents:
    """Training histories until they have so many tokens: the documents of a source that ends, and is read again."""
    rows: list[np.ndarray] = []
    found, around = 0, len(parts["prefix"]) + len(parts["suffix"]) - len(parts["separator"])
    width = parts["item_tokens"].shape[1] + len(parts["separator"])
    while found < tokens:
        items, lengths = sample(tables, seed, "finite/uih", len(rows), _AT_ONCE)
        ends = found + np.cumsum(around + width * lengths.astype(np.int64))
        kept = min(_AT_ONCE, int(np.searchsorted(ends, tokens)) + 1)
        rows += [row[:n] for row, n in zip(items[:kept], lengths[:kept], strict=True)]
        found = int(ends[kept - 1])
    return documents(parts, rows)


def text(form: Form, surfaces: Sequence[str]) -> str:
    """A history as text. surfaces: how its items are written (`vocabulary.item_surface`)."""
    before, after = uih_template(form.templates).render({}) or ("", "")
    return ("" if form.markers else START) + before + form.templates.uih_separator.join(surfaces) + after
