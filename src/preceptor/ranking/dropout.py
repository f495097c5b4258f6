"""Dropout whose masks are functions of (key, call): two runs drop the same units whatever else draws random numbers.

A 64-bit draw serves eight units, which makes it faster than torch's own dropout on a core (results/kernels).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from preceptor.core.rng import purpose_key, words


class Dropout(nn.Module):
    """Zeroes each unit with probability round(p·256)/256 and scales the others, in training only.

    Call number n after construction (or `restart`) uses stream n of the key. One instance serves a whole model.
    """

    def __init__(self, p: float, seed: int, purpose: str = "dropout") -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout {p} is not in [0, 1)")
        self.threshold = round(p * 256)
        self.key = purpose_key(seed, purpose)
        self.calls = 0

    def restart(self) -> None:
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.threshold == 0:
            return x
        draws = words(self.key, self.calls, -(-x.numel() // 8)).astype("<u8", copy=False)  # the first byte is the lowest
        self.calls += 1
        mask = (draws.view(np.uint8)[: x.numel()] >= self.threshold) * np.float32(256 / (256 - self.threshold))
        return x * torch.from_numpy(mask).view(x.shape).to(x.device)
