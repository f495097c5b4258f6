"""Cheap changes of bytes: what disks, editors, exports and people do to files, and what an attacker would."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from random import Random

from hostile import STRINGS, SURROGATES

LARGEST = 1 << 16
_TEXTS = (
    *STRINGS, *SURROGATES, "-70000000000", "1e400", "nan", "inf", "-inf", "9" * 400, "-0", "1_000",
    "0x1F", "99999999999999999999",
    "1600000000000", "1.6e18", "0000-00-00", "9999-12-31", "2024-02-30T25:61:61Z", "2024-01-01T00:00:00+99:99", "-1", "0", "",
    "['\\ud800']", '["\\ud800"]', '["a", 5, {"b": []}]', "['a', {[]: 1}]", "{}", "[]", "null", "true", '{"a":',
    "[" * 200, "{" * 200,
    "&a ", "*a", "<<: *a", "!!int ", "!!binary x", "? ", "---\n", "...\n", "%YAML 9.9\n", "|-\n", "{a: " * 100,
    "- " * 100, ": ", "#",
    "::", "\t", ",", ";", "|", '"', "'", "\r", "\n", "\r\n", "\n\n", "\0", "\ufeff", "é", "=", "~", ".nan", ".inf",
    "on", "1:1:1",
    "user_id", "item_id", "timestamp", "title", "categories", "params", "tokens", "loss", "run", "seed",
    "format", "files", "sha256",
)  # fmt: skip
WORDS = tuple(
    dict.fromkeys(
        [
            *(text.encode("utf-8", "surrogatepass") for text in _TEXTS),
            b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xff", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\x1f\x8b", b"PAR1",
            b"PK\3\4",
            b"(\xb5/\xfd", b"\x93NUMPY", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff",
        ]
    )
)  # fmt: skip


def mutated(content: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """One to four changes. others: contents from which a piece may come. At most LARGEST bytes, or the seed's."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.5:  # inside of what is compressed
        return gzip.compress(mutated(gzip.decompress(content), others, rng), 1, mtime=0)
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        rng.choice(_CHANGES)(made, others, rng)
    return bytes(made[: max(LARGEST, len(content))])


def _place(made: bytearray, rng: Random) -> int:
    return rng.randrange(len(made) + 1)


def _flip(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)


def _overwrite(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    at = _place(made, rng)
    made[at : at + rng.choice((1, 2, 4, 8))] = rng.randbytes(rng.choice((1, 2, 4, 8)))


def _cut(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    del made[_place(made, rng) :]


def _delete(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    at = _place(made, rng)
    del made[at : at + rng.choice((1, 1, 2, 5, 20, 100))]


def _insert(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    at = _place(made, rng)
    made[at:at] = rng.choice(WORDS)


def _replace_cell(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    """What stands between two separators becomes another word."""
    at = _place(made, rng)
    ends = [p for p in (made.find(s, at) for s in (b",", b"\n", b"\t", b" ", b":", b'"', b"]")) if p >= 0]
    end = min(ends, default=len(made))
    begin = max((made.rfind(s, 0, at) for s in (b",", b"\n", b"\t", b" ", b":", b'"', b"[")), default=-1) + 1
    made[begin:end] = rng.choice(WORDS)


def _repeat(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    at = _place(made, rng)
    piece = made[at : at + rng.choice((1, 3, 10, 60))]
    made[at:at] = bytes(piece) * rng.choice((1, 2, 10, 300))


def _splice(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    other = rng.choice(others) if others else b""
    begin = rng.randrange(len(other) + 1)
    at = _place(made, rng)
    made[at : at + rng.choice((0, 10, 100))] = other[begin : begin + rng.choice((10, 100, 1000))]


def _lines(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    """Lines change places, are lost or come twice."""
    lines = bytes(made).split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif kind == 1:
        del lines[a]
    elif kind == 2:
        lines.insert(a, lines[b])
    else:
        lines[a] = rng.choice(WORDS)
    made[:] = b"\n".join(lines)


def _recode(made: bytearray, others: Sequence[bytes], rng: Random) -> None:
    name = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8-sig", "utf-7"))
    made[:] = bytes(made).decode("utf-8", "replace").encode(name, "replace")


_CHANGES: tuple[Callable[[bytearray, Sequence[bytes], Random], None], ...] = (
    _flip, _overwrite, _cut, _delete, _insert, _insert, _replace_cell, _replace_cell, _replace_cell, _repeat, _splice, _lines,
    _recode,
)  # fmt: skip
