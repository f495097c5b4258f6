"""What single scaling studies ask beside forecasts: nulls, repetition, and the losses of layers. Data collapse, differences
between arms and the order of layers have modules of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from benchmarks.scaling.collapse import share_left
from benchmarks.scaling.effects import effects, structure
from benchmarks.scaling.order import order

WALKS, REAL = "uih-in-graph", "real-validation-seen"
MATCHED, PERMUTED = "cf-both-seen", "cf-permuted"
Line = Mapping[str, str]


def shares(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """nulls: the share of reducible nats that is left, real loss among items and recall, by law, size and tokens."""
    rows = []
    for key in dict.fromkeys((line["log"], line["law"], line["params"], line["tokens"]) for line in lines):
        own = [line for line in lines if (line["log"], line["law"], line["params"], line["tokens"]) == key]
        walks, real = ([line for line in own if line["set"] == name] for name in (WALKS, REAL))
        rows.append(
            dict(zip(("log", "law", "params", "tokens"), key, strict=True))
            | {
                "share_left": _mean([share_left(line) for line in walks]),
                "real_trie": _mean([float(line["trie"]) for line in real if line["trie"]]),
                "recall_100": _mean([float(line["recall_100"]) for line in real if line["recall_100"]]),
            }
        )
    return rows


def repetition(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """repetition: each arm beside endless histories of as many tokens, and R*: D' = U + U·R*·(1 − exp(−(epochs − 1)/R*)).

    endless at D' is read off the log-log line between its neighbours. R* is the one that misses the arm's log excess least;
    miss: root mean square of that; miss_as_fresh: had every token been a fresh one (Muennighoff et al. 2305.16264, eq. 5).
    """
    walks = [line for line in lines if line["set"] == WALKS]
    endless = _curve([line for line in walks if line["arm"] == "endless"])
    rows: list[dict[str, Any]] = []
    if len(endless) < 2:
        return rows
    x, y = np.log(np.array(endless)).T
    for arm in dict.fromkeys(line["arm"] for line in walks if line["arm"] != "endless"):
        own = [line for line in walks if line["arm"] == arm]
        unique = min(float(line["unique_uih"]) for line in own)
        tokens, excess = np.array(_curve(own)).T
        again = np.maximum(tokens / unique - 1, 0)
        if not again.any():
            continue

        def misses(log_r: float, again: np.ndarray = again, unique: float = unique, excess: np.ndarray = excess) -> float:
            r = math.exp(log_r)
            worth = unique * (1 + r * (1 - np.exp(-again / r)))
            return float(np.sqrt(np.mean((np.interp(np.log(worth), x, y) - np.log(excess))[again > 0] ** 2)))

        best = minimize_scalar(misses, bounds=(math.log(0.1), math.log(1000)), method="bounded")
        for d, left in zip(tokens.tolist(), excess.tolist(), strict=True):
            rows.append(
                {
                    "arm": arm,
                    "tokens": int(d),
                    "epochs": d / unique,
                    "excess": left,
                    "excess_endless": float(np.exp(np.interp(math.log(d), x, y))),
                    "r_star": math.exp(best.x),
                    "miss": float(best.fun),
                    "miss_as_fresh": misses(math.log(1e6)),
                }
            )
    return rows


def layers(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """mixture: each arm's loss by set, at its tokens of the set's own layer and in all; and what A tells of B.

    told: nats per pair by which the true B is likelier than a permuted one after the same A.
    """
    layer = {WALKS: "own_uih", "uih-ood": "own_uih", "item-text": "own_item_text", MATCHED: "own_cf", REAL: "own_uih"}
    rows = []
    for key in dict.fromkeys((line["arm"], line["tokens"], line["set"]) for line in lines if line["set"] in layer):
        arm, tokens, name = key
        own = [line for line in lines if (line["arm"], line["tokens"], line["set"]) == key]
        control = {
            line["seed"]: line["b_given_a"]
            for line in lines
            if (line["arm"], line["tokens"], line["set"]) == (*key[:2], PERMUTED)
        }
        told = [
            float(control[line["seed"]]) - float(line["b_given_a"])
            for line in own
            if name == MATCHED and control.get(line["seed"]) and line["b_given_a"]
        ]
        rows.append(
            {
                "set": name,
                "arm": arm,
                "own_tokens": int(own[0][layer[name]] or 0),
                "tokens": int(tokens),
                "loss": _mean([float(line["loss"]) for line in own]),
                "told": _mean(told),
            }
        )
    return sorted(rows, key=lambda row: (row["set"], row["own_tokens"], row["arm"]))


TABLES: dict[str, dict[str, Callable[[Sequence[Line]], list[dict[str, Any]]]]] = {
    "nulls": {"structure": structure, "shares": shares},
    "repetition": {"epochs": repetition},
    "mixture": {"effects": effects, "layers": layers, "order": order},
}  # by study: files and what writes them


def _curve(lines: Sequence[Line]) -> list[tuple[float, float]]:
    """(tokens, mean excess) in order."""
    tokens = sorted({float(line["tokens"]) for line in lines})
    return [(d, float(np.mean([float(line["excess"]) for line in lines if float(line["tokens"]) == d]))) for d in tokens]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
