"""What the trained tokenisers share: the order of their mini-batches, and the decay of their learning rate."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from preceptor.core.rng import permutation

FULL_RATE = 0.7  # share of the steps before the rate decays


def minibatches(x: torch.Tensor, batch: int, steps: int, seed: int, purpose: str) -> Iterator[torch.Tensor]:
    """`steps` batches of rows of x [n, d]: a keyed order an epoch, a last batch that isn't full left out. batch ≤ n."""
    n = len(x)
    epoch, order, at = 0, permutation(seed, f"{purpose}/0", n), 0
    for _ in range(steps):
        if at + batch > n:
            epoch, at = epoch + 1, 0
            order = permutation(seed, f"{purpose}/{epoch}", n)
        yield x[torch.from_numpy(order[at : at + batch].copy())]
        at += batch


def set_rate(optimiser: torch.optim.Optimizer, lr: float, step: int, steps: int) -> None:
    """Full learning rate for FULL_RATE of the steps, then linearly down to 0."""
    for group in optimiser.param_groups:
        group["lr"] = lr * min(1.0, (1 - step / steps) / (1 - FULL_RATE))
