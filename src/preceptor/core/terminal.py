"""Makes text that isn't ours harmless to whoever reads it: on a terminal, in a line, in a message. Standard library only.

Titles, ids, file names and what libraries say of them may hold escape codes, which a terminal obeys, and marks that turn the
direction of writing. `visible` writes such characters out (`\\x1b`). Messages go through it where they are made
(`core.errors`, `core.progress`), and `guarded` puts it between a command and its terminal, so that nothing gets round it.
"""

from __future__ import annotations

import contextlib
import re
import reprlib
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

_JOINERS = "\u200c\u200d"  # which Persian, Indic words and emoji need
_SUSPECT = re.compile(r"[^\x20-\x7e]")
_MOST = 1000  # characters of a value in a message


def visible(text: str, lines: bool = False) -> str:
    """Text without a character that acts: controls, marks of direction, lone surrogates and the like are written out.

    A second pass changes nothing. lines: keep line ends and tabs.
    """
    if text.isascii() and text.isprintable():
        return text
    return _SUSPECT.sub(lambda m: _written(m[0], lines), text)


def shortened(text: str, most: int = _MOST) -> str:
    """Text of at most `most` characters; of a longer one the beginning, and how much is left out."""
    if len(text) <= most:
        return text
    end = f" … ({len(text):,} characters)"
    return text[: max(0, most - len(end))] + end


def said(value: Any, most: int = _MOST) -> str:
    """A value as one line of a message: visible and bounded, however large or nested it is."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict | list | tuple | set | frozenset | bytes | bytearray):
        text = _BRIEF.repr(value)
    elif isinstance(value, int) and value.bit_length() > 1000:
        text = f"a number of {value.bit_length():,} bits"  # whose digits take long, and Python refuses the longest
    else:
        text = str(value)
        if isinstance(value, BaseException):
            text = " ".join(text[: 4 * most].split())
    return shortened(visible(text[: 4 * most]) if len(text) > 4 * most else visible(text), most)


def put(stream: TextIO, text: str) -> None:
    """Write text to a stream; what its encoding lacks is written out rather than refused."""
    encoding = getattr(stream, "encoding", None)
    if encoding and not text.isascii():
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)


def line(*texts: object) -> None:
    """Print each text, of one line or several, to standard output."""
    _print(behind(sys.stdout), texts)


def note(*texts: object) -> None:
    """Print each text to standard error."""
    _print(behind(sys.stderr), texts)


def flush() -> None:
    """Write out what both standard streams still hold, for a process that ends without doing so by itself."""
    sys.stdout.flush()
    sys.stderr.flush()


class Guard:
    """A text stream before another one: what isn't printable is written out, and so is what the encoding lacks.

    `behind` is the stream itself, for those who made everything printable and write codes of their own.
    """

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def write(self, text: str) -> int:
        put(self.behind, visible(text, lines=True))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """No: a library that asks this would send codes, which are written out here."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class Open:
    """A text stream before another one that lets everything through, but writes out what the encoding lacks."""

    def __init__(self, behind: TextIO) -> None:
        self.behind = behind

    def write(self, text: str) -> int:
        put(self.behind, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within it, whatever is written to standard output and standard error goes through a `Guard`."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream if isinstance(stream, Guard) else Guard(stream) for stream in before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def behind(stream: Any) -> TextIO:
    """The stream itself, which lets codes through, guarded or not."""
    return stream.behind if isinstance(stream, Guard) else stream


def _print(stream: TextIO, texts: Iterable[object]) -> None:
    for text in texts:
        put(stream, visible(str(text), lines=True) + "\n")
    stream.flush()


def _written(c: str, lines: bool) -> str:
    if (lines and c in "\n\t") or c in _JOINERS or c.isprintable() or unicodedata.category(c) == "Zs":
        return c
    return c.encode("unicode_escape").decode()


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 4
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = _BRIEF.maxfrozenset = 12
_BRIEF.maxstring = _BRIEF.maxother = 120
