"""Blocks of synthetic user histories, written straight from walks to tokens. Light: numpy, numba, core, graph.

Document k of this source's block j is walk number j·2^24 + k: drawn when it is read, never twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, uint64

from preceptor.core.rng import purpose_key
from preceptor.graph.tables import WalkTables, load_tables, save_tables
from preceptor.graph.walks import walks

WALKS_A_BLOCK = 1 << 24  # more than a block can hold
_TOGETHER = 32  # walks drawn before their documents are written
_PARTS = ("item_tokens", "prefix", "separator", "suffix")


class HistorySource:
    """Blocks of walk documents.

    parts: item_tokens int32 [I, width], the tokens of each item; prefix, separator, suffix int32, the tokens before the first
    item, between two, and after the last (EOS included).
    """

    def __init__(self, seed: int, tables: WalkTables, parts: dict[str, np.ndarray], block_tokens: int) -> None:
        self.tables, self.block_tokens = tables, block_tokens
        self._key = purpose_key(seed, "stream/uih")
        items, self._prefix, separator, self._suffix = (np.ascontiguousarray(parts[name], np.int32) for name in _PARTS)
        repeated = np.broadcast_to(separator, (len(items), len(separator)))
        self._separated = np.concatenate([repeated, items], axis=1)  # one copy an item, but for the first of a document
        self._lead = len(separator)

    @classmethod
    def open(cls, folder: Path, seed: int, block_tokens: int) -> HistorySource:
        """Open what `save_histories` wrote; the walk tables are memory-mapped."""
        parts = {name: np.load(folder / f"uih_{name}.npy", allow_pickle=False) for name in _PARTS}
        return cls(seed, load_tables(folder, "uih_"), parts, block_tokens)

    def block(self, j: int) -> np.ndarray:
        """Block number j of this source, int32 [T]."""
        out = np.empty(self.block_tokens, np.int32)
        rows, lengths = np.empty((_TOGETHER, self.tables.longest), np.int32), np.empty(_TOGETHER, np.int32)
        first = np.uint64(j * WALKS_A_BLOCK)
        _write(self.tables, self._key, first, self._separated, self._lead, self._prefix, self._suffix, rows, lengths, out)
        return out


def save_histories(folder: Path, tables: WalkTables, parts: dict[str, np.ndarray]) -> None:
    """Write the source's files: FOLDER/uih_<part>.npy and the walk tables."""
    save_tables(tables, folder, "uih_")
    for name in _PARTS:
        np.save(folder / f"uih_{name}.npy", np.asarray(parts[name], np.int32))


@njit(nogil=True, cache=True)
def _write(
    tables: Any,
    key: Any,
    first: Any,
    separated: Any,
    lead: Any,
    prefix: Any,
    suffix: Any,
    rows: Any,
    lengths: Any,
    out: Any,
) -> None:
    at, end, index = 0, len(out), first
    longest = len(prefix) + rows.shape[1] * separated.shape[1] + len(suffix)
    while at < end:
        n = min(len(rows), (end - at) // longest + 1)
        walks(tables, key, index, rows[:n], lengths[:n])
        index += uint64(n)
        for k in range(n):
            if at + longest <= end:
                at = _document(rows[k], lengths[k], separated, lead, prefix, suffix, out, at)
            elif at < end:
                spare = np.empty(longest, out.dtype)  # the last document is cut
                size = min(_document(rows[k], lengths[k], separated, lead, prefix, suffix, spare, 0), end - at)
                out[at : at + size] = spare[:size]
                at += size


@njit(inline="always")
def _document(row: Any, length: Any, separated: Any, lead: Any, prefix: Any, suffix: Any, out: Any, at: Any) -> Any:
    width = separated.shape[1]
    for i in range(len(prefix)):
        out[at + i] = prefix[i]
    at += len(prefix)
    for i in range(lead, width):
        out[at + i - lead] = separated[row[0], i]
    at += width - lead
    for t in range(1, length):
        for i in range(width):
            out[at + i] = separated[row[t], i]
        at += width
    for i in range(len(suffix)):
        out[at + i] = suffix[i]
    return at + len(suffix)
