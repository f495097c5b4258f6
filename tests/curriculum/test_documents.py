"""Assembled tokens equal encoding the text; no added token comes out of a field; documents fit the context."""

from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers

from fixtures import HOSTILE, tiny_split
from preceptor.codes.vocabulary import END, EOS, START
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import bpe, cf, documents
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.documents import CODES_A, CODES_B, NUMBERS, TEXT, Writer

N_LATENTS, CONTEXT = 32, 128
CORPUS = [
    f"This item is described as {w} thing, by Orrin in Home › {w.title()}. 12.5% (lift: 3.40)"
    for w in ("pan", "kettle", "violin", "tent", "spade", "drum", "lamp", "brush", "canvas", "pump")
] * 20


def ladder() -> Tokenizer:
    return bpe.train(CORPUS, 400)


def gpt2_like() -> Tokenizer:
    """As SmolLM2's: digits apart, then GPT-2's words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=350, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    )
    return tokenizer


def qwen_like() -> Tokenizer:
    """NFC first, special tokens of its own, one of them (<think>) added but not special."""
    tokenizer = bpe.train(CORPUS, 380)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens([EOS, "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    return tokenizer


@cache
def writer(kind: str = "ladder", n_codes: int = 3) -> Writer:
    tokenizer = {"ladder": ladder, "gpt2": gpt2_like, "qwen": qwen_like}[kind]()
    ids, eos = bpe.finish(tokenizer, N_LATENTS)
    codes = np.random.default_rng(0).integers(0, N_LATENTS, (40, n_codes))
    return Writer(tokenizer, ids, codes, eos, CONTEXT)


KINDS = ("ladder", "gpt2", "qwen")
ADDED = (EOS, START, END, "REC0001", "<|im_start|>", "<think>")
hostile = (
    st.lists(
        st.one_of(
            st.sampled_from(
                [*ADDED, HOSTILE, "\u202e", "\x00", "\x1b[31m", "<REC", "TOKEN>", "REC", "0001", "{item}", "[", "]", " "]
            ),
            st.text(max_size=20),
        ),
        min_size=1,
        max_size=12,
    )
    .map("".join)
    .filter(bool)
)
benign = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda t: t.strip() and "<" not in t and "REC" not in t
)


def whole(w: Writer, pieces: tuple[str, ...], items: list[int]) -> list[int]:
    return w.tokenizer.encode(w.text(pieces, items), add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(
    title=benign,
    brand=st.none() | benign,
    item=st.integers(0, 39),
    direction=st.sampled_from(["codes-to-text", "text-to-codes"]),
)
def test_item_text_equals_encoding_the_text(kind: str, title: str, brand: str | None, item: int, direction: str) -> None:
    w = writer(kind)
    template = documents.item_template(Templates(), direction)
    pieces = template.render({"title": title, "brand": brand, "categories": "Home › Pan"})
    assert pieces is not None
    assert w.write([pieces], np.array([[item]]), (CODES_A,)).tokens[0].tolist() == [*whole(w, pieces, [item]), w.eos]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(a=st.integers(0, 39), b=st.integers(0, 39), confidence=st.floats(0.0005, 1), lift=st.floats(0.001, 1e5))
def test_cf_equals_encoding_the_text(kind: str, a: int, b: int, confidence: float, lift: float) -> None:
    w, template = writer(kind), documents.cf_template(Templates())
    pairs = cf.Pairs(*(np.array([x]) for x in (a, b, confidence, lift)))
    made = cf.documents(w, template, pairs)
    assert made.tokens[0].tolist() == [*whole(w, cf.render(template, pairs)[0], [a, b]), w.eos]


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_tokenizer_is_checked_for_assembly(kind: str) -> None:
    documents.check_assembly(writer(kind), [("A user met ", ", ", ".")], np.array([[1, 2]]))


def test_a_tokenizer_that_joins_text_is_refused() -> None:
    tokenizer = ladder()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    ids, eos = bpe.finish(tokenizer, N_LATENTS)
    joined = Writer(tokenizer, ids, np.zeros((3, 2), np.int64), eos, CONTEXT)
    joined.encode = lambda texts: [tokenizer.encode("x" + t, add_special_tokens=False).ids[1:] for t in texts]  # type: ignore
    with pytest.raises(PreceptorError, match="in parts and whole"):
        documents.check_assembly(joined, [("A user met ", ", ", ".")], np.array([[1, 2]]))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(title=hostile, brand=st.none() | hostile)
def test_no_added_token_comes_out_of_a_field(kind: str, title: str, brand: str | None) -> None:
    w = writer(kind)
    pieces = documents.item_template(Templates(), "codes-to-text").render({"title": title, "brand": brand})
    assert pieces is not None
    tokens = w.write([pieces], np.array([[5]]), (CODES_A,)).tokens[0]
    added = np.isin(tokens, list(w.tokenizer.get_added_tokens_decoder()))
    assert tokens[added].tolist() == [*w.item_tokens[5].tolist(), w.eos]
    assert added[-1]


def test_cf_spans_mark_what_they_name() -> None:
    w, template = writer(), documents.cf_template(Templates())
    pairs = cf.Pairs(np.array([3]), np.array([7]), np.array([0.049]), np.array([652.45]))
    made = cf.documents(w, template, pairs)
    text = w.text(cf.render(template, pairs)[0], [3, 7])
    assert "a 4.9% probability" in text
    assert text.endswith("(confidence: 0.049, lift: 652.45)")
    tokens, span = made.tokens[0], made.span
    assert np.array_equal(tokens[span == CODES_A], w.item_tokens[3])
    assert np.array_equal(tokens[span == CODES_B], w.item_tokens[7])
    assert "".join(w.tokenizer.decode([t]) for t in tokens[span == NUMBERS]) == "49" + "0049" + "65245"
    assert "".join(w.tokenizer.decode([t]) for t in tokens[span == TEXT]).startswith("When a user interacts with item ,")


def test_cf_spans_follow_the_items_when_a_template_names_b_first() -> None:
    template = documents.cf_template(Templates(cf="{item_b} after {item_a}: {percent}%"))
    made = cf.documents(writer(), template, cf.Pairs(*(np.array([x]) for x in (3, 7, 0.5, 2.0))))
    assert np.array_equal(made.tokens[0][made.span == CODES_A], writer().item_tokens[3])
    assert made.span[0] == CODES_B


def test_the_longest_field_still_fits_the_context() -> None:
    fields = [{"title": "☃" * 90 + " end", "brand": "b" * 300, "categories": None, "description": None}, {"title": "Pan"}, {}]
    template = documents.item_template(Templates(), "codes-to-text")
    made, items = documents.item_documents(writer(), template, fields, np.arange(3))
    assert items.tolist() == [0, 1], "the third has no title"
    assert made.tokens.lengths.max() <= CONTEXT
    assert made.tokens.lengths[0] > CONTEXT // 2
    assert made.tokens.flat[made.tokens.offsets[1:] - 1].tolist() == [writer().eos] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_huge_hostile_title_is_one_short_document(kind: str) -> None:
    title = (HOSTILE + "\u202e\x00" + EOS) * 1000
    assert len(title) > 100_000
    items = tiny_split().train.items[:1].with_columns(pl.lit(title).alias("title"), pl.lit(None).alias("brand"))
    fields = documents.item_fields(items, CurriculumConfig())
    w = writer(kind)
    made, _ = documents.item_documents(w, documents.item_template(Templates(), "codes-to-text"), fields, np.arange(1))
    added = np.isin(made.tokens[0], list(w.tokenizer.get_added_tokens_decoder()))
    assert made.tokens[0][added].tolist() == [*w.item_tokens[0].tolist(), w.eos]
    assert made.tokens.lengths[0] <= CONTEXT


def test_descriptions_are_used_where_a_template_asks() -> None:
    items = tiny_split().train.items[:1].with_columns(pl.lit("<p>Fine&nbsp;steel</p>").alias("description"))
    fields = documents.item_fields(items, CurriculumConfig(description_characters=10))
    template = documents.item_template(Templates(item_text="{item}: {title}[ ({description})]"), "codes-to-text")
    assert template.render(fields[0]) == ("", f": {fields[0]['title']} (Fine steel)")


def test_a_template_longer_than_the_context_is_refused() -> None:
    template = documents.item_template(Templates(item_text="{item} " + "long " * 200 + "{title}"), "codes-to-text")
    with pytest.raises(PreceptorError, match="fit the context"):
        documents.item_documents(writer(), template, [{"title": "Pan"}], np.arange(1))


def test_fields_come_from_the_catalogue() -> None:
    items = tiny_split().train.items
    fields = documents.item_fields(items, CurriculumConfig())
    row = items.row(1, named=True)
    assert fields[1]["title"] == row["title"]
    assert fields[1]["categories"] == " › ".join(row["categories"])
    assert fields[0]["categories"] is None
    assert fields[4]["brand"] is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=300), max_size=5), st.integers(16, 60))
def test_pieces_hold_all_the_text_and_fit(texts: list[str], limit: int) -> None:
    w = writer()
    found, made = documents.pieces(w, texts, limit)
    assert [made.tokens[d].tolist() for d in range(len(made))] == [[*w.encode([p])[0], w.eos] for p in found]
    assert all(made.tokens.lengths <= limit)

    def letters(parts: list[str]) -> str:
        return "".join("".join(parts).split())

    assert letters(found) == letters(texts)


def test_directed_pairs_have_the_textbook_numbers() -> None:
    pairs = cf.directed(np.array([[0, 1]]), np.array([3]), np.array([4, 6]), 12)
    assert pairs.confidence.tolist() == [3 / 4, 3 / 6]
    assert np.allclose(pairs.lift, (3 / 12) / ((4 / 12) * (6 / 12)))


def test_choice_of_pairs_is_bounded_and_keyed() -> None:
    rng = np.random.default_rng(0)
    pairs = cf.directed(np.stack([np.arange(50), np.arange(50, 100)], 1), rng.integers(5, 20, 50), np.full(100, 30), 200)
    assert len(cf.choose(pairs, 100, "random", 0, "x")) == 50
    chosen = cf.choose(pairs, 10, "random", 0, "x")
    assert len(chosen) == 10
    assert chosen.tolist() == cf.choose(pairs, 10, "random", 0, "x").tolist()
    assert chosen.tolist() != cf.choose(pairs, 10, "random", 1, "x").tolist()
    best = cf.choose(pairs, 10, "lift", 0, "x")
    assert pairs.lift[best].min() >= np.sort(pairs.lift[:50])[-10]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 19)), min_size=8, max_size=40, unique=True), st.integers(0, 99))
def test_the_control_keeps_everything_but_the_match(rows: list[tuple[int, int]], seed: int) -> None:
    table = np.array(rows)
    pairs = cf.Pairs(table[:, 0], table[:, 1], np.arange(len(rows)) / 100, np.ones(len(rows)))
    control = cf.permuted_b(pairs, seed)
    assert sorted(control.b) == sorted(pairs.b)
    assert np.array_equal(control.a, pairs.a)
    assert np.array_equal(control.confidence, pairs.confidence)
    most = np.bincount(pairs.b).max()
    if most <= len(rows) // 4:
        assert (control.b != pairs.b).all()
