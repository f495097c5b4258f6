"""What is planted in the simulated market before anybody comes: things with quality, people with tastes.

Only additions, products and divisions of IEEE numbers, so that the same config gives the same bits on any machine (the
exponential of one mathematical library differs from another's in the last place).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from preceptor.core import rng
from preceptor.market.config import MarketConfig
from preceptor.market.items import BRANDS, KINDS_A_GROUP, PATHS

LIKED_GROUPS = 3  # by each taste
ELSEWHERE = 0.005  # liking of a kind outside them
OTHER_BRAND = 0.15  # liking of a brand that a taste doesn't care for, where a favoured one has 1
FAVOURED_BRANDS = 0.25
TRADERS, TRADER_ACTIVITY = 0.01, 25.0  # the hidden segment of the misleading family: share of people, times the activity
_ITEMS_A_GROUP = 12


@dataclass(frozen=True)
class World:
    """Everything planted. I items, U users, S tastes, C kinds, B brands.

    kind, brand: uint8 [I]. quality: float64 [I] in (0, 1): the chance that somebody who wants just such a thing takes it.
    promotion, shelf: int64 [I], place of each item in the order of promotion and in the shop's page order; 0 is first.
    kind_liking: float64 [S, C], brand_liking: float64 [S, B]. main, second: uint8 [U], the two tastes of each user; weight:
    float64 [U], the share of the main one. trader: bool [U], whether the user has all tastes alike instead. activity:
    float64 [U], share of the visits, sums to 1.
    """

    kind: np.ndarray
    brand: np.ndarray
    quality: np.ndarray
    promotion: np.ndarray
    shelf: np.ndarray
    kind_liking: np.ndarray
    brand_liking: np.ndarray
    main: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    trader: np.ndarray
    activity: np.ndarray

    @property
    def n_tastes(self) -> int:
        return len(self.kind_liking)

    def appeal(self, taste: int, items: np.ndarray) -> np.ndarray:
        """Chance that a user in the mood of `taste` takes each item when it is looked at, float64."""
        return self.kind_liking[taste, self.kind[items]] * self.brand_liking[taste, self.brand[items]] * self.quality[items]

    def kind_masses(self) -> np.ndarray:
        """Σ appeal over the items of each kind, for each taste: float64 [S, C]."""
        rows = []
        for brand_liking, kind_liking in zip(self.brand_liking, self.kind_liking, strict=True):
            within = np.bincount(self.kind, brand_liking[self.brand] * self.quality, minlength=len(kind_liking))
            rows.append(kind_liking * within)
        return np.array(rows)

    def mixture(self) -> np.ndarray:
        """θ: each user's share of each taste, float64 [U, S]. For small markets; `second_moment` needs no such table."""
        theta = np.zeros((len(self.main), self.n_tastes))
        users = np.arange(len(self.main))
        theta[users, self.main] += self.weight
        theta[users, self.second] += 1 - self.weight
        theta[self.trader] = 1 / self.n_tastes
        return theta

    def second_moment(self) -> np.ndarray:
        """Σ_u π_u θ_us θ_us', float64 [S, S], sums to 1."""
        s = self.n_tastes
        a, b = self.main.astype(np.int64), self.second.astype(np.int64)
        own = np.where(self.trader, 0.0, self.activity)
        w, rest = self.weight, 1 - self.weight
        total = np.zeros(s * s)
        for row, column, share in ((a, a, w * w), (a, b, w * rest), (b, a, rest * w), (b, b, rest * rest)):
            total += np.bincount(row * s + column, own * share, minlength=s * s)
        return total.reshape(s, s) + self.activity[self.trader].sum() / s**2

    def digest(self) -> str:
        """SHA-256 over all that is planted."""
        content = hashlib.sha256()
        for name, array in vars(self).items():
            content.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
        return content.hexdigest()


def world(config: MarketConfig) -> World:
    """Plant the market of a config. The dials of the shop and n_interactions enter through the sizes alone."""
    n_items, n_users, seed = config.items, config.users, config.seed
    n_groups = min(len(PATHS) // KINDS_A_GROUP, max(LIKED_GROUPS + 1, n_items // _ITEMS_A_GROUP))
    n_tastes = max(3, 3 * n_groups // 4)
    items, users = np.arange(n_items), np.arange(n_users)

    def unit(purpose: str, index: np.ndarray, step: int = 0) -> np.ndarray:
        return rng.uniform(rng.purpose_key(seed, f"market/{purpose}"), index, step)

    def below(n: int, purpose: str, index: np.ndarray) -> np.ndarray:
        return (unit(purpose, index) * n).astype(np.uint8)

    groups = _spread(n_groups)  # a small market has a few groups of every department
    kind = groups[below(n_groups, "group", items)] * KINDS_A_GROUP + below(KINDS_A_GROUP, "kind", items)
    normal = sum(unit("quality", items, step) for step in range(12)) - 6.0  # Irwin-Hall: mean 0, variance 1
    half = 0.5 + 0.5 * normal / (1.0 + np.abs(normal))
    quality = np.maximum(np.floor(half * half * 2.0**32), 1.0) * 2.0**-32
    traders = unit("trader", users) < TRADERS if config.family == "misleading" else np.zeros(n_users, np.bool_)
    visits = 1.0 / (0.1 + unit("activity", users)) * np.where(traders, TRADER_ACTIVITY, 1.0)
    main = below(n_tastes, "main taste", users)
    other = 1 + below(2, "second taste", users)  # a neighbour: tastes that go together
    liked, brands = _tastes(seed, groups, n_tastes)
    return World(
        kind=kind.astype(np.uint8),
        brand=below(len(BRANDS), "brand", items),
        quality=quality,
        promotion=rng.permutation(seed, "market/promotion", n_items),
        shelf=rng.permutation(seed, "market/shelf", n_items),
        kind_liking=liked,
        brand_liking=brands,
        main=main,
        second=((main.astype(np.int64) + other) % n_tastes).astype(np.uint8),
        weight=0.55 + 0.3 * unit("weight", users),
        trader=traders,
        activity=visits / np.cumsum(visits)[-1],
    )


def _spread(n_groups: int) -> np.ndarray:
    """`n_groups` of the groups, one of each department in turn."""
    every = len(PATHS) // KINDS_A_GROUP
    in_turn = np.arange(every).reshape(-1, 4).T.ravel()  # four groups a department
    return np.sort(in_turn[:n_groups])


def _tastes(seed: int, groups: np.ndarray, n_tastes: int) -> tuple[np.ndarray, np.ndarray]:
    """kind_liking [S, C] and brand_liking [S, B]. Groups are dealt like cards, so that none is liked much more than another."""
    packs = -(-n_tastes * LIKED_GROUPS // len(groups)) + 1
    deck = np.concatenate([groups[rng.permutation(seed, f"market/deck {p}", len(groups))] for p in range(packs)])
    liked = np.full((n_tastes, len(PATHS)), ELSEWHERE)
    brands = np.empty((n_tastes, len(BRANDS)))
    for s in range(n_tastes):
        key = rng.purpose_key(seed, f"market/taste {s}")
        for group in deck[s * LIKED_GROUPS : (s + 1) * LIKED_GROUPS]:
            kinds = group * KINDS_A_GROUP + np.arange(KINDS_A_GROUP)
            liked[s, kinds] = 0.4 + 0.6 * rng.uniform(key, kinds)
        favoured = rng.uniform(key, np.arange(len(BRANDS)), 1) < FAVOURED_BRANDS
        brands[s] = np.where(favoured, 1.0, OTHER_BRAND)
    return liked, brands
