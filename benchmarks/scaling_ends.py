"""What known-end asks beside forecasts: does T go to 0, where does the real loss turn up, and does a loss tell a recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

REAL = "real-validation-seen"
Line = Mapping[str, str]


def ends(lines: Sequence[Line], fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By generator: T at the most tokens and its free end, the real loss among items, its least, where that is, and C.

    The real loss is the model's own and, where the law's prior is known, that with the prior. turned: the tokens of its least
    mean over seeds, nothing where that is at the most tokens: it may turn later, or never.
    """
    rows = []
    for log, law, ladder in dict.fromkeys((line["log"], line["law"], line["ladder"]) for line in lines):
        own = [line for line in lines if (line["log"], line["law"], line["ladder"], line["set"]) == (log, law, ladder, REAL)]
        if not own:
            continue
        tokens = sorted({int(line["tokens"]) for line in own})
        alone, recall_100 = _means(own, "trie", tokens), _means(own, "recall_100", tokens)
        best = np.array([_mean([_best(line) for line in own if int(line["tokens"]) == d]) for d in tokens])
        divergence = _means(own, "kl", tokens)
        asked = (law, ladder, "T", "data", "L_inf")
        free = next((f for f in fits if tuple(f[k] for k in ("law", "ladder", "set", "form", "parameter")) == asked), None)
        free = free or {"value": None, "lo": None, "hi": None, "identified": None}
        least = int(np.argmin(best))
        rows.append(
            {
                "log": log,
                "law": law,
                "params": own[0]["params"],
                "most_tokens": tokens[-1],
                "T_first": divergence[0] if len(divergence) else None,
                "T_last": divergence[-1] if len(divergence) else None,
                **{f"T_end{k}": free[name] for k, name in (("", "value"), ("_lo", "lo"), ("_hi", "hi"))},
                "T_end_identified": free["identified"],
                "C": _mean([float(line["generator"]) for line in own if line["generator"]]),
                "real_alone_last": alone[-1],
                "real_last": float(best[-1]),
                "real_least": float(best[least]),
                "least_at": tokens[least],
                "turned": tokens[least] if least < len(tokens) - 1 else None,
                "recall_100_last": recall_100[-1],
                "recall_100_best": float(np.max(recall_100)),
            }
        )
    return rows


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
