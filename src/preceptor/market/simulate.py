"""The simulated market: a log with known biases, and the truth behind it. docs/market.md explains the model.

market(MarketConfig(family="misleading", popularity=0.8)).log()
"""

from __future__ import annotations

import dataclasses
import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import polars as pl

from preceptor.core import rng, workers
from preceptor.core.tables.data import FunnelStep
from preceptor.data import order
from preceptor.data.log import Log
from preceptor.market import choice as market_choice
from preceptor.market import items as market_items
from preceptor.market.config import MarketConfig
from preceptor.market.truth import Truth
from preceptor.market.world import World, world

AGAIN = 0.6  # a visit goes on after each choice with this probability
_MOST_AGAIN = 30
_OPENING, _YEAR = 1_672_531_200, 365 * 86_400  # the log runs from 2023-01-01 for a year
_POPULAR = 0.9  # share of the candidates that others took before, at popularity 1
_FIRST_ROUND, _GROWTH = 256, 1.25  # visits before anything can be popular, and by how much each round is longer


def market(config: MarketConfig) -> Market:
    """Plant the market of a config; equal configs give equal markets and equal logs."""
    return Market(config, world(config))


@dataclasses.dataclass(frozen=True)
class Market:
    """A planted market. Items are numbered as in the logs' catalogues; user u has the id "u{u}" there."""

    config: MarketConfig
    world: World

    @property
    def n_users(self) -> int:
        return len(self.world.main)

    @property
    def n_items(self) -> int:
        return len(self.world.kind)

    @cached_property
    def items(self) -> pl.DataFrame:
        """The catalogue, schema data.log.CATALOGUE."""
        return market_items.catalogue(self.config.seed, self.world.kind, self.world.brand, self.world.quality)

    @property
    def quality(self) -> np.ndarray:
        """True quality, float64 [I] in (0, 1): the chance that somebody who wants just such a thing takes it."""
        return self.world.quality

    @property
    def segments(self) -> np.ndarray:
        """The segment of each user, int64 [U]: the main taste, or n_tastes for traders."""
        return np.where(self.world.trader, self.world.n_tastes, self.world.main)

    @cached_property
    def exposure(self) -> np.ndarray:
        """Share of each item among the candidates that don't come from popularity, float64 [I], sums to 1."""
        edges = np.sqrt(np.sqrt(np.arange(self.n_items + 1) / self.n_items))
        promoted = np.diff(edges)[self.world.promotion]
        return (1 - self.config.exposure) / self.n_items + self.config.exposure * promoted

    @property
    def shelf(self) -> np.ndarray:
        """Place of each item in the shop's page order, int64 [I]; 0 is first."""
        return self.world.shelf

    @cached_property
    def truth(self) -> Truth:
        return Truth(self.world)

    @property
    def truth_start(self) -> np.ndarray:
        """P*(i), float64 [I]: shares of the choices under uniform exposure."""
        return self.truth.start()

    def truth_rows(self, items: np.ndarray) -> np.ndarray:
        """T*(i→·) = Σ_u P(u|i)·P*(·|u) under uniform exposure, float64 [n, I]: diagonal 0, rows sum to 1."""
        return self.truth.rows(items)

    def log(self) -> Log:
        """The log that the shop's policy left: n_interactions rows, with sessions and timestamps."""
        c = self.config
        policy = (_POPULAR * c.popularity, c.position, c.exposure)
        return self._log(self._visits("log", c.n_interactions, policy)[0], "log")

    def uniform_log(self, n: int | None = None) -> Log:
        """A log of n rows (default n_interactions) of the same users, who were shown everything alike, in no order."""
        rows, _ = self._visits("uniform", n or self.config.n_interactions, (0.0, 0.0, 0.0))
        return self._log(rows, "uniform")

    def looks(self) -> np.ndarray:
        """How often each item was looked at in the making of `log()`, int64 [I]: exposure and position together."""
        c = self.config
        policy = (_POPULAR * c.popularity, c.position, c.exposure)
        return self._visits("log", c.n_interactions, policy, counted=True)[1]

    def _visits(
        self, purpose: str, n: int, policy: tuple[float, float, float], counted: bool = False
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Rows user, item, time, session in order of the visits, and the looks."""
        schedule = _schedule(self.config.seed, purpose, n, self.world.activity)
        shop = market_choice.shop(self.world, *policy, one_of_a_kind=self.config.family == "misleading")
        item, looks = _carry_out(shop, rng.purpose_key(self.config.seed, f"market/{purpose}/choice"), schedule, n, counted)
        visit = np.repeat(np.arange(len(schedule["user"])), schedule["length"])
        return {"user": schedule["user"][visit], "item": item, "time": schedule["time"], "session": visit}, looks

    def _log(self, rows: dict[str, np.ndarray], purpose: str) -> Log:
        user, time = rows["user"].astype(np.uint32), rows["time"]
        every = np.arange(len(user))
        first = order.users_by_first(user, time, every)
        number = np.zeros(self.n_users, np.int32)
        number[user[first]] = np.arange(len(first), dtype=np.int32)
        place = order.by_user_and_time(number, user, time, every, len(first))
        c = self.config
        step = FunnelStep("simulated", len(user), len(first), len(np.unique(rows["item"])))
        shown = "everything shown alike" if purpose == "uniform" else _dials(c)
        return Log(
            items=self.items,
            user_ids=pl.select(pl.format("u{}", pl.Series(user[first]))).to_series().alias("user_id"),
            user=number[user[place]],
            item=rows["item"][place],
            time=time[place],
            session=rows["session"][place],
            funnel=(step,),
            notes=(f"simulated market: {c.family} family, seed {c.seed}, {shown}",),
        )


def _dials(c: MarketConfig) -> str:
    return f"popularity {c.popularity:g}, position {c.position:g}, exposure {c.exposure:g}, sparsity {c.sparsity:g}"


def _schedule(seed: int, purpose: str, n: int, activity: np.ndarray) -> dict[str, np.ndarray]:
    """Who comes when, and for how many choices: visits in order of time until n choices are reached.

    user, start, length: of each visit; time: of each choice.
    """

    def unit(what: str, index: np.ndarray, step: int = 0) -> np.ndarray:
        return rng.uniform(rng.purpose_key(seed, f"market/{purpose}/{what}"), index, step)

    enough = int(n * (1 - AGAIN) * 1.1) + 200
    length = _lengths(seed, purpose, enough)
    ends = np.cumsum(length)
    while ends[-1] < n:
        enough *= 2
        length = _lengths(seed, purpose, enough)
        ends = np.cumsum(length)
    n_visits = int(np.searchsorted(ends, n)) + 1
    length = length[:n_visits].copy()
    length[-1] -= ends[n_visits - 1] - n
    visit = np.arange(n_visits)
    edges = np.cumsum(activity)
    user = np.searchsorted(edges, unit("user", visit) * edges[-1], side="right")
    start = np.cumsum(length) - length
    opening = _OPENING + ((visit + unit("opening", visit)) * (_YEAR / n_visits)).astype(np.int64)
    elapsed = np.cumsum(20 + (280 * unit("pause", np.arange(n))).astype(np.int64))
    time = np.repeat(opening - elapsed[start], length) + elapsed
    return {"user": np.minimum(user, len(activity) - 1).astype(np.int32), "start": start, "length": length, "time": time}


def _lengths(seed: int, purpose: str, count: int) -> np.ndarray:
    """Choices of each visit, int64 [count]: geometric."""
    key = rng.purpose_key(seed, f"market/{purpose}/again")
    length = np.ones(count, np.int64)
    going = np.arange(count)
    for step in range(_MOST_AGAIN):
        going = going[rng.uniform(key, going, step) < AGAIN]
        length[going] += 1
    return length


def _carry_out(
    shop: market_choice.Shop, key: np.uint64, schedule: dict[str, np.ndarray], n: int, counted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The item of every choice, int32 [n], and the looks. Popularity is what was taken in the rounds before.

    Within a round users are independent: they are dealt to threads, and the number of threads changes nothing.
    """
    n_items, n_kinds, n_users = len(shop.thing), len(shop.first) - 1, len(shop.main)
    user, start = schedule["user"], schedule["start"]
    visits = market_choice.Visits(user, start, schedule["length"])
    item = np.empty(n, np.int32)
    owned = np.full((n_users, market_choice.MEMORY), 255, np.uint8)
    kind_of = ((shop.thing >> np.uint64(8)) & np.uint64(255)).astype(np.uint8)
    threads = workers.count()
    looks = [np.zeros(n_items if counted else 0, np.int64) for _ in range(threads)]
    taken, first = np.empty(0, np.int32), np.zeros(n_kinds + 1, np.int64)
    with ThreadPoolExecutor(threads) as pool:
        for begin, end in _rounds(len(user), shop.popularity > 0):
            if begin:
                before = item[: start[begin]]
                kinds = kind_of[before]
                taken = before[np.argsort(kinds, kind="stable")]
                first = np.concatenate([[0], np.cumsum(np.bincount(kinds, minlength=n_kinds))])
            by_user = begin + np.argsort(user[begin:end], kind="stable")
            jobs = [
                pool.submit(
                    market_choice.carry_out, shop, key, part, visits, market_choice.Past(taken, first, looks[t]), owned, item
                )
                for t, part in enumerate(_parts(by_user, user, threads))
            ]
            for job in jobs:
                job.result()
    return item, sum(looks[1:], start=looks[0])


def _rounds(n_visits: int, popularity: bool) -> list[tuple[int, int]]:
    edges = [0]
    size = float(_FIRST_ROUND if popularity else n_visits)
    while edges[-1] < n_visits:
        edges.append(min(n_visits, edges[-1] + int(size)))
        size = max(size, (_GROWTH - 1) * edges[-1])
    return list(itertools.pairwise(edges))


def _parts(by_user: np.ndarray, user: np.ndarray, threads: int) -> list[np.ndarray]:
    """Cut visits in order of users into about equal parts, never inside a user."""
    cuts = [0]
    for t in range(1, threads):
        at = len(by_user) * t // threads
        while at < len(by_user) and at > 0 and user[by_user[at]] == user[by_user[at - 1]]:
            at += 1
        cuts.append(max(at, cuts[-1]))
    return [by_user[a:b] for a, b in zip(cuts, [*cuts[1:], len(by_user)], strict=True)]
