"""The points of the language models, gathered into curves: one a set and size, seeds averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from preceptor.core.tables.lm import Point
from preceptor.report.inputs import Artifacts


@dataclass(frozen=True)
class Curve:
    """Loss against tokens of one size on one set; seeds of equal (N, D) averaged. Arrays are float64 [points].

    floor is the known floor of the evaluated documents (nats per unit) or None; low and high span the seeds.
    """

    set: str
    params: float
    runs: int
    tokens: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: str
    floor: float | None

    @property
    def excess(self) -> np.ndarray:
        """Loss above the known floor; without one, NaN."""
        return self.loss - (np.nan if self.floor is None else self.floor)


def curves(inputs: Artifacts, among_items: bool = False) -> dict[str, list[Curve]]:
    """All curves by set, smallest size first. among_items: of the loss among items, with the prior where there is one; only
    sets and points where it was measured."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for row in inputs.rows("lm", Point):
        if among_items and row.best_trie is None:
            continue
        own = replace(row, loss=row.best_trie, floor=None) if among_items and row.best_trie is not None else row
        groups.setdefault((row.set, row.params), []).append(own)
    found: dict[str, list[Curve]] = {}
    for name, params in sorted(groups, key=lambda key: key[1]):
        found.setdefault(name, []).append(_curve(name, params, groups[name, params]))
    return found


def _curve(name: str, params: float, rows: list[Point]) -> Curve:
    by_tokens: dict[float, list[float]] = {}
    for row in rows:
        by_tokens.setdefault(row.tokens, []).append(row.loss)
    tokens = np.array(sorted(by_tokens), np.float64)
    losses = [by_tokens[t] for t in tokens]
    floors = [row.floor for row in rows if row.floor is not None]
    return Curve(
        set=name,
        params=params,
        runs=len({row.run for row in rows}),
        tokens=tokens,
        loss=np.array([np.mean(x) for x in losses]),
        low=np.array([min(x) for x in losses]),
        high=np.array([max(x) for x in losses]),
        unit=rows[0].unit,
        floor=float(np.mean(floors)) if floors else None,
    )


def slope(curve: Curve) -> float | None:
    """d log excess / d log tokens, by least squares over the curve; None with fewer than three points above the floor."""
    good = np.isfinite(curve.excess) & (curve.excess > 0)
    if good.sum() < 3:
        return None
    return float(np.polyfit(np.log(curve.tokens[good]), np.log(curve.excess[good]), 1)[0])
