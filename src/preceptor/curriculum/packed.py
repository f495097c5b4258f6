"""Exported training blocks: raw token files with an index, read without the curriculum's sources. Light: numpy, core.

Each shard is little-endian uint16 or uint32 without a header, as nanoGPT-style loaders memory-map it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.errors import PreceptorError
from preceptor.core.tables import document

INDEX = "index.json"


class PackedBlocks:
    """Blocks first_block … first_block + n_blocks − 1 of a stream, from shards."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        index = document.mapping(self.folder / INDEX)
        self.dtype, self.block_tokens = np.dtype(index["dtype"]), int(index["block_tokens"])
        self.first_block, self.n_blocks = int(index["first_block"]), int(index["blocks"])
        self._shard_blocks = int(index["shard_blocks"])
        self._shards: list[np.ndarray] = []
        for entry in index["shards"]:
            path = self.folder / entry["file"]
            size = path.stat().st_size if path.exists() else 0
            if size != entry["bytes"]:
                raise PreceptorError(
                    "Damaged shard",
                    where=path,
                    found=f"{size} bytes",
                    expected=f"{entry['bytes']} bytes",
                    remedy="delete it and export again",
                )
            self._shards.append(np.memmap(path, self.dtype, "r").reshape(-1, self.block_tokens))

    def block(self, number: int) -> np.ndarray:
        """Block `number` of the stream, int32 [T]. Raises PreceptorError outside of what was exported."""
        at = number - self.first_block
        if not 0 <= at < self.n_blocks:
            raise PreceptorError(
                "Block not exported",
                where=self.folder,
                found=number,
                expected=f"{self.first_block} … {self.first_block + self.n_blocks - 1}",
                remedy="export more blocks, or read the curriculum itself, which has no end",
            )
        shard, row = divmod(at, self._shard_blocks)
        return self._shards[shard][row].astype(np.int32)
