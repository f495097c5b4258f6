"""How a text table is written: encoding, separator, and whether its first line holds names. Looked at, and said.

Only what the study leaves open is sniffed: `data.encoding` and `data.separator` go before it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from pathlib import Path
from typing import IO

from preceptor.data.aliases import ALIASES, plain

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
UNREADABLE = (OSError, EOFError, ValueError, LookupError, zlib.error)
_BLOCK = 1 << 20
_LINES = 20
_NOT_CP1252 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
_KNOWN = {plain(alias) for aliases in ALIASES.values() for alias in aliases}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def encoding(file: Path) -> str:
    """ascii, utf-8, utf-16 (with a mark), utf-16-le, utf-16-be, or cp1252 (latin-1 where even that can't be).

    Text that is UTF-8 from end to end is UTF-8. Reads the whole file, a block at a time. A file that can't be unpacked is
    called utf-8: whoever reads it says what is wrong. So is one packed by zstd, which isn't looked into.
    """
    if file.suffix == ".zst":
        return "utf-8"
    try:
        with _open(file) as f:
            first = f.read(_BLOCK)
            for mark, name in _MARKS:
                if first.startswith(mark):
                    return name
            if (guess := _wide(first)) is not None:
                return guess
            utf8 = codecs.getincrementaldecoder("utf-8")()
            is_ascii = is_utf8 = is_western = True
            block = first
            while block:
                is_ascii = is_ascii and block.isascii()
                is_western = is_western and not any(byte in block for byte in _NOT_CP1252)
                following = f.read(_BLOCK)
                try:
                    is_utf8 = is_utf8 and utf8.decode(block, final=not following) is not None
                except UnicodeDecodeError:
                    is_utf8 = False
                block = following
    except UNREADABLE:
        return "utf-8"
    return "ascii" if is_ascii else "utf-8" if is_utf8 else "cp1252" if is_western else "latin-1"


def separator(file: Path, text_encoding: str, usual: str) -> str:
    """The separator of a text table: the usual one where its header has it, else the one that cuts the first lines alike."""
    lines = head(file, text_encoding)
    if not lines or usual in lines[0]:
        return usual
    for other in SEPARATORS:
        widths = {len(fields) for fields in csv.reader(lines, delimiter=other)}
        if len(widths) == 1 and widths != {1}:
            return other
    return usual


def is_headless(names: list[str]) -> bool:
    """Whether a header looks like a row: none of its names is known, and one of them is a number or a date."""
    if any(plain(name) in _KNOWN for name in names):
        return False
    return any(name.strip()[:1].isdigit() and any(c.isdigit() for c in name[-3:]) for name in names)


def head(file: Path, text_encoding: str) -> list[str]:
    """The first lines of a text file, without their ends; none where it can't be read."""
    try:
        with _open(file) as f:
            text = f.read(1 << 16).decode(text_encoding, errors="replace")
    except UNREADABLE:
        return []
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    return lines[:_LINES]


def _open(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.suffix == ".gz" else open(file, "rb")  # type: ignore[return-value]


def _wide(block: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of western text is 0."""
    sample = block[:4096]
    if len(sample) < 4:
        return None
    even, odd = sample[::2].count(0) / (len(sample) / 2), sample[1::2].count(0) / (len(sample) / 2)
    if odd > 0.7 and even < 0.1:
        return "utf-16-le"
    if even > 0.7 and odd < 0.1:
        return "utf-16-be"
    return None
