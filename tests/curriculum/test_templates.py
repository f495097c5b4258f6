"""Templates drop clauses with missing fields and refuse what can't be rendered; fields are made fit for one line."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.curriculum.config import Templates
from preceptor.curriculum.templates import clean, parse

FIELDS = ("title", "brand", "categories")


def rendered(**fields: str) -> tuple[str, ...] | None:
    return parse(Templates().item_text, "item_text", FIELDS, ("item",)).render(fields)


def test_the_papers_template() -> None:
    assert rendered(title="Pan", brand="Orrin", categories="Home › Kitchen › Pan") == (
        "This item ",
        " is described as Pan, by Orrin in Home › Kitchen › Pan.",
    )


def test_a_missing_field_drops_its_clause() -> None:
    assert rendered(title="Pan", categories="Home") == ("This item ", " is described as Pan in Home.")
    assert rendered(title="Pan", brand="") == ("This item ", " is described as Pan.")


def test_a_missing_needed_field_gives_no_document() -> None:
    assert rendered(brand="Orrin") is None


def test_a_field_that_looks_like_a_template_stays_text() -> None:
    assert rendered(title="{brand} [x] {item} {{") == ("This item ", " is described as {brand} [x] {item} {{.")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{item} {titel}", "fields among"),
        ("{title}", "exactly once"),
        ("{item} {item}", "exactly once"),
        ("{title}[ of {item}]", "exactly once"),
        ("{item} [{title}", "square brackets"),
        ("{item} {title}]", "square brackets"),
        ("{item} [[{title}]]", "square brackets"),
        ("{item} {title!r}", "plain fields"),
        ("{item} {title:>10}", "plain fields"),
        ("{item} {title", "balanced braces"),
        ("{item} {}", "fields among"),
    ],
)
def test_bad_templates_are_refused_by_name(template: str, expected: str) -> None:
    with pytest.raises(PreceptorError, match="item_text") as error:
        parse(template, "item_text", FIELDS, ("item",))
    assert expected in str(error.value)


@given(st.text(max_size=400), st.integers(1, 60), st.booleans())
def test_cleaned_fields_are_one_bounded_line(text: str, limit: int, markup: bool) -> None:
    cleaned = clean(text, limit, markup)
    if cleaned is not None:
        assert 0 < len(cleaned) <= limit
        assert cleaned == cleaned.strip()
        assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned)
        assert not set(cleaned) & set("\u202e\u202d\u2066\u2069\u200f")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<p>Big &amp; <b>R</b>ed</p><script>alert('x')</script><!-- y --> a < b", "Big & Red a < b"),
        ("<ul><li>One<li>Two</ul>Three<br/>Four<BR>five", "One Two Three Four five"),
        ("uses <2W, 3 < 4 > 1", "uses <2W, 3 < 4 > 1"),
        ('Marks-A-Lot<sup></sup> Jumbo 2/3" Marker', 'Marks-A-Lot Jumbo 2/3" Marker'),
        ("A pen. <!-- .headerM {color:#000000;font-size:24px;} .sub {margin:0 } -->", "A pen."),
        ("A pen. <!-- .headerM {color:#000000;", "A pen."),
        ("<style>" + "p {margin: 0} " * 4000 + "</style>A pen.", "A pen."),
        ("<script type='a>b'>x</script><a title=\"x > y\" href='z'>A</a> pen<img alt=x>", "A pen"),
        ("<?xml version='1'?><!DOCTYPE html><o:p>A pen</o:p>", "A pen"),
        ("&lt;p&gt;AT&amp;amp;T &#233;t&#xE9; 5&quot;&nbsp;x&lt;/p&gt;", 'AT&T été 5" x'),
        ("Pens&notes R&D &foo; &notit; a&copy=1", "Pens&notes R&D &foo; &notit; a&copy=1"),
        ("A &#x202e;pen&#0;&#27;", "A pen\ufffd"),
    ],
)
def test_descriptions_read_as_a_browser_shows_them(raw: str, shown: str) -> None:
    """Most of these stand in descriptions of amazon-office-2018 or are what shops' exports make of them."""
    assert clean(raw, 300, markup=True) == shown


def test_titles_keep_their_brackets_but_not_their_entities() -> None:
    assert clean("Tom &amp; Jerry <b>&ndash; 8.5&rdquo; &lt;|endoftext|&gt;", 300) == "Tom & Jerry <b>– 8.5” <|endoftext|>"


def test_a_tag_cut_in_two_by_the_limit_goes() -> None:
    assert clean("pen " + "x" * 1990 + '<img src="' + "y" * 500, 10, markup=True) == "pen xxxxxx"
    assert clean("<img " * 10 + "<a b" * 1000, 10, markup=True) is not None


@pytest.mark.parametrize("piece", ["<", '<a "', "<script>", "<!--", "<a 'b", "&lt;", "</", "<a b='c' "])
def test_cleaning_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    clean(piece * 50_000, 600, markup=True)
    assert time.process_time() - started < 2, "a quadratic pattern takes minutes"


def test_a_long_field_is_cut_at_a_space() -> None:
    assert clean("abcde fghij klmno", 13) == "abcde fghij"
    assert clean("x" * 100_000, 50) == "x" * 50


@pytest.mark.parametrize("text", [None, "", " \n\t ", "\x00\x07", "\u202e"])
def test_nothing_left_is_none(text: str | None) -> None:
    assert clean(text, 10) is None
