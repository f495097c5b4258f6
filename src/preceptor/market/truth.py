"""What is true in the simulated market: who is behind an item, and what they would choose, had everything been shown alike.

With θ_us the share of taste s in user u, p_s(j) ∝ appeal of item j in the mood s, and π_u the user's share of the visits:

    P*(j|u) = Σ_s θ_us p_s(j)        P(u|i) = π_u P*(i|u) / Σ_v π_v P*(i|v)
    T*(i→j) = Σ_u P(u|i) P*(j|u) = Σ_ss' p_s(i) M_ss' p_s'(j) / Σ_s p_s(i) m_s,   M = Σ_u π_u θ_u θ_uᵀ,  m = Σ_u π_u θ_u

so a row costs I·S operations, exactly, and no table of I × I or U × I is ever needed.
"""

from __future__ import annotations

import numpy as np

from preceptor.market.world import World

COLUMNS = 65_536  # items handled at a time; so many are kept, too


class Truth:
    """The exact probabilities of a planted market (I items, U users, S tastes)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._totals = world.kind_masses().sum(axis=1)
        self._second = world.second_moment()
        self._kept = self._by_taste(np.arange(len(world.kind))) if len(world.kind) <= COLUMNS else None

    def _by_taste(self, items: np.ndarray) -> np.ndarray:
        """p_s(j) for these items, float64 [S, n]."""
        appeals = [self._world.appeal(s, items) / total for s, total in enumerate(self._totals)]
        return np.array(appeals)

    def start(self) -> np.ndarray:
        """P*(i) = Σ_u π_u P*(i|u): the share of each item among choices under uniform exposure, float64 [I], sums to 1."""
        n_items = len(self._world.kind)
        return self._second.sum(axis=0) @ self._columns(0, n_items)

    def _columns(self, begin: int, end: int) -> np.ndarray:
        return self._by_taste(np.arange(begin, end)) if self._kept is None else self._kept[:, begin:end]

    def rows(self, items: np.ndarray) -> np.ndarray:
        """T*(i→·) for these items, float64 [n, I]: the diagonal is 0 and each row sums to 1."""
        items = np.asarray(items, np.int64)
        given = self._by_taste(items).T @ self._second  # [n, S]: Σ_s p_s(i) M_ss'
        rows = np.empty((len(items), len(self._world.kind)))
        for begin in range(0, rows.shape[1], COLUMNS):
            end = min(begin + COLUMNS, rows.shape[1])
            rows[:, begin:end] = given @ self._columns(begin, end)
        rows[np.arange(len(items)), items] = 0.0
        rows /= rows.sum(axis=1, keepdims=True)
        return rows

    def users(self, items: np.ndarray) -> np.ndarray:
        """P(u|i) for these items, float64 [n, U]: who chose it, under uniform exposure. Rows sum to 1."""
        joint = self._by_taste(np.asarray(items)).T @ self._world.mixture().T * self._world.activity
        return joint / joint.sum(axis=1, keepdims=True)

    def choices(self, users: np.ndarray) -> np.ndarray:
        """P*(j|u) for these users, float64 [n, I]: their choice at a fresh moment, under uniform exposure. Rows sum to 1."""
        return self._world.mixture()[users] @ self._columns(0, len(self._world.kind))
