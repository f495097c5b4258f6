"""Templates drop clauses with missing fields and refuse what can't be rendered; fields are made fit for one line."""

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


def test_markup_goes_from_descriptions() -> None:
    html = "<p>Big &amp; <b>red</b></p><script>alert('x')</script><!-- y --> a < b"
    assert clean(html, 100, markup=True) == "Big & red a < b"


def test_a_long_field_is_cut_at_a_space() -> None:
    assert clean("abcde fghij klmno", 13) == "abcde fghij"
    assert clean("x" * 100_000, 50) == "x" * 50


@pytest.mark.parametrize("text", [None, "", " \n\t ", "\x00\x07", "\u202e"])
def test_nothing_left_is_none(text: str | None) -> None:
    assert clean(text, 10) is None
