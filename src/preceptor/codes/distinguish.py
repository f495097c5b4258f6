"""Distinct codes for every item: known floors need them."""

from __future__ import annotations

from collections.abc import Callable

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
    taken = {row.tobytes() for row in codes[~free]}
    tried: dict[bytes, int] = {}  # per base tuple: identical items have the same choices, so go on where the last one stopped
    for i in np.flatnonzero(free):
        row = codes[i]
        if row.tobytes() in taken:
            base = base_codes[i].tobytes()
            tried[base] = _next_free(row, lambda most, i=int(i): last_choices(i, most), taken, tried.get(base, 0))
            if tried[base] < 0:
                _give_up(base_codes, int(i))
        taken.add(row.tobytes())
    return codes


def _next_free(row: np.ndarray, choices_of: Callable[[int], np.ndarray], taken: set[bytes], at: int) -> int:
    """Set row's last code to the first choice from number `at` after its own that makes it new; where to go on, −1 for none."""
    own = row[-1]
    for most in (at + FEW, np.iinfo(np.int32).max):
        found = choices_of(most)
        whole, place = len(found) < most, np.flatnonzero(found == own)
        choices = found[place[0] + 1 :] if len(place) else found
        while at < len(choices):
            row[-1] = choices[at]
            at += 1
            if row.tobytes() not in taken:
                return at
        if whole:
            break
    return -1


def _give_up(base_codes: np.ndarray, i: int) -> None:
    alike = int((base_codes[:, :-1] == base_codes[i, :-1]).all(1).sum())
    raise PreceptorError(
        "Too many items are alike to give each its own codes",
        where=f"item {i}",
        found=f"{alike} items share the leading codes {base_codes[i, :-1].tolist()}",
        expected="at most as many as there are latents for the last code",
        remedy="give the catalogue more text (brand, categories, description), merge duplicate items, raise codes.n_latents, "
        "or set codes.collisions to 'shared'",
    )
