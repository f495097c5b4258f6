"""What the tokenisers share: blocks of rows, the order of mini-batches, and the decay of the learning rate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch

from preceptor.core.rng import permutation

BLOCK = 1024
FULL_RATE = 0.7  # share of the steps before the rate decays


def padded_blocks(x: np.ndarray) -> Iterator[tuple[int, torch.Tensor]]:
    """(rows that count, block of BLOCK rows): blocks of one size, the last one padded with zeros, so that the bits of what is
    computed for a row don't depend on the rows after it. x may be a memory-mapped file: only a block of it is copied."""
    for start in range(0, len(x), BLOCK):
        rows = np.zeros((BLOCK, x.shape[1]), np.float32)
        n = len(x[start : start + BLOCK])
        rows[:n] = x[start : start + BLOCK]
        yield n, torch.from_numpy(rows)


def row_parts(x: np.ndarray, rows: int = 16 * BLOCK) -> Iterator[torch.Tensor]:
    """The rows of x in order, many at a time, copied out of it."""
    for start in range(0, len(x), rows):
        yield torch.from_numpy(np.array(x[start : start + rows], np.float32))


def distinct_rows(x: np.ndarray) -> int:
    """How many rows of x are distinct, by a 128-bit digest of each: no sorting, no copy of x."""
    found: set[bytes] = set()
    for start in range(0, len(x), BLOCK):
        block = np.ascontiguousarray(x[start : start + BLOCK]) + 0.0  # one kind of zero
        found.update(hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in block)
    return len(found)


def minibatches(x: np.ndarray, batch: int, steps: int, seed: int, purpose: str) -> Iterator[torch.Tensor]:
    """`steps` batches of rows of x [n, d]: a keyed order an epoch, a last batch that isn't full left out. batch ≤ n."""
    n = len(x)
    epoch, order, at = 0, permutation(seed, f"{purpose}/0", n), 0
    for _ in range(steps):
        if at + batch > n:
            epoch, at = epoch + 1, 0
            order = permutation(seed, f"{purpose}/{epoch}", n)
        yield torch.from_numpy(x[order[at : at + batch]])
        at += batch


def set_rate(optimiser: torch.optim.Optimizer, lr: float, step: int, steps: int) -> None:
    """Full learning rate for FULL_RATE of the steps, then linearly down to 0."""
    for group in optimiser.param_groups:
        group["lr"] = lr * min(1.0, (1 - step / steps) / (1 - FULL_RATE))
