"""What training on a token costs: the points' own FLOP per token, head included, else 6 per parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrainingCost:
    """FLOP per token of any size. sizes [S], each [S]: sizes of the table and their FLOP per token; empty: 6·N.

    Between the sizes of the table, and beyond them, what lies above 6·N (attention and head) follows power laws from one size
    to the next. So the table's own sizes are exact, and very large models come to 6·N.
    """

    sizes: tuple[float, ...] = ()
    each: tuple[float, ...] = ()

    @classmethod
    def of(cls, flops_per_token: Mapping[float, float]) -> TrainingCost:
        """From size → FLOP per token; an empty mapping gives 6·N."""
        found = sorted((float(n), float(f)) for n, f in flops_per_token.items())
        return cls(tuple(n for n, _ in found), tuple(f for _, f in found))

    @property
    def said(self) -> str:
        """The formula in words."""
        return "FLOP per token of the points' table, head included" if self.sizes else "6 FLOP per parameter and token"

    def __call__(self, params: np.ndarray | float) -> np.ndarray:
        """FLOP per token at sizes [...]."""
        params = np.asarray(params, dtype=np.float64)
        base = 6.0 * params
        if not self.sizes:
            return base
        sizes, each = np.array(self.sizes), np.array(self.each)
        above = each - 6.0 * sizes
        x = np.log(params)
        if (above <= 0).any():  # N counts more than what each token passes through: the table's ratio to 6·N instead
            return base * np.exp(np.interp(x, np.log(sizes), np.log(each / (6.0 * sizes))))
        return base + np.exp(_extended(x, np.log(sizes), np.log(above)))

    def flops(self, params: np.ndarray | float, tokens: np.ndarray | float) -> np.ndarray:
        """FLOP of training sizes on tokens."""
        return self(params) * tokens

    def tokens(self, params: np.ndarray | float, flops: np.ndarray | float) -> np.ndarray:
        """Tokens that a budget pays for at sizes."""
        return flops / self(params)


def _extended(x: np.ndarray, at: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Linear interpolation that goes on along the first and the last piece."""
    if len(at) == 1:
        return np.full_like(x, value[0])
    k = np.clip(np.searchsorted(at, x) - 1, 0, len(at) - 2)
    share = (x - at[k]) / (at[k + 1] - at[k])
    return np.asarray(value[k] + share * (value[k + 1] - value[k]))
