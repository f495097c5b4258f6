import base64
import csv
import io
import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from preceptor.report.html import Html, escape, h, join, raw, table


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs"])))
def test_no_text_becomes_markup(text: str) -> None:
    reader = Reader()
    reader.feed(h("p", text, title=text))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.text == text
    assert reader.attributes == [("title", text)]


def test_markup_is_kept_and_text_beside_it_escaped() -> None:
    assert h("p", "a<b", h("b", "&"), raw("<i>x</i>")) == "<p>a&lt;b<b>&amp;</b><i>x</i></p>"
    assert isinstance(h("p"), Html)


def test_none_is_left_out_and_iterables_are_flattened() -> None:
    assert join([None, ["a", ("b", None)], (c for c in "cd"), 3]) == "abcd3"
    assert h("p", "x", title=None, cls="y") == '<p class="y">x</p>'


def test_direction_overrides_and_controls_are_shown_as_boxes() -> None:
    assert escape("a\u202eb\x00c\u2066") == "a\ufffdb\ufffdc\ufffd"
    assert escape("می\u200cخواهم\n") == "می\u200cخواهم\n"


def test_a_table_scrolls_in_its_own_box_and_names_its_headers() -> None:
    made = table(["Arm", "n"], [["<b>", "1"]], "Cap")
    assert made.startswith('<div class="scroll"')
    assert '<th scope="row">&lt;b&gt;</th><td class="n">1</td>' in made
    assert "<caption><span>Cap</span></caption>" in made


def test_a_table_is_saved_as_csv_with_its_text_and_no_formulas() -> None:
    rows = [["=1+1", h("b", "bold <x>")], ["+5", "a,b"], ["@run", join(["two ", h("small", "parts")])]]
    found = table(["name", "value"], rows, "A caption: 100 %")
    link = re.search(r'href="data:text/csv;base64,([^"]+)" download="([^"]+)"', found)
    assert link is not None
    assert link[2] == "a-caption-100.csv"
    saved = base64.b64decode(link[1]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(saved))) == [
        ["name", "value"], ["'=1+1", "bold <x>"], ["+5", "a,b"], ["'@run", "two parts"],
    ]  # fmt: skip
