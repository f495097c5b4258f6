"""Histories are understood as a person means them, or refused with what was probably meant."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.errors import PreceptorError
from preceptor.recommend.history import Catalogue, entries, near, printable, resolve

TITLES = [
    "Toy Story (1995)",
    "Heat (1995)",
    "Matrix, The (1999)",
    "Body Snatchers (1993)",
    "Body Snatchers (1993)",
    "Shanghai Triad (Yao a yao) (1995)",
    "187 (1997)",
    "Twelve; or so",
    "Toy Story 2 (1999)",
    "Heat",
    "Bad \x1b[2J\u202e title",
    "Held Out (2000)",
]
HELD_OUT = np.arange(len(TITLES)) == 11
CATALOGUE = Catalogue([str(i) for i in range(187, 187 + len(TITLES))], TITLES, HELD_OUT)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ("Toy Story (1995)", [0]),
        ("  toy   STORY ;; matrix, the (1999)", [0, 2]),
        ("The Matrix; Matrix, The; the matrix", [2, 2, 2]),
        ("shanghai triad; Shanghai Triad (Yao a yao)", [5, 5]),
        ("Heat; Heat (1995)", [9, 1]),  # the whole title before the shortened one
        ("188; id:189", [1, 2]),
        ("id:187", [0]),
        ("187 (1997)", [6]),
        ("Toy Story", [0]),
        (["Twelve; or so", 190, "id:191"], [7, 3, 4]),
        ([np.int64(188)], [1]),
    ],
)
def test_titles_and_ids_are_found(history: str | list[str | int], expected: list[int]) -> None:
    assert resolve(history, CATALOGUE) == expected


def test_history_from_a_file_has_one_entry_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history.txt"
    path.write_text("\ufeffToy Story\n\nTwelve; or so\r\nid:188\n", encoding="utf-8")
    assert resolve(path, CATALOGUE) == resolve(str(path), CATALOGUE) == [0, 7, 1]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00bad", None])
def test_unreadable_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "history.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PreceptorError, match=r"(?s)file can't be read.*history\.txt"):
        entries(path)


@pytest.mark.parametrize("history", ["", " ; ;", [], [" "]])
def test_empty_history_is_refused(history: str | list[str | int]) -> None:
    with pytest.raises(PreceptorError, match="history is empty"):
        entries(history)


def test_unknown_titles_are_refused_together_and_near_ones_offered() -> None:
    with pytest.raises(PreceptorError) as caught:
        resolve("toy stroy; Heat; snatchers; qqqqqq", CATALOGUE)
    said = str(caught.value)
    assert "'toy stroy', 'snatchers', 'qqqqqq'" in said
    assert "Toy Story (1995) [id:187]" in said.partition("'toy stroy':")[2].splitlines()[0]
    assert "Body Snatchers (1993) [id:190], Body Snatchers (1993) [id:191]" in said
    assert "'qqqqqq':" not in said


def test_near_titles_are_found_among_many() -> None:
    titles = [f"Spare part {i} of {i % 7} for {'xyz'[i % 3]}" for i in range(20_000)]
    titles[12_345] = "Heat (1995)"
    catalogue = Catalogue([str(i) for i in range(len(titles))], titles, np.zeros(len(titles), bool))
    assert near("Haet", catalogue)[0] == near("haet (1995)", catalogue)[0] == 12_345


def test_ambiguous_titles_are_listed_with_their_ids() -> None:
    with pytest.raises(PreceptorError, match=r"several items(.|\n)*id:190\](.|\n)*id:191\](.|\n)*write id:190"):
        resolve("body snatchers", CATALOGUE)
    with pytest.raises(PreceptorError, match="several items"):  # an id and a title at once
        resolve("187", CATALOGUE)


def test_held_out_items_are_refused_by_name() -> None:
    with pytest.raises(PreceptorError, match=r"held-out items(.|\n)*Held Out \(2000\) \[id:198\](.|\n)*held_out_share=0"):
        resolve("Heat; held out", CATALOGUE)


def test_items_whose_token_was_never_trained_are_refused_by_name() -> None:
    untrained = np.arange(len(TITLES)) == 2
    with pytest.raises(PreceptorError, match=r"never met(.|\n)*Matrix, The \(1999\) \[id:189\](.|\n)*representation=codes"):
        resolve("Heat; the matrix", dataclasses.replace(CATALOGUE, untrained=untrained))


def test_titles_in_errors_are_printable() -> None:
    for history in ("bad title", "bad \x1b[2J", "id:\x07"):
        with pytest.raises(PreceptorError) as caught:
            resolve(history, CATALOGUE)
        assert all(c.isprintable() or c == "\n" for c in str(caught.value))


@given(st.text(max_size=200))
def test_no_text_breaks_out_of_its_line_or_breaks_the_search(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= 100
    assert len(near(text, CATALOGUE)) <= 4
