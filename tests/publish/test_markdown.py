"""Text that isn't ours can't act in a card."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.publish import markdown

HOSTILE = [
    "x\n---\nlicense: mit\n---\n# forged",
    "```\n# out of the block",
    "`````",
    "<script>alert(1)</script>",
    "[click](https://example.org)",
    "| a | b |",
    "a\r\nb\u2028c\x85d\x00",
    "../../etc/passwd",
    "\u202eevil",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_front_matter_holds_the_text_as_a_value_and_nothing_else(text: str) -> None:
    block = markdown.front_matter({"pretty_name": text, "tags": [text]})
    assert [line for line in block.splitlines() if line.startswith("---")] == ["---", "---"]
    read = yaml.safe_load(block.strip().strip("-"))
    assert set(read) == {"pretty_name", "tags"}
    assert "\n" not in read["pretty_name"]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_a_block_of_code_has_one_line_and_cannot_be_left(text: str) -> None:
    lines = markdown.fenced(text).split("\n")
    assert len(lines) == 3
    assert lines[0].removesuffix("text") == lines[2]
    assert lines[2] not in lines[1]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_plain_text_has_no_character_that_markdown_would_take_for_markup(text: str) -> None:
    shown = markdown.plain(text)
    assert "\n" not in shown
    bare = re.sub(r"\\.", "", shown)
    assert not set(bare) & set("`*_[]<>|#")
    assert "&lt;" in shown or "<" not in text


def test_a_table_row_keeps_its_columns() -> None:
    made = markdown.table(["name", "n"], [[markdown.plain("a | b"), "1"]])
    assert made.splitlines()[2].replace("\\|", "").count("|") == 3
