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
from preceptor.data.market_items import KINDS_A_GROUP
from preceptor.data.market_world import World

PAGE = 10  # candidates on a page
PATIENCE = 4096  # candidates looked at before a user takes what is there
MEMORY = 12  # choices for which a user of the misleading family wants no second thing of a kind
_NOTHING = 255


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
def visits(shop, key, visit, user, start, length, taken, taken_first, owned, item, looks):  # type: ignore[no-untyped-def]
    """Carry out the visits numbered `visit`, those of a user in order; fill item[start[v]:start[v] + length[v]] for each.

    user, start, length: of all visits. taken: items taken before, by kind, kind c from taken_first[c] on. owned: uint8
    [U, MEMORY], the kinds each user took last, newest first. looks: int64 [I], how often each item was looked at, or empty.
    """
    page = np.empty(PAGE, np.int64)
    for v in visit:
        u = user[v]
        state, step = stream_state(key, uint64(v)), uint64(0)
        taste, last = 0, int64(-1)
        for t in range(length[v]):
            kind = int64(-1)
            if t > 0:
                kind = _related(shop, taste, last, draw(state, step))
                step += uint64(1)
                if shop.one_of_a_kind and _has(owned[u], kind):
                    kind = int64(-1)
            if kind < 0:
                taste = _mood(shop, u, _unit(state, step), _unit(state, step + uint64(1)))
                step += uint64(2)
            j, step = _choose(shop, taste, kind, taken, taken_first, owned[u], page, looks, state, step)
            last = int64(shop.thing[j] >> uint64(8)) & 255
            if shop.one_of_a_kind:
                for m in range(MEMORY - 1, 0, -1):
                    owned[u, m] = owned[u, m - 1]
                owned[u, 0] = last
            item[start[v] + t] = j


@njit(inline="always")
def _has(owned, kind):  # type: ignore[no-untyped-def]
    found = False
    for m in range(MEMORY):
        found |= owned[m] == kind
    return found


@njit(inline="always")
def _mood(shop, u, which, split):  # type: ignore[no-untyped-def]
    if shop.trader[u]:
        return int64(which * len(shop.kind_liking))
    return int64(shop.main[u]) if split < shop.weight[u] else int64(shop.second[u])


@njit(inline="always")
def _related(shop, taste, last, bits):  # type: ignore[no-untyped-def]
    """The next kind of the group: a quarter turn on the circle on which each kind of it has an arc as long as its appeal.

    The point of departure is uniform on the last kind's arc, so the arrival is uniform on the circle whenever the last kind
    was chosen by its appeal: order holds information, and the shares of the kinds stay what they are.
    """
    begin = last - last % KINDS_A_GROUP
    total, at = int64(0), int64(0)
    for k in range(begin, begin + KINDS_A_GROUP):
        if k == last:
            at = total + ((int64(bits >> uint64(33)) * shop.mass[taste, k]) >> 31)
        total += shop.mass[taste, k]
    at = (at + total // KINDS_A_GROUP) % total
    kind = begin
    while at >= shop.mass[taste, kind]:
        at -= shop.mass[taste, kind]
        kind += 1
    return kind


@njit(inline="always")
def _wanted(shop, taste, kind, j, owned, bits):  # type: ignore[no-untyped-def]
    """Whether the user takes j now that it is looked at."""
    thing = shop.thing[j]
    its = int64(thing >> uint64(8)) & 255
    if shop.one_of_a_kind and kind < 0 and _has(owned, its):
        return False
    appeal = shop.kind_liking[taste, its] if kind < 0 else 1.0  # who looks for a kind has its liking behind him
    appeal = appeal * shop.brand_liking[taste, int64(thing & uint64(255))]
    return float(bits >> uint64(11)) * 2.0**-53 < appeal * (float(thing >> uint64(16)) * 2.0**-32)


@njit(inline="always")
def _candidate(shop, kind, taken, taken_first, state, step):  # type: ignore[no-untyped-def]
    """What the policy shows, of all things or of one kind, and the number of the next unused draw."""
    every = kind < 0
    if shop.popularity > 0.0:
        begin, end = (int64(0), int64(len(taken))) if every else (taken_first[kind], taken_first[kind + 1])
        chosen = _unit(state, step) < shop.popularity
        step += uint64(1)
        if chosen and end > begin:
            return int64(taken[begin + int64((end - begin) * _unit(state, step))]), step + uint64(1)
    begin, end = (int64(0), int64(len(shop.thing))) if every else (shop.first[kind], shop.first[kind + 1])
    if shop.exposure > 0.0:
        chosen = _unit(state, step) < shop.exposure
        step += uint64(1)
        if chosen:
            x = _unit(state, step)
            place = begin + int64((end - begin) * (x * x * x * x))
            return int64(shop.by_promotion[place] if every else shop.by_kind_promotion[place]), step + uint64(1)
    place = begin + int64((end - begin) * _unit(state, step))
    return (place if every else int64(shop.by_kind[place])), step + uint64(1)


@njit
def _choose(shop, taste, kind, taken, taken_first, owned, page, looks, state, step):  # type: ignore[no-untyped-def]
    """The item taken, of all (kind −1) or of one kind, and the number of the next unused draw."""
    j = int64(-1)
    for _ in range(PATIENCE // PAGE):
        ordered = False
        if shop.position > 0.0:
            ordered = _unit(state, step) < shop.position
            step += uint64(1)
        if ordered:
            for p in range(PAGE):
                j, step = _candidate(shop, kind, taken, taken_first, state, step)
                q = p
                while q > 0 and shop.shelf[page[q - 1]] > shop.shelf[j]:
                    page[q] = page[q - 1]
                    q -= 1
                page[q] = j
        for p in range(PAGE):
            if ordered:
                j = page[p]
                looked = _unit(state, step) * (p + 1) < 1.0
                step += uint64(1)
                if not looked:
                    continue
            else:
                j, step = _candidate(shop, kind, taken, taken_first, state, step)
            if len(looks) > 0:
                looks[j] += 1
            step += uint64(1)
            if _wanted(shop, taste, kind, j, owned, draw(state, step - uint64(1))):
                return j, step
    return j, step
