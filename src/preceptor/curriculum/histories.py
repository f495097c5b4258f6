"""Blocks of synthetic user histories, written straight from walks to tokens. Light: numpy, numba, core, graph.

Document k of this source's block j is walk number j·2^24 + k: drawn when it is read, never twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.disk import load_array, save_array
from preceptor.core.errors import PreceptorError
from preceptor.core.rng import purpose_key
from preceptor.curriculum.assemble import VECTOR, longest, token_table, write_walks
from preceptor.generator import histories

WALKS_A_BLOCK = 1 << 24  # a document has a token at least, so a block of as many tokens never holds more
_PARTS = ("item_tokens", "prefix", "separator", "suffix")


class HistorySource:
    """Blocks of walk documents.

    parts: item_tokens int32 [I, width], the tokens of each item; prefix, separator, suffix int32, the tokens before the first
    item, between two, and after the last (EOS included).
    """

    def __init__(self, seed: int, tables: histories.Sampler, parts: dict[str, np.ndarray], block_tokens: int) -> None:
        if block_tokens > WALKS_A_BLOCK:
            raise PreceptorError("Blocks are too long", found=f"{block_tokens} tokens", expected=f"at most {WALKS_A_BLOCK}")
        self.tables, self.block_tokens = tables, block_tokens
        self._key = purpose_key(seed, "stream/uih")
        self._tokens, self._layout = token_table(*(np.asarray(parts[name]) for name in _PARTS))
        self._room = block_tokens + longest(self._layout, tables.longest) + VECTOR

    @classmethod
    def open(cls, folder: Path, seed: int, block_tokens: int) -> HistorySource:
        """Open what `save_histories` wrote; the sampler's tables are memory-mapped."""
        parts = {name: load_array(folder / f"uih_{name}.npy") for name in _PARTS}
        return cls(seed, histories.load(folder, "uih_"), parts, block_tokens)

    def block(self, j: int) -> np.ndarray:
        """Block number j of this source, int32 [T]."""
        out = np.empty(self._room, np.int32)
        first = np.uint64(j * WALKS_A_BLOCK)
        write_walks(self.tables, self._key, first, self._tokens, self._layout, self.block_tokens, out)
        return out[: self.block_tokens]


def save_histories(folder: Path, tables: histories.Sampler, parts: dict[str, np.ndarray]) -> None:
    """Write the source's files: FOLDER/uih_<part>.npy and the sampler's tables."""
    histories.save(tables, folder, "uih_")
    for name in _PARTS:
        save_array(folder / f"uih_{name}.npy", np.asarray(parts[name], np.int32))
