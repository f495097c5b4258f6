"""Assembled tokens equal encoding the text, for any template and family of tokenizers; no field yields an added token."""

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

from curriculum.support import CONFIG
from curriculum.vocabularies import CORPUS, GIVEN, KINDS, N_ITEMS, N_LATENTS, PAPER, added_tokens, ladder, writer
from fixtures import HOSTILE, tiny_split
from preceptor.codes.vocabulary import item_surface
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import bpe, cf, documents, uih
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.documents import CODES_A, TEXT, Writer
from preceptor.curriculum.form import Form
from preceptor.curriculum.stream import Stream

# Text in which nobody spells an added token, in every script; digits, signs and blanks in plenty.
benign = st.text(
    st.one_of(st.sampled_from(" \n\t,.;:|-'›0123456789aeé"), st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
    max_size=40,
).filter(lambda t: "<" not in t and "REC" not in t)
filled = benign.filter(str.strip)
literal = benign.map(lambda t: "".join(c for c in t if c not in "[]{}"))
items = st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=8)
fields = st.fixed_dictionaries({"title": filled, "brand": st.none() | filled, "categories": filled, "description": benign})
each_tokenizer = pytest.mark.parametrize("kind", KINDS)


@st.composite
def item_templates(draw: st.DrawFn) -> str:
    """Wordings of an item text: the item anywhere among clauses of one field each, optional ones in brackets."""
    clauses = [f"{draw(literal)}{{{name}}}{draw(literal)}" for name in draw(st.permutations(["title", "brand", "description"]))]
    clauses = [c if "{title}" in c else f"[{c}]" for c in clauses]
    clauses.insert(draw(st.integers(0, 3)), "{item}")
    return draw(literal) + "".join(clauses)


def whole(w: Writer, pieces: tuple[str, ...], met: list[int]) -> list[int]:
    return [*w.tokenizer.encode(w.text(pieces, met), add_special_tokens=False).ids, w.eos]


@each_tokenizer
@settings(max_examples=60, deadline=None)
@given(fields, st.integers(0, N_ITEMS - 1), st.sampled_from(sorted(documents.DIRECTIONS)), st.none() | item_templates())
def test_item_text_equals_encoding_the_text(
    kind: str, found: dict[str, str], item: int, direction: str, wording: str | None
) -> None:
    w = writer(kind)
    templates = Templates() if wording is None else Templates(item_text=wording, text_item=wording)
    pieces = documents.item_template(templates, direction).render(found)
    assert pieces is not None
    assert w.write([pieces], np.array([[item]]), (CODES_A,)).tokens[0].tolist() == whole(w, pieces, [item])


@each_tokenizer
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, N_ITEMS - 1),
    st.integers(0, N_ITEMS - 1),
    st.floats(0.0005, 1),
    st.floats(0.001, 1e5),
    st.none() | st.tuples(literal, literal, literal, st.booleans()),
)
def test_cf_equals_encoding_the_text(
    kind: str, a: int, b: int, confidence: float, lift: float, wording: tuple[str, str, str, bool] | None
) -> None:
    w, templates = writer(kind), Templates()
    if wording:
        first, second = ("{item_b}", "{item_a}") if wording[3] else ("{item_a}", "{item_b}")
        templates = Templates(cf=f"{{percent}}{wording[0]}{first}{wording[1]}{second}{wording[2]}{{lift}}{{confidence}}")
    template = documents.cf_template(templates)
    pairs = cf.DirectedPairs(*(np.array([x]) for x in (a, b, confidence, lift)))
    made = cf.documents(w, template, pairs)
    order = [b, a] if template.items == ("item_b", "item_a") else [a, b]
    assert made.tokens[0].tolist() == whole(w, cf.render(template, pairs)[0], order)


@each_tokenizer
@settings(max_examples=60, deadline=None)
@given(
    items, st.sampled_from(["", " ", ", ", ",", "; ", " | ", "\n", "\n\n", " → ", "  ", "0", "'s "]) | literal, literal, literal
)
def test_histories_equal_encoding_the_text(kind: str, met: list[int], separator: str, before: str, after: str) -> None:
    w = copy.copy(writer(kind))
    w.context = 4096
    w.form = Form("paper", Templates(uih=before + "{items}" + after, uih_separator=separator))
    made = uih.documents(uih.parts(w, 8), [np.array(met)])
    pieces = (before, *[separator] * (len(met) - 1), after)
    assert made.tokens[0].tolist() == whole(w, pieces, met)
    assert uih.text(w.form, [item_surface(w.codes[i]) for i in met]) == w.text(pieces, met)


@each_tokenizer
def test_the_papers_wording_passes_the_builds_own_check(kind: str) -> None:
    for name, pieces in (("cf", ("A user met ", ", ", ".")), ("uih_separator", ("", ", ", ""))):
        documents.check_assembly(writer(kind), name, pieces, (1, 2))


def test_a_tokenizer_for_which_a_separator_merges_is_refused() -> None:
    """SentencePiece's way: a blank is put before the first piece of text only, so ", " alone isn't ", " between items."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=200, show_progress=False))
    ids, eos = bpe.finish(tokenizer, N_LATENTS)
    joining = Writer(tokenizer, ids, np.zeros((3, 2), np.int64), eos, 128, PAPER)
    with pytest.raises(PreceptorError, match=r"(?s)in parts and whole.*uih_separator.*byte-level") as caught:
        documents.check_assembly(joining, "uih_separator", ("", ", ", ""), (1, 2))
    assert "<RECTOKEN>" in str(caught.value)


def test_a_separator_that_is_a_token_of_the_tokenizer_is_refused() -> None:
    """GPT-NeoX has added tokens for runs of blanks: text encoded whole yields them, text that may yield none doesn't."""
    tokenizer = ladder()
    tokenizer.add_tokens([AddedToken("  ", normalized=False)])
    ids, eos = bpe.finish(tokenizer, N_LATENTS)
    w = Writer(tokenizer, ids, np.zeros((3, 2), np.int64), eos, 128, PAPER)
    with pytest.raises(PreceptorError, match=r"(?s)spells a token.*templates\.uih.*'  '"):
        documents.check_assembly(w, "uih", ("A user  met ", ""), (1,))


def hostile(kind: str) -> st.SearchStrategy[str]:
    parts = [*added_tokens(writer(kind)), HOSTILE, "\u202e", "\u2066", "\x00", "\x1b[31m", "<REC", "TOKEN>", "REC", "0001"]
    parts += ["{item}", "[", "]", " ", "\n", "&lt;RECTOKEN&gt;", "＜RECTOKEN＞", "<\u200bRECTOKEN>"]
    return st.lists(st.one_of(st.sampled_from(parts), st.text(max_size=20)), min_size=1, max_size=12).map("".join).filter(bool)


def added(w: Writer, tokens: np.ndarray) -> list[int]:
    return tokens[np.isin(tokens, list(w.tokenizer.get_added_tokens_decoder()))].tolist()


@each_tokenizer
@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_added_token_comes_out_of_a_field(kind: str, data: st.DataObject) -> None:
    w = writer(kind)
    names = ("title", "brand", "categories", "description")
    found = {name: data.draw(hostile(kind)) for name in names}
    templates = Templates(item_text="{item} {title}{brand}{categories}{description}")
    pieces = documents.item_template(templates, "codes-to-text").render(found)
    assert pieces is not None
    tokens = w.write([pieces], np.array([[5]]), (CODES_A,)).tokens[0]
    assert added(w, tokens) == [*w.item_tokens[5].tolist(), w.eos]
    assert tokens[-1] == w.eos


@each_tokenizer
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_no_added_token_comes_out_of_general_text(kind: str, data: st.DataObject) -> None:
    w = writer(kind)
    _, made = documents.pieces(w, [data.draw(hostile(kind)) for _ in range(3)], 64)
    assert added(w, made.tokens.flat) == [w.eos] * len(made)


@each_tokenizer
def test_a_huge_hostile_title_is_one_short_document(kind: str) -> None:
    w = writer(kind)
    title = ("\u202e\x00" + HOSTILE + "".join(added_tokens(w))) * 1000
    assert len(title) > 100_000
    row = tiny_split().train.items[:1].with_columns(pl.lit(title).alias("title"), pl.lit(None).alias("brand"))
    found = documents.item_fields(row, CurriculumConfig())
    made, _ = documents.item_documents(w, documents.item_template(Templates(), "codes-to-text"), found, np.arange(1))
    assert added(w, made.tokens[0]) == [*w.item_tokens[0].tolist(), w.eos]
    assert made.tokens.lengths[0] <= w.context
    assert (made.span == TEXT).sum() > 50


@pytest.mark.skipif(not GIVEN, reason="PRECEPTOR_TOKENIZERS names no tokenizer (vocabularies.py says how to get SmolLM2's)")
@pytest.mark.parametrize("name", GIVEN)
def test_a_curriculum_of_a_real_tokenizer_is_its_encoding(name: str, build: Callable[..., Artifact]) -> None:
    """Every document of the finite sources, and whole histories of the endless one, decoded and encoded again."""
    directions = ("codes-to-text", "text-to-codes")
    config = replace(CONFIG, tokenizer=GIVEN[name], context=512, block_tokens=512, item_text_directions=directions)
    made = build(config)
    stream, tokenizer = Stream.open(made.path), Tokenizer.from_file(str(made.file("tokenizer/tokenizer.json")))
    documents_of = {}
    for kind in ("item-text", "cf"):
        tokens, offsets = (made.array(f"sources/{kind}_{part}") for part in ("tokens", "offsets"))
        documents_of[kind] = [tokens[a:b].tolist() for a, b in itertools.pairwise(offsets)]
    blocks = [stream.block(b) for b in range(60) if stream.sources[stream.source(b)] == "uih"]
    whole_documents = [d for block in blocks for d in np.split(block, np.flatnonzero(block == stream.eos) + 1)[:-1]]
    documents_of["uih"] = [d.tolist() for d in whole_documents]
    for kind, rows in documents_of.items():
        texts = tokenizer.decode_batch(rows, skip_special_tokens=False)
        again = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
        assert again == rows, kind
        assert len(rows) > 20
