"""Data collapse (design.md §8): small catalogues predict large ones by tokens per effective edge, or by a rival of that.

A parabola of the log of the share left over the log of x is fitted to catalogues of at most 3,000 items, and predicts others. x
is tokens per effective edge; its rivals are the mass of edges that so many tokens haven't met, what a counted model is above
the floor (both by `rivals.py`), tokens per item of the catalogue, and tokens alone. Asked are .1 to 10 tokens per
effective edge: the parabola of that range is fitted there, that of the rest to all tokens. What lies at or above the unigram
(a share of 1) is burn-in: it is fitted by nothing, and predicted nowhere.

Ten tokens per edge are a few dozen updates of a small catalogue. So there is one more x, "per edge, with a start": tokens over
effective edges plus a number of edges that every catalogue costs, whatever its size. That number is fitted with a cubic to all
shares below .8 of the small catalogues, since the same x isn't the same number of tokens per edge there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

Line = Mapping[str, str]
Cell = Mapping[str, Any]
WALKS = "uih-in-graph"
LEAST, MOST = 0.1, 10.0  # tokens per effective edge that were asked for
LADDER = "catalogue"  # of the models that are judged
FEWEST = 6  # cells that a parabola is fitted to
RIVALS = ("missing edge mass", "counted model")
SCALES = ("per effective edge", *RIVALS, "per item", "tokens")
START = "per edge, with a start"
BEGUN = 0.8  # the share left of a model that has begun to learn the law
_STARTS = np.geomspace(100, 100_000, 200)


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
            wanted = [cell for cell in predicted if cell["asked"] == asked]
            for name in SCALES:
                rows += _predicted(train, wanted, name)
        train, wanted = ([cell for cell in some if cell["left"] < BEGUN] for some in (fitted, predicted))
        rows += _predicted(train, wanted, START)
    return rows


def _predicted(fitted: Sequence[Cell], wanted: Sequence[Cell], name: str) -> list[dict[str, Any]]:
    """Rows of cells, predicted over an x by cells that are fitted; none where these are too few."""
    usable = [cell for cell in fitted if name == START or name in cell["x"]]
    if len(usable) < FEWEST:
        return []
    curve, reach = _curve(usable, name), _reach(usable, name)
    places = [curve.place(cell) for cell in usable]
    rows = []
    for cell in wanted:
        if name != START and name not in cell["x"]:
            continue
        place = curve.place(cell)
        said = float(np.polyval(curve.form, place))
        rows.append(
            {
                **{"law": cell["law"], "x": name, "cell": cell["cell"], "tokens": cell["tokens"], "ladder": cell["ladder"]},
                **{"per_edge": cell["x"]["per effective edge"], "asked": cell["asked"], "start": curve.start or None},
                **{"within_fitted": min(places) <= place <= max(places), "share_left": cell["left"]},
                "predicted": math.exp(said),
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
                "edges": float(first["effective_edges"]),
                "x": {name: value for name, value in x.items() if value > 0},
                "asked": LEAST <= x["per effective edge"] <= MOST,
            }
        )
    return cells


@dataclass(frozen=True)
class Curve:
    """The log of the share left over the log of an x. form: coefficients, of the highest power first; start: edges that every
    catalogue costs, 0 where the x knows of none."""

    name: str
    form: np.ndarray
    start: float = 0.0

    def place(self, cell: Cell) -> float:
        """The log of a cell's x."""
        if self.name == START:
            return math.log(cell["tokens"] / (cell["edges"] + self.start))
        return math.log(cell["x"][self.name])

    def misses(self, cells: Sequence[Cell]) -> np.ndarray:
        """Errors of the logs [n] of what cells have left."""
        said = np.polyval(self.form, [self.place(cell) for cell in cells])
        return np.asarray(said - [math.log(cell["left"]) for cell in cells])


def _curve(cells: Sequence[Cell], name: str) -> Curve:
    """The parabola of an x (a line where it has but two values), or the cubic and the start that miss the cells least."""
    if name != START:
        return _polynomial(cells, Curve(name, np.zeros(1)), 2)
    curves = [_polynomial(cells, Curve(name, np.zeros(1), float(start)), 3) for start in _STARTS]
    return min(curves, key=lambda curve: float(np.square(curve.misses(cells)).sum()))


def _polynomial(cells: Sequence[Cell], curve: Curve, degree: int) -> Curve:
    x = [round(curve.place(cell), 9) for cell in cells]
    return replace(curve, form=np.polyfit(x, [math.log(cell["left"]) for cell in cells], min(degree, len(set(x)) - 1)))


def _reach(cells: Sequence[Cell], name: str) -> float | None:
    """Half the 95 % interval of a prediction, in logs, by leaving one catalogue out at a time; None with fewer than three."""
    logs = list(dict.fromkeys(cell["log"] for cell in cells))
    misses = []
    for log in logs:
        out, others = ([cell for cell in cells if (cell["log"] == log) is left] for left in (True, False))
        if len(others) < 4:
            return None
        misses.append(float(np.mean(np.square(_curve(others, name).misses(out)))))
    if len(logs) < 3:
        return None
    return float(stats.t.ppf(0.975, len(logs) - 1) * math.sqrt(np.mean(misses)))
