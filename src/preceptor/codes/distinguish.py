"""Distinct codes for every item: known floors need them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NoReturn

import numpy as np

from preceptor.core.errors import PreceptorError

FEW = 64  # choices that are asked for at first: nearly always enough


def distinguish(
    base_codes: np.ndarray, last_choices: Callable[[int, int], np.ndarray], fixed: np.ndarray | None = None
) -> np.ndarray:
    """Replace the last code of items whose tuple is taken by the next best that makes it unique.

    base_codes: int32 [I, n_codes]. last_choices(i, most): latents for item i's last code, best first; at least `most` of them,
    or all there are. Items go in index order, so items appended later never change the codes of those before them. fixed:
    int32 [I, n_codes], rows ≥ 0 are codes an item already has and keeps. Returns int32 [I, n_codes], all rows distinct. Raises
    PreceptorError when an item's choices are used up: too many items with the same leading codes.
    """
    codes = base_codes.astype(np.int32, copy=True)
    free = np.ones(len(codes), bool)
    if fixed is not None:
        free = fixed[:, 0] < 0
        codes[~free] = fixed[~free]
    group = _leading(codes)
    shared = np.bincount(group)[group] > 1  # who shares the leading codes with no one keeps all
    used: dict[int, set[int]] = {int(g): set() for g in np.unique(group[shared])}  # last codes
    for i in np.flatnonzero(shared & ~free):
        used[int(group[i])].add(int(codes[i, -1]))
    # By base codes: identical items have the same choices, so go on where the last one stopped.
    tried: dict[tuple[int, int], int] = {}
    for i in np.flatnonzero(shared & free):
        taken, last = used[int(group[i])], int(codes[i, -1])
        if last in taken:
            base = int(group[i]), last
            found = _next_free(last, partial(last_choices, int(i)), taken, tried.get(base, 0))
            if found is None:
                _give_up(base_codes, int(i))
            last, tried[base] = found
            codes[i, -1] = last
        taken.add(last)
    return codes


def _leading(codes: np.ndarray) -> np.ndarray:
    """A number for each row, the same for rows that differ in their last code alone, int64 [I]."""
    if codes.shape[1] == 1:
        return np.zeros(len(codes), np.int64)
    return np.unique(codes[:, :-1], axis=0, return_inverse=True)[1].reshape(-1)


def _next_free(own: int, choices_of: Callable[[int], np.ndarray], taken: set[int], at: int) -> tuple[int, int] | None:
    """(the first choice from number `at` after `own` that is not taken, where to go on); None where all are."""
    most = at + FEW
    while True:
        found = choices_of(most)
        place = np.flatnonzero(found == own)
        choices = found[place[0] + 1 :] if len(place) else found
        for code in choices[at:].tolist():
            at += 1
            if code not in taken:
                return code, at
        if len(found) < most:
            return None
        most *= 8


def _give_up(base_codes: np.ndarray, i: int) -> NoReturn:
    alike = int((base_codes[:, :-1] == base_codes[i, :-1]).all(1).sum())
    raise PreceptorError(
        "Too many items are alike to give each its own codes",
        where=f"item {i}",
        found=f"{alike} items share the leading codes {base_codes[i, :-1].tolist()}",
        expected="at most as many as there are latents for the last code",
        remedy="give the catalogue more text (brand, categories, description), merge duplicate items, raise codes.n_latents, "
        "or set codes.collisions to 'shared'",
    )
