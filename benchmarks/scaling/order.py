"""In which order the layers of a curriculum are learnt: the share of each layer's reducible nats, at equal tokens of its own.

α across sets isn't comparable (their floors and units differ), a share is. Of a model that reads one layer alone, the share
at D tokens is (L(D₀) − L(D)) / (L(D₀) − L*): D₀ is the smallest budget, and L*, the least loss of a budget up to 4D, stands for
the floor: a layer that is read too often turns up. For histories the floor is known, and the share from the unigram down to it
stands beside. General text is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scaling.collapse import share_left

Line = Mapping[str, str]
ALONE = {"histories": "uih-in-graph", "pairs": "cf-both-seen", "texts": "item-text"}  # arm of one layer, and its set
EXPECTED = ("histories", "pairs", "texts")  # the paper's order: the first is learnt fastest
AHEAD = 4


def order(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Rows of order.csv: two layers at equal tokens, the share learnt of each, and how likely their order is the other one.

    known: of histories, the share learnt between the unigram and the known floor. inversion: the chance that the layer that is
    ahead here isn't, by the spread over seeds alone (Student's t, one variance for all layers and tokens); evaluation documents
    are the same at all tokens, and their choice isn't in it.
    """
    found = {(layer, d): shares for layer in ALONE for d, shares in learnt(lines, layer).items()}
    many = [shares for shares in found.values() if len(shares) > 1]
    freedom = sum(len(shares) - 1 for shares in many)
    squares = sum(float(((np.array(shares) - np.mean(shares)) ** 2).sum()) for shares in many)
    known = learnt_to_floor(lines)
    rows = []
    for d in sorted({d for _, d in found}):
        for one, other in combinations(EXPECTED, 2):
            if (one, d) not in found or (other, d) not in found:
                continue
            a, b = found[one, d], found[other, d]
            gap = float(np.mean(a) - np.mean(b))
            inversion = None
            if freedom and squares > 0:
                error = math.sqrt(squares / freedom * (1 / len(a) + 1 / len(b)))
                inversion = float(stats.t.cdf(-abs(gap) / error, freedom))
            rows.append(
                {
                    **{"tokens": d, "layer": one, "other": other, "share": float(np.mean(a)), "share_other": float(np.mean(b))},
                    **{"as_expected": gap > 0, "inversion": inversion, "seeds": min(len(a), len(b))},
                    "known": known.get(d) if one == "histories" else None,
                }
            )
    return rows


def learnt(lines: Sequence[Line], layer: str) -> dict[int, list[float]]:
    """Shares of a layer's reducible nats that a model of it alone has learnt, one per seed, by tokens."""
    own = [line for line in lines if line["arm"] == layer and line["set"] == ALONE[layer]]
    loss = {(line["seed"], int(line["tokens"])): float(line["loss"]) for line in own}
    shares: dict[int, list[float]] = {}
    for seed in dict.fromkeys(seed for seed, _ in loss):
        budgets = sorted(d for one, d in loss if one == seed)
        for d in budgets[1:]:
            if AHEAD * d not in budgets:
                continue
            begin, end = loss[seed, budgets[0]], min(loss[seed, up_to] for up_to in budgets if up_to <= AHEAD * d)
            if begin > end:
                shares.setdefault(d, []).append((begin - loss[seed, d]) / (begin - end))
    return shares


def learnt_to_floor(lines: Sequence[Line]) -> dict[int, float]:
    """The share of histories' nats between the unigram and the known floor that is learnt, mean over seeds, by tokens."""
    own = [
        line
        for line in lines
        if line["arm"] == "histories" and line["set"] == ALONE["histories"] and line.get("floor") and line.get("unigram")
    ]
    found: dict[int, list[float]] = {}
    for line in own:
        found.setdefault(int(line["tokens"]), []).append(1 - share_left(line))
    return {d: float(np.mean(shares)) for d, shares in found.items()}
