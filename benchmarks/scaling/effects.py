"""Differences between arms of a study with the spread over seeds: what layers do for each other, and what structure is worth.

A difference is of means over seeds at the same tokens. Its 95 % interval is Student's t with one variance over seeds for all
tokens of the comparison; seeds share the evaluation documents, whose choice isn't in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scaling.collapse import share_left

Line = Mapping[str, str]
WALKS, OOD, REAL = "uih-in-graph", "uih-ood", "real-validation-seen"
MATCHED, PERMUTED = "cf-both-seen", "cf-permuted"
TOLD = "nats of B given A"  # less those of a permuted B
CONTROL = "histories and permuted pairs"
HISTORY_SETS = (WALKS, OOD, REAL)
Values = dict[int, dict[str, float]]  # tokens → seed → value


def effects(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Rows of effects.csv (mixture): the loss, or what A tells of B, of one arm less that of another, at each number of tokens.

    basis: equal totals, or equal tokens of the layer's own. Pairs help histories where the true ones lower the loss more than
    the permuted do, which bring the same steps and format. better: of the interval: yes, no (worse), or None (not shown).
    """
    rows = []
    for name in HISTORY_SETS:
        for other in (CONTROL, "histories"):
            for basis, column in (("in all", "tokens"), ("its own", "own_uih")):
                if other == CONTROL and basis == "its own":
                    continue  # the same cells as in all: both arms are half histories
                arms = ("histories and pairs", other)
                values = [_values(lines, arm, name, column, _loss) for arm in arms]
                rows += _differences(
                    *values, {"question": "pairs for histories", "set": name, "arm": arms[0], "less": other} | {"basis": basis}
                )
    told = [line | {"value": str(value)} for line, value in _told(lines)]
    for name, read, sign in ((MATCHED, _loss, 1), (TOLD, lambda line: float(line["value"]), -1)):
        for basis, column in (("in all", "tokens"), ("its own", "own_cf")):
            of = told if name == TOLD else lines
            values = [_values(of, arm, MATCHED, column, read) for arm in ("histories and pairs", "pairs")]
            keys = {
                "question": "histories for pairs",
                "set": name,
                "arm": "histories and pairs",
                "less": "pairs",
                "basis": basis,
            }
            rows += _differences(*values, keys, sign)
    return rows


def structure(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Rows of structure.csv (nulls): each null less the log with its structure, by log, size and tokens."""
    measured: dict[str, tuple[str, Callable[[Line], float | None], int]] = {
        "share left": (WALKS, share_left, 1),
        "real loss": (REAL, lambda line: float(line["trie"]) if line["trie"] else None, 1),
        "recall@100": (REAL, lambda line: float(line["recall_100"]) if line["recall_100"] else None, -1),
    }
    rows = []
    for log, params in dict.fromkeys((line["log"], line["params"]) for line in lines):
        own = [line for line in lines if (line["log"], line["params"]) == (log, params)]
        for null in ("rewired", "relabelled"):
            for name, (of_set, read, sign) in measured.items():
                values = [_values(own, law, of_set, "tokens", read, "law") for law in (null, "node2vec")]
                keys = {"log": log, "params": params, "null": null, "measured": name}
                rows += _differences(*values, keys, sign)
    return rows


def _differences(first: Values, other: Values, keys: Mapping[str, Any], sign: int = 1) -> list[dict[str, Any]]:
    """A row for each number of tokens that both have. sign: 1 where less is better, −1 where more is."""
    at = sorted(first.keys() & other.keys())
    groups = [np.array(list(values[d].values())) for d in at for values in (first, other)]
    freedom = sum(len(group) - 1 for group in groups)
    variance = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / freedom if freedom else math.nan
    rows = []
    for d in at:
        a, b = (np.array(list(values[d].values())) for values in (first, other))
        mean = float(a.mean() - b.mean())
        reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(variance * (1 / len(a) + 1 / len(b))) if freedom else None
        shown = reach is not None and abs(mean) > reach
        rows.append(
            {
                **{**keys, "tokens": d, "first": float(a.mean()), "other": float(b.mean()), "difference": mean},
                **{"lo": mean - reach if reach is not None else None, "hi": mean + reach if reach is not None else None},
                **{"seeds": min(len(a), len(b)), "better": sign * mean < 0 if shown else None},
            }
        )
    return rows


def _values(
    lines: Sequence[Line],
    arm: str,
    of_set: str,
    column: str,
    read: Callable[[Line], float | None],
    by: str = "arm",
) -> Values:
    """What `read` finds in an arm's rows, by what `column` says of tokens and by seed."""
    found: Values = {}
    for line in lines:
        if line[by] == arm and line["set"] == of_set and line[column] and float(line[column]):
            value = read(line)
            if value is not None:
                found.setdefault(round(float(line[column])), {})[line["seed"]] = value
    return found


def _told(lines: Sequence[Line]) -> list[tuple[dict[str, str], float]]:
    """Rows of matched pairs, with the nats by which the true B is likelier than a permuted one after the same A."""
    control = {
        (line["arm"], line["tokens"], line["seed"]): float(line["b_given_a"])
        for line in lines
        if line["set"] == PERMUTED and line["b_given_a"]
    }
    return [
        (dict(line), control[key] - float(line["b_given_a"]))
        for line in lines
        if line["set"] == MATCHED and line["b_given_a"] and (key := (line["arm"], line["tokens"], line["seed"])) in control
    ]


def _loss(line: Line) -> float | None:
    return float(line["loss"])
