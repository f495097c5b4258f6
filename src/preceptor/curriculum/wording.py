"""The tokenizer for the documents at hand: trained on their wording and text, and checked against every template in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from preceptor.codes.vocabulary import EOS
from preceptor.curriculum import bpe, cf, documents
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.documents import Writer
from preceptor.curriculum.form import Form

_PLAIN = {"title": "Blue pan, 20 cm", "brand": "Orrin", "categories": "Home › Kitchen", "description": "A pan."}


def writer_for(
    config: CurriculumConfig,
    general: Sequence[str],
    fields: Sequence[Mapping[str, str | None]],
    codes: np.ndarray,
    n_latents: int,
    form: Form,
    folder: Path,
) -> Writer:
    """Train the tokenizer on training text alone, or open a given one; save it to `folder`, and return a writer with it.

    general: general text. fields: of the seen items. codes: int [I, n_codes]. Raises where a wording can't be put together.
    """
    if config.tokenizer == "bpe":
        tokenizer, eos = bpe.train([*general, *_templated(config, form.templates, fields)], config.bpe_vocab), EOS
    else:
        tokenizer, eos = bpe.given(Path(config.tokenizer))
    ids, eos_id = bpe.finish(tokenizer, n_latents, eos)
    bpe.save(tokenizer, eos, config.context, folder)
    writer = Writer(tokenizer, ids, codes, eos_id, config.context, form)
    _check(writer, config)
    return writer


def _templated(config: CurriculumConfig, templates: Templates, fields: Sequence[Mapping[str, str | None]]) -> list[str]:
    """The templates' own words and the text of items, as training text for the tokenizer."""
    found = [templates.uih.replace("{items}", ""), templates.uih_separator] * 100
    for c in range(1, 500):
        found += _numbered(templates, c / 500, 1000 / c)
    for direction in config.item_text_directions:
        template = documents.item_template(templates, direction)
        for one in fields:
            found += template.render(one) or ()
    return found


def _check(writer: Writer, config: CurriculumConfig) -> None:
    """That each wording in use can be put together of tokens, for the tokenizer at hand."""
    templates = writer.form.templates
    documents.check_assembly(writer, "cf", _numbered(templates, 0.049, 652.45), (0, 0))
    for direction in config.item_text_directions:
        template = documents.item_template(templates, direction)
        documents.check_assembly(writer, documents.DIRECTIONS[direction], template.render(_PLAIN) or ("", ""), (0,))
    before, after = documents.uih_template(templates).render({}) or ("", "")
    documents.check_assembly(writer, "uih", (before, after), (0,))
    documents.check_assembly(writer, "uih_separator", ("", *[templates.uih_separator] * 2, ""), (0, 0, 0))


def _numbered(templates: Templates, confidence: float, lift: float) -> tuple[str, ...]:
    zero = np.zeros(1, np.int64)
    pair = cf.DirectedPairs(zero, zero, np.array([confidence]), np.array([lift]))
    return cf.render(documents.cf_template(templates), pair)[0]
