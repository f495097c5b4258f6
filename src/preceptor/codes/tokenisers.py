"""What a tokeniser is, how one is opened, and the codes that it gives to embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from preceptor.codes.residual import ResidualQuantiser
from preceptor.codes.sae import SparseAutoencoder
from preceptor.core.errors import PreceptorError


class Tokeniser(Protocol):
    """Embeddings float32 [n, d] to codes int32 [n, n_codes] and reconstructions float32 [n, d], block by block. Codes number
    one flat vocabulary of n_latents. A row's codes don't depend on the rows after it."""

    kind: str
    n_codes: int

    @property
    def n_latents(self) -> int: ...

    @property
    def dims(self) -> int: ...

    def blocks(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...

    def last_choices(self, x_row: np.ndarray, codes_row: np.ndarray, most: int) -> np.ndarray: ...

    def save(self, folder: Path) -> None: ...


def encode(tokeniser: Tokeniser, x: np.ndarray) -> tuple[np.ndarray, float]:
    """(codes int32 [n, n_codes], Σ|x − x̂|²) of embeddings, which may be a memory-mapped file."""
    codes, errors = by_block(tokeniser, x)
    return codes, in_order(errors)


def by_block(tokeniser: Tokeniser, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes int32 [n, n_codes], Σ|x − x̂|² of each of the tokeniser's blocks, float64)."""
    codes, errors, start = np.empty((len(x), tokeniser.n_codes), np.int32), [], 0
    for part, reconstruction in tokeniser.blocks(x):
        stop = start + len(part)
        codes[start:stop] = part
        errors.append(float(np.square(x[start:stop] - reconstruction, dtype=np.float64).sum()))
        start = stop
    return codes, np.array(errors, np.float64)


def in_order(errors: np.ndarray) -> float:
    """The sum, taken one after the other, so that it doesn't depend on who summed what."""
    total = 0.0
    for error in errors.tolist():
        total += error
    return total


def load_tokeniser(folder: Path) -> Tokeniser:
    """Load the tokeniser of a codes folder."""
    inside = folder / "tokeniser"
    if (inside / "sae.safetensors").exists():
        return SparseAutoencoder.load(inside)
    if (inside / "residual.safetensors").exists():
        return ResidualQuantiser.load(inside)
    raise PreceptorError(
        "No tokeniser here", where=inside, expected="the folder of a finished codes stage", remedy="set codes.pretrained to one"
    )
