"""What known-end asks beside forecasts: does T go to 0, where does the real loss turn up, and does a loss tell a recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scaling.cells import LAWS

REAL = "real-validation-seen"
NOTHING = 1e-3  # nats: an end of T that is no more than this is 0
Line = Mapping[str, str]


def ends(lines: Sequence[Line], fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By log, generator and size: T at the most tokens and its free end, the real loss among items, its least, where that is,
    and C.

    The real loss is the model's own and, where the law's prior is known, that with the prior. C: what the law itself costs;
    infinite for the paper's walks, which give some real items no probability. turned: D*, the tokens of the least mean over
    seeds, where the loss at the most tokens is higher by more than seeds differ (`rise_beyond`, 95 %, one variance for all
    tokens); else nothing: it may turn later, or never.
    """
    rows = []
    real = [line for line in lines if line["set"] == REAL and line["trie"]]
    for key in dict.fromkeys((line["log"], line["law"], line["ladder"], line["params"]) for line in real):
        log, law, ladder, params = key
        own = [line for line in real if (line["log"], line["law"], line["ladder"], line["params"]) == key]
        tokens = sorted({int(line["tokens"]) for line in own})
        alone, recall_100 = _means(own, "trie", tokens), _means(own, "recall_100", tokens)
        runs = [[_best(line) for line in own if int(line["tokens"]) == d] for d in tokens]
        best = np.array([np.mean(found) for found in runs])
        divergence = _means(own, "kl", tokens)
        free = _free_end(fits, log, law, ladder, float(params))
        least = int(np.argmin(best))
        rise, beyond = float(best[-1] - best[least]), luck(runs, (least, -1))
        turned = least < len(tokens) - 1 and beyond is not None and rise > beyond
        rows.append(
            {
                "log": log,
                "law": law,
                "ladder": ladder,
                "params": params,
                "most_tokens": tokens[-1],
                "T_first": divergence[0] if len(divergence) else None,
                "T_last": divergence[-1] if len(divergence) else None,
                **{f"T_end{k}": free[name] for k, name in (("", "value"), ("_lo", "lo"), ("_hi", "hi"))},
                "T_end_identified": free["identified"],
                "C": cost(own),
                "real_alone_last": alone[-1],
                "real_last": float(best[-1]),
                "real_least": float(best[least]),
                "least_at": tokens[least],
                "rise": rise,
                "rise_beyond": beyond,
                "turned": tokens[least] if turned else None,
                "recall_100_last": recall_100[-1] if recall_100 else None,
                "recall_100_best": float(np.max(recall_100)) if recall_100 else None,
            }
        )
    return rows


def holds_zero(row: Mapping[str, Any]) -> bool:
    """Whether the free end of T has an interval that holds 0 with a half-width of at most .05 nats. A fitted end is e^θ, so its
    interval ends above 0, however near: what is below NOTHING counts as 0."""
    lo, hi = row["T_end_lo"], row["T_end_hi"]
    if lo in (None, "") or hi in (None, ""):
        return False
    return float(lo) <= NOTHING and (float(hi) - float(lo)) / 2 <= 0.05


def luck(runs: Sequence[Sequence[float]], places: tuple[int, int], level: float = 0.95) -> float | None:
    """By how much the means over seeds at two places (numbers of tokens) may differ by luck: Student's t, one-sided, one
    variance for all places. None where no place has two seeds."""
    many = [np.asarray(found) for found in runs if len(found) > 1]
    freedom = sum(len(found) - 1 for found in many)
    if not freedom:
        return None
    variance = sum(float(((found - found.mean()) ** 2).sum()) for found in many) / freedom
    error = np.sqrt(variance * sum(1 / len(runs[at]) for at in places))
    return float(stats.t.ppf(level, freedom) * error)


def cost(lines: Sequence[Line]) -> float | None:
    """C of a law by its rows; infinite for the paper's walks, None where it wasn't measured."""
    if "generator.law=paper" in LAWS[lines[0]["law"]]:
        return float("inf")
    return _mean([float(line["generator"]) for line in lines if line["generator"]])


def _free_end(fits: Sequence[Mapping[str, Any]], log: str, law: str, ladder: str, params: float) -> Mapping[str, Any]:
    asked = (log, law, ladder, "T", "data", "L_inf")
    names = ("log", "law", "ladder", "set", "form", "parameter")
    found = [
        f for f in fits if tuple(f[k] for k in names) == asked and f["params"] is not None and float(f["params"]) == params
    ]
    return found[0] if found else {"value": None, "lo": None, "hi": None, "identified": None}


def recall(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Recall at 100 read off a straight line of the loss of the other generators' models, one generator left out at a time.

    loss: trie (real targets among items, the model alone) or T. within: Spearman's rank correlation of loss and recall over the
    left-out generator's own models; −1: a lower loss is always a higher recall.
    """
    rows = []
    for log in dict.fromkeys(line["log"] for line in lines):
        known = [line for line in lines if line["set"] == REAL and line["recall_100"] and line["log"] == log]
        for column in ("trie", "kl"):
            own = [line for line in known if line[column]]
            laws = list(dict.fromkeys(line["law"] for line in own))  # all sizes of a generator are left out together
            if len(laws) < 2:
                continue
            x, y = (np.array([float(line[name]) for line in own]) for name in (column, "recall_100"))
            for law in laws:
                out = np.array([line["law"] == law for line in own])
                slope, offset = np.polyfit(x[~out], y[~out], 1)
                error = offset + slope * x[out] - y[out]
                rows.append(
                    {
                        "log": log,
                        "loss": column,
                        "left_out": law,
                        "models": int(out.sum()),
                        "mean_absolute_error": float(np.abs(error).mean()),
                        "bias": float(error.mean()),
                        "recall_least": float(y[out].min()),
                        "recall_most": float(y[out].max()),
                        "within": float(stats.spearmanr(x[out], y[out]).statistic),
                    }
                )
    return rows


def _best(line: Line) -> float:
    return float(line["trie_prior"] or line["trie"])


def _means(lines: Sequence[Line], name: str, tokens: Sequence[int]) -> list[float]:
    """Means over seeds at each number of tokens, empty where the column is."""
    if not all(line[name] for line in lines):
        return []
    return [float(np.mean([float(line[name]) for line in lines if int(line["tokens"]) == d])) for d in tokens]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
