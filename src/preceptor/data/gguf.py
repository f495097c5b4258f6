"""Reads GGUF files, version 2 and 3: settings, and tensors of the types that small models are quantised to.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A file is read, never run. Tensors are de-quantised to
float32: F32, F16, Q8_0 (blocks of 32: a scale d and 32 int8 q, x = d·q) and Q4_1 (a scale d, a least value m and 32 q of four
bits, x = d·q + m; the low halves of the bytes are the first sixteen).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PreceptorError

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
_BLOCK = 32  # numbers of a block
_MANY = 1 << 24  # more names, settings or entries than this, and the file is damaged


@dataclass(frozen=True)
class GGUF:
    """A file's settings by name, and where each tensor is: its shape (the last axis runs fastest), type and place."""

    path: Path
    settings: Mapping[str, Any]
    places: Mapping[str, tuple[tuple[int, ...], int, int]]

    def tensor(self, name: str) -> np.ndarray:
        """A tensor, float32. Raises PreceptorError where it isn't there, is cut short, or has a type that isn't read."""
        if name not in self.places:
            raise _damaged(self.path, f"no tensor {name}")
        shape, kind, at = self.places[name]
        if kind not in _KINDS:
            raise PreceptorError(
                "This quantisation isn't read",
                where=f"{self.path}, tensor {name}",
                found=f"type {kind}",
                expected="F32, F16, Q8_0 or Q4_1",
            )
        block, size, plain = _KINDS[kind]
        if shape[-1] % block:
            raise _damaged(self.path, f"tensor {name} has rows of {shape[-1]} numbers in blocks of {block}")
        wanted = math.prod(shape) // block * size
        with open(self.path, "rb") as f:
            f.seek(at)
            raw = f.read(wanted)
        if len(raw) != wanted:
            raise _damaged(self.path, f"{len(raw)} of {wanted} bytes of tensor {name}")
        return plain(np.frombuffer(raw, np.uint8)).reshape(shape)


def read(path: Path) -> GGUF:
    """Read the settings and the list of tensors. Raises PreceptorError where the file is no whole GGUF file."""
    with open(path, "rb") as f:
        reader = _Reader(path, f.read)
        magic, version = reader.bytes(4), reader.number("I")
        if magic != b"GGUF" or version not in (2, 3):
            raise _damaged(path, f"it begins with {magic!r}, version {version}")
        n_tensors, n_settings = reader.count(), reader.count()
        settings = {}
        for _ in range(n_settings):
            name = reader.text()
            settings[name] = reader.value(reader.number("I"))
        found = []
        for _ in range(n_tensors):
            name = reader.text()
            shape = tuple(reader.number("Q") for _ in range(reader.number("I")))[::-1]
            found.append((name, shape, reader.number("I"), reader.number("Q")))
        unit = int(settings.get("general.alignment", 32))
        start = -(-f.tell() // unit) * unit
    return GGUF(path, settings, {name: (shape, kind, start + at) for name, shape, kind, at in found})


class _Reader:
    """Reads values one after the other; a file that ends too soon is an error that names it."""

    def __init__(self, path: Path, read: Callable[[int], bytes]) -> None:
        self._path, self._read = path, read

    def bytes(self, n: int) -> bytes:
        found = self._read(n)
        if len(found) != n:
            raise _damaged(self._path, "it ends too soon")
        return found

    def number(self, kind: str) -> Any:
        return struct.unpack("<" + kind, self.bytes(struct.calcsize("<" + kind)))[0]

    def count(self) -> int:
        n = int(self.number("Q"))
        if n > _MANY:
            raise _damaged(self._path, f"a count of {n}")
        return n

    def text(self) -> str:
        return self.bytes(self.count()).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self.text()
        if kind == _LIST:
            inner = self.number("I")
            n = self.count()
            if inner in _SCALARS:
                code = f"<{n}{_SCALARS[inner]}"
                return list(struct.unpack(code, self.bytes(struct.calcsize(code))))
            return [self.value(inner) for _ in range(n)]
        if kind not in _SCALARS:
            raise _damaged(self._path, f"a value of type {kind}")
        return self.number(_SCALARS[kind])


def _q8_0(raw: np.ndarray) -> np.ndarray:
    blocks = raw.reshape(-1, 34)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    return scale * blocks[:, 2:].copy().view(np.int8).astype(np.float32)


def _q4_1(raw: np.ndarray) -> np.ndarray:
    blocks = raw.reshape(-1, 20)
    scale, least = (blocks[:, a : a + 2].copy().view(np.float16).astype(np.float32) for a in (0, 2))
    q = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return scale * q.astype(np.float32) + least


def _f32(raw: np.ndarray) -> np.ndarray:
    return raw.view(np.float32)


def _f16(raw: np.ndarray) -> np.ndarray:
    return raw.view(np.float16).astype(np.float32)


_KINDS: Mapping[int, tuple[int, int, Callable[[np.ndarray], np.ndarray]]] = {  # type: numbers and bytes of a block
    0: (1, 4, _f32),
    1: (1, 2, _f16),
    3: (_BLOCK, 20, _q4_1),
    8: (_BLOCK, 34, _q8_0),
}


def _damaged(path: Path, found: str) -> PreceptorError:
    return PreceptorError("This is no whole GGUF file", where=path, found=found, remedy="fetch it again")
