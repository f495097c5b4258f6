"""Data collapse (design.md §8): small catalogues predict large ones by tokens per effective edge, or by a rival of that.

A parabola of the log of the share left over the log of x is fitted to catalogues of at most 3,000 items, and predicts others. x
is tokens per effective edge; its rivals are the mass of edges that so many tokens haven't met, what a counted model is above
the floor (both by `rivals.py`), tokens per item of the catalogue, and tokens alone. Asked are .1 to 10 tokens per
effective edge: the parabola of that range is fitted there, that of the rest to all tokens. What lies at or above the unigram
(a share of 1) is burn-in: it is fitted by nothing, and predicted nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

Line = Mapping[str, str]
WALKS = "uih-in-graph"
LEAST, MOST = 0.1, 10.0  # tokens per effective edge that were asked for
LADDER = "catalogue"  # of the models that are judged
FEWEST = 6  # cells that a parabola is fitted to
RIVALS = ("missing edge mass", "counted model")
SCALES = ("per effective edge", *RIVALS, "per item", "tokens")


def share_left(line: Line) -> float:
    """(loss − floor) / (unigram − floor), the unigram with what the ends of documents cost."""
    loss, floor, unigram, ends = (float(line[name]) for name in ("loss", "floor", "unigram", "ends"))
    return (loss - floor) / (unigram + ends - floor)


def collapse(lines: Sequence[Line], rivals: Sequence[Line] = ()) -> list[dict[str, Any]]:
    """Rows of collapse.csv: the share left of held-out catalogues and its prediction, by law and x.

    lo, hi: 95 %, Student's t of how far each fitted catalogue is off (root mean square of logs) when the others predict it.
    rivals: rows of rivals.csv; without them the two rivals that need it are left out. A ladder other than LADDER is predicted
    too, and is in no verdict.
    """
    known = {(r["log"], r["law"], r["tokens"]): r for r in rivals}
    cells = _cells(lines, known)
    rows = []
    for law in dict.fromkeys(cell["law"] for cell in cells):
        own = [cell for cell in cells if cell["law"] == law]
        fitted = [cell for cell in own if cell["role"] == "fitted" and cell["left"] < 1]
        predicted = [cell for cell in own if cell["role"] != "fitted" and cell["left"] < 1]
        for asked in (True, False):
            train = [cell for cell in fitted if cell["asked"] or not asked]
            for name in SCALES:
                usable = [cell for cell in train if name in cell["x"]]
                if len(usable) < FEWEST:
                    continue
                form, (least, most) = _parabola(usable, name), _range(usable, name)
                reach = _reach(usable, name)
                for cell in predicted:
                    if cell["asked"] != asked or name not in cell["x"]:
                        continue
                    place = math.log(cell["x"][name])
                    said = float(np.polyval(form, place))
                    rows.append(
                        {
                            **{"law": law, "x": name, "cell": cell["cell"], "tokens": cell["tokens"], "ladder": cell["ladder"]},
                            **{"per_edge": cell["x"]["per effective edge"], "asked": asked},
                            **{
                                "within_fitted": least <= place <= most,
                                "share_left": cell["left"],
                                "predicted": math.exp(said),
                            },
                            "lo": math.exp(said - reach) if reach is not None else None,
                            "hi": math.exp(said + reach) if reach is not None else None,
                            "error": math.exp(said) / cell["left"] - 1,
                        }
                    )
    return rows


def _cells(lines: Sequence[Line], known: Mapping[tuple[str, str, str], Line]) -> list[dict[str, Any]]:
    """Cells by their means over seeds: share left, and every x that is known and above 0."""
    walks = [line for line in lines if line["set"] == WALKS and line["unigram"] and line["effective_edges"]]
    cells = []
    for key in dict.fromkeys((line["cell"], line["tokens"]) for line in walks):
        own = [line for line in walks if (line["cell"], line["tokens"]) == key]
        first, tokens = own[0], float(own[0]["tokens"])
        x = {"per effective edge": tokens / float(first["effective_edges"])}
        found = known.get((first["log"], first["law"], first["tokens"]), {})
        x |= {
            name: float(found[column]) for name, column in zip(RIVALS, ("missing", "counted"), strict=True) if found.get(column)
        }
        x |= {"per item": tokens / float(first["items"]), "tokens": tokens}
        cells.append(
            {
                **{
                    "law": first["law"],
                    "cell": first["cell"],
                    "log": first["log"],
                    "role": first["role"],
                    "tokens": int(tokens),
                    "ladder": first.get("ladder", ""),
                },
                "left": float(np.mean([share_left(line) for line in own])),
                "x": {name: value for name, value in x.items() if value > 0},
                "asked": LEAST <= x["per effective edge"] <= MOST,
            }
        )
    return cells


def _parabola(cells: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Coefficients, of a line where there are but two values of x."""
    x = [round(math.log(cell["x"][name]), 9) for cell in cells]
    return np.polyfit(x, [math.log(cell["left"]) for cell in cells], min(2, len(set(x)) - 1))


def _range(cells: Sequence[Mapping[str, Any]], name: str) -> tuple[float, float]:
    found = [math.log(cell["x"][name]) for cell in cells]
    return min(found), max(found)


def _reach(cells: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Half the 95 % interval of a prediction, in logs, by leaving one catalogue out at a time; None with fewer than three."""
    logs = list(dict.fromkeys(cell["log"] for cell in cells))
    misses = []
    for log in logs:
        out, others = ([cell for cell in cells if (cell["log"] == log) is left] for left in (True, False))
        if len(others) < 4:
            return None
        form = _parabola(others, name)
        errors = [np.polyval(form, math.log(cell["x"][name])) - math.log(cell["left"]) for cell in out]
        misses.append(float(np.mean(np.square(errors))))
    if len(logs) < 3:
        return None
    return float(stats.t.ppf(0.975, len(logs) - 1) * math.sqrt(np.mean(misses)))
