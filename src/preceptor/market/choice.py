"""How people of the simulated market choose: one visit after another, in compiled code that sees a page at a time.

A visit begins with a mood, one of the user's tastes. Its first choice is made from the whole catalogue. Each further one is
of a kind that goes with the last (`_related`), in the same mood. A user looks through pages of candidates, which the shop's
policy draws, and takes the first that appeals (`_choose`): under uniform exposure item j is taken with a probability
proportional to its appeal, whatever the size of the catalogue. docs/market.md has the formulas.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int64, njit, uint64

from preceptor.core.rng import draw, stream_state
from preceptor.market.items import KINDS_A_GROUP
from preceptor.market.world import World

PAGE = 10  # candidates on a page
PATIENCE = 4096  # candidates looked at before a user takes what is there
MEMORY = 12  # choices for which a user of the misleading family wants no second thing of a kind


class Shop(NamedTuple):
    """Tables and dials that the kernel reads. `by_…`: item numbers; `first`: where each kind begins in them, int64 [C + 1]."""

    thing: np.ndarray  # uint64 [I]: quality · 2^32, then kind, then brand in 8 bits each
    shelf: np.ndarray  # int32 [I]
    by_kind: np.ndarray  # int32 [I], by kind
    by_promotion: np.ndarray  # int32 [I], most promoted first
    by_kind_promotion: np.ndarray  # int32 [I], by kind, then most promoted first
    first: np.ndarray  # int64 [C + 1]
    kind_liking: np.ndarray  # float64 [S, C]
    brand_liking: np.ndarray  # float64 [S, B]
    mass: np.ndarray  # int64 [S, C]: appeal of each kind, the largest is 2^31
    main: np.ndarray  # uint8 [U]
    second: np.ndarray  # uint8 [U]
    weight: np.ndarray  # float64 [U]
    trader: np.ndarray  # bool [U]
    popularity: float  # share of the candidates that others took before
    position: float  # share of the pages in the shop's order
    exposure: float  # share of the other candidates that promotion chooses
    one_of_a_kind: bool


class Visits(NamedTuple):
    """All visits in order of time: whose, where its choices begin, and how many they are."""

    user: np.ndarray
    start: np.ndarray
    length: np.ndarray


class Past(NamedTuple):
    """What was taken before, by kind (kind c from first[c] on), and how often each item was looked at, int64 [I], or empty."""

    taken: np.ndarray
    first: np.ndarray
    looks: np.ndarray


def shop(world: World, popularity: float, position: float, exposure: float, one_of_a_kind: bool) -> Shop:
    """Lay the planted market out for the kernel. popularity, position, exposure: shares from 0 to 1."""
    n_kinds = world.kind_liking.shape[1]
    promoted = np.argsort(world.promotion).astype(np.int32)
    masses = world.kind_masses()
    quality = (world.quality * 2.0**32).astype(np.uint64)
    return Shop(
        thing=quality << np.uint64(16) | world.kind.astype(np.uint64) << np.uint64(8) | world.brand.astype(np.uint64),
        shelf=world.shelf.astype(np.int32),
        by_kind=np.argsort(world.kind, kind="stable").astype(np.int32),
        by_promotion=promoted,
        by_kind_promotion=promoted[np.argsort(world.kind[promoted], kind="stable")],
        first=np.concatenate([[0], np.cumsum(np.bincount(world.kind, minlength=n_kinds))]).astype(np.int64),
        kind_liking=world.kind_liking,
        brand_liking=world.brand_liking,
        mass=np.ceil(masses / masses.max() * 2.0**31).astype(np.int64),
        main=world.main,
        second=world.second,
        weight=world.weight,
        trader=world.trader,
        popularity=float(popularity),
        position=float(position),
        exposure=float(exposure),
        one_of_a_kind=one_of_a_kind,
    )


@njit(inline="always")
def _unit(state, step):  # type: ignore[no-untyped-def]
    return float(draw(state, step) >> uint64(11)) * 2.0**-53


@njit(nogil=True, cache=True)
def carry_out(shop, key, visit, visits, past, owned, item):  # type: ignore[no-untyped-def]
    """Carry out those of the visits that are numbered `visit`, a user's in order; fill item[start[v]:start[v] + length[v]].

    owned: uint8 [U, MEMORY], the kinds each user took last, newest first. Counts looks in `past`.
    """
    user, start, length = visits
    page = np.empty(PAGE, np.int64)
    thing, mass, trader, main, second, weight = shop.thing, shop.mass, shop.trader, shop.main, shop.second, shop.weight
    one_of_a_kind = shop.one_of_a_kind
    for v in visit:
        u = user[v]
        state, step = stream_state(key, uint64(v)), uint64(0)
        own = owned[u]
        taste, last = 0, int64(-1)
        for t in range(length[v]):
            kind = int64(-1)
            if t > 0:
                kind = _related(mass, taste, last, draw(state, step))
                step += uint64(1)
                if one_of_a_kind and _has(own, kind):
                    kind = int64(-1)
            if kind < 0:
                which, split = _unit(state, step), _unit(state, step + uint64(1))
                taste = _mood(which, split, trader[u], main[u], second[u], weight[u], len(mass))
                step += uint64(2)
            j, step = _choose(shop, past, taste, kind, own, page, state, step)
            last = int64(thing[j] >> uint64(8)) & 255
            if one_of_a_kind:
                for m in range(MEMORY - 1, 0, -1):
                    own[m] = own[m - 1]
                own[0] = last
            item[start[v] + t] = j


@njit(inline="always")
def _has(own, kind):  # type: ignore[no-untyped-def]
    found = False
    for m in range(MEMORY):
        found |= own[m] == kind
    return found


@njit(inline="always")
def _mood(which, split, trader, main, second, weight, n_tastes):  # type: ignore[no-untyped-def]
    if trader:
        return int64(which * n_tastes)
    return int64(main) if split < weight else int64(second)


@njit(inline="always")
def _related(mass, taste, last, bits):  # type: ignore[no-untyped-def]
    """The next kind of the group: a quarter turn on the circle on which each kind of it has an arc as long as its appeal.

    The point of departure is uniform on the last kind's arc, so the arrival is uniform on the circle whenever the last kind
    was chosen by its appeal: order holds information, and the shares of the kinds stay what they are.
    """
    begin = last - last % KINDS_A_GROUP
    total, at = int64(0), int64(0)
    for k in range(begin, begin + KINDS_A_GROUP):
        if k == last:
            at = total + ((int64(bits >> uint64(33)) * mass[taste, k]) >> 31)
        total += mass[taste, k]
    at = (at + total // KINDS_A_GROUP) % total
    kind = begin
    while at >= mass[taste, kind]:
        at -= mass[taste, kind]
        kind += 1
    return kind


@njit
def _choose(shop, past, taste, kind, own, page, state, step):  # type: ignore[no-untyped-def]
    """The item taken, of all (kind −1) or of one kind, and the number of the next unused draw.

    Arrays are named once, outside the loops: each mention of a tuple's member would count a reference to it.
    """
    taken, taken_first, looks = past
    every = kind < 0
    thing, shelf, kind_liking, brand_liking = shop.thing, shop.shelf, shop.kind_liking, shop.brand_liking
    listed, promoted = shop.by_kind, shop.by_promotion if every else shop.by_kind_promotion
    begin, end = (int64(0), int64(len(thing))) if every else (shop.first[kind], shop.first[kind + 1])
    known, old = (int64(0), int64(len(taken))) if every else (taken_first[kind], taken_first[kind + 1])
    popularity, position, exposure = shop.popularity, shop.position, shop.exposure
    refusing, counting = shop.one_of_a_kind and every, len(looks) > 0
    for _ in range(PATIENCE // PAGE):
        ordered = False
        if position > 0.0:
            ordered = _unit(state, step) < position
            step += uint64(1)
        for p in range(PAGE):
            first, x = _unit(state, step), _unit(state, step + uint64(1))
            step += uint64(2)
            if first < popularity and old > known:
                page[p] = taken[known + int64((old - known) * x)]
                continue
            if exposure > 0.0:
                promotes = _unit(state, step) < exposure
                step += uint64(1)
                if promotes:
                    page[p] = promoted[begin + int64((end - begin) * (x * x * x * x))]
                    continue
            place = begin + int64((end - begin) * x)
            page[p] = place if every else int64(listed[place])
        if ordered:
            for p in range(PAGE):
                page[p] |= int64(shelf[page[p]]) << 32
            for p in range(1, PAGE):
                j, q = page[p], p
                while q > 0 and page[q - 1] > j:
                    page[q] = page[q - 1]
                    q -= 1
                page[q] = j
            for p in range(PAGE):
                page[p] &= (int64(1) << 32) - 1
        for p in range(PAGE):
            j = page[p]
            if ordered:
                skipped = _unit(state, step) * (p + 1) >= 1.0
                step += uint64(1)
                if skipped:
                    continue
            if counting:
                looks[j] += 1
            about = thing[j]
            its = int64(about >> uint64(8)) & 255
            appeal = kind_liking[taste, its] if every else 1.0  # who looks for a kind likes it
            appeal = appeal * brand_liking[taste, int64(about & uint64(255))]
            wanted = _unit(state, step) < appeal * (float(about >> uint64(16)) * 2.0**-32)
            step += uint64(1)
            if wanted and not (refusing and _has(own, its)):
                return j, step
    return page[PAGE - 1], step
