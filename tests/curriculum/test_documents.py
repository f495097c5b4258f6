"""Documents mark their spans, fit the context, and say what catalogue and graph say. Their tokens: test_assembly."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curriculum.vocabularies import CONTEXT, writer
from fixtures import tiny_split
from preceptor.core.errors import PreceptorError
from preceptor.curriculum import cf, documents
from preceptor.curriculum.config import CurriculumConfig, Templates
from preceptor.curriculum.documents import CODES_A, CODES_B, NUMBERS, TEXT


def test_cf_spans_mark_what_they_name() -> None:
    w, template = writer(), documents.cf_template(Templates())
    pairs = cf.DirectedPairs(np.array([3]), np.array([7]), np.array([0.049]), np.array([652.45]))
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
    made = cf.documents(writer(), template, cf.DirectedPairs(*(np.array([x]) for x in (3, 7, 0.5, 2.0))))
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
    pairs, counts = np.stack([np.arange(50), np.arange(50, 100)], 1), (rng.integers(5, 20, 50), np.full(100, 30), 200)
    lift = cf.lift(pairs, *counts)
    assert lift.tolist() == cf.directed(pairs, *counts).lift[:50].tolist()
    assert len(cf.choose(pairs, lift, 100, "random", 0, "x")) == 50
    chosen = cf.choose(pairs, lift, 10, "random", 0, "x")
    assert len(chosen) == 10
    assert chosen.tolist() == cf.choose(pairs, lift, 10, "random", 0, "x").tolist()
    assert chosen.tolist() != cf.choose(pairs, lift, 10, "random", 1, "x").tolist()
    best = cf.choose(pairs, lift, 10, "lift", 0, "x")
    assert lift[best].min() >= np.sort(lift)[-10]
    least = float(np.median(lift))
    assert (lift[cf.choose(pairs, lift, 10, "random", 0, "x", least)] >= least).all()
    assert len(cf.choose(pairs, lift, 50, "random", 0, "x", least)) == (lift >= least).sum()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(10, 19)), min_size=8, max_size=40, unique=True), st.integers(0, 99))
def test_the_control_keeps_everything_but_the_match(rows: list[tuple[int, int]], seed: int) -> None:
    table = np.array(rows)
    pairs = cf.DirectedPairs(table[:, 0], table[:, 1], np.arange(len(rows)) / 100, np.ones(len(rows)))
    control = cf.permuted_b(pairs, table, seed)
    kept = np.round(control.confidence * 100).astype(int)
    assert np.array_equal(control.a, pairs.a[kept])
    assert not {(int(a), int(b)) for a, b in zip(control.a, control.b, strict=True)} & set(rows)
    assert not set(control.b) - set(pairs.b)


def test_the_control_exchanges_every_b_where_pairs_are_few() -> None:
    rng = np.random.default_rng(0)
    table = np.unique(np.stack([rng.integers(0, 50, 100), rng.integers(50, 100, 100)], 1), axis=0)
    pairs = cf.DirectedPairs(table[:, 0], table[:, 1], np.zeros(len(table)), np.ones(len(table)))
    control = cf.permuted_b(pairs, table, seed=0)
    assert np.array_equal(control.a, pairs.a)
    assert sorted(control.b) == sorted(pairs.b)
