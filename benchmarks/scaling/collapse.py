"""Data collapse (design.md §8): small catalogues predict large ones by tokens per effective edge, or by a rival of that.

A parabola of the log of the share left over the log of x is fitted to catalogues of at most 3,000 items, and predicts others. x
is tokens per effective edge; its rivals are the mass of edges that so many tokens haven't met, what a counted model is above
the floor (both by `rivals.py`), tokens per item of the catalogue, and tokens alone. Asked are .1 to 10 tokens per
effective edge: the parabola of that range is fitted there, that of the rest to all tokens. What lies at or above the unigram
(a share of 1) is burn-in: it is fitted by nothing, and predicted nowhere.

Ten tokens per edge are a few dozen updates of a small catalogue, and catalogues differ in how unevenly their items are visited.
So there is one more law, of the uses of each item's edges (`uses.py`). Its three numbers are fitted to all shares below .5 of
the small catalogues, and predict such shares of others from their histories' law alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scaling.uses import Profile, fit, profiles

Line = Mapping[str, str]
Cell = Mapping[str, Any]
WALKS = "uih-in-graph"
LEAST, MOST = 0.1, 10.0  # tokens per effective edge that were asked for
LADDER = "catalogue"  # of the models that are judged
FEWEST = 6  # cells that a parabola is fitted to
RIVALS = ("missing edge mass", "counted model")
SCALES = ("per effective edge", *RIVALS, "per item", "tokens")
USES = "uses of each edge"
BEGUN = 0.5  # the share left of a model that has begun to learn the law


def share_left(line: Line) -> float:
    """(loss − floor) / (unigram − floor), the unigram with what the ends of documents cost."""
    loss, floor, unigram, ends = (float(line[name]) for name in ("loss", "floor", "unigram", "ends"))
    return (loss - floor) / (unigram + ends - floor)


def collapse(lines: Sequence[Line], rivals: Sequence[Line] = (), uses: Sequence[Line] = ()) -> list[dict[str, Any]]:
    """Rows of collapse.csv: the share left of held-out catalogues and its prediction, by law and x.

    lo, hi: 95 %, Student's t of how far each fitted catalogue is off (root mean square of logs) when the others predict it.
    numbers: those of the law of uses, in words.
    rivals, uses: rows of rivals.csv and uses.csv; what needs them is left out without. A ladder other than LADDER is
    predicted too, and is in no verdict.
    """
    known = {(r["log"], r["law"], r["tokens"]): r for r in rivals}
    cells = _cells(lines, known, profiles(uses))
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
        begun, wanted = ([cell for cell in some if cell["left"] < BEGUN] for some in (fitted, predicted))
        rows += _predicted(begun, wanted, USES)
    return rows


def _predicted(fitted: Sequence[Cell], wanted: Sequence[Cell], name: str) -> list[dict[str, Any]]:
    """Rows of cells that are predicted by x, from cells that are fitted; none where these are too few."""
    fitted, wanted = ([cell for cell in some if name in cell["x"]] for some in (fitted, wanted))
    if len(fitted) < FEWEST:
        return []
    (said, numbers), reach = _law(fitted, name), _reach(fitted, name)
    seen = [_place(cell, name) for cell in fitted]
    return [
        {
            **{"law": cell["law"], "x": name, "cell": cell["cell"], "tokens": cell["tokens"], "ladder": cell["ladder"]},
            **{"per_edge": cell["x"]["per effective edge"], "asked": cell["asked"]},
            **{"within_fitted": min(seen) <= _place(cell, name) <= max(seen), "share_left": cell["left"]},
            "predicted": math.exp(said(cell)),
            "lo": math.exp(said(cell) - reach) if reach is not None else None,
            "hi": math.exp(said(cell) + reach) if reach is not None else None,
            "error": math.exp(said(cell)) / cell["left"] - 1,
            "numbers": numbers,
        }
        for cell in wanted
    ]


def _cells(
    lines: Sequence[Line], known: Mapping[tuple[str, str, str], Line], visited: Mapping[tuple[str, str], Profile]
) -> list[Cell]:
    """Cells by their means over seeds: share left, and every x that is known and above 0."""
    walks = [line for line in lines if line["set"] == WALKS and line["unigram"] and line["effective_edges"]]
    cells: list[Cell] = []
    for key in dict.fromkeys((line["cell"], line["tokens"]) for line in walks):
        own = [line for line in walks if (line["cell"], line["tokens"]) == key]
        first, tokens = own[0], float(own[0]["tokens"])
        x: dict[str, Any] = {"per effective edge": tokens / float(first["effective_edges"])}
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
                "x": {name: value for name, value in x.items() if value > 0} | _profile(visited, first),
                "asked": LEAST <= x["per effective edge"] <= MOST,
            }
        )
    return cells


def _profile(visited: Mapping[tuple[str, str], Profile], line: Line) -> dict[str, Profile]:
    found = visited.get((line["log"], line["law"]))
    return {} if found is None else {USES: found}


def _law(cells: Sequence[Cell], name: str) -> tuple[Callable[[Cell], float], str]:
    """The log of the share left of a cell, by the law of uses, else a parabola, or a line where there are but two x; and the
    numbers of the law of uses in words, else nothing."""
    if name == USES:
        law = fit([(cell["tokens"], cell["x"][USES], cell["left"]) for cell in cells])
        numbers = f"{law.least:.2f} uses, a power of {law.power:.2f}, a start of {law.start:,.0f} tokens"
        return lambda cell: math.log(law.left(cell["tokens"], cell["x"][USES])), numbers
    x = [round(_place(cell, name), 9) for cell in cells]
    form = np.polyfit(x, [math.log(cell["left"]) for cell in cells], min(2, len(set(x)) - 1))
    return lambda cell: float(np.polyval(form, _place(cell, name))), ""


def _place(cell: Cell, name: str) -> float:
    """The log of a cell's x; of the law of uses, those of an edge in the middle of the nats."""
    if name == USES:
        return math.log(cell["tokens"]) - float(cell["x"][USES].nats @ np.log(cell["x"][USES].every))
    return math.log(cell["x"][name])


def _reach(cells: Sequence[Cell], name: str) -> float | None:
    """Half the 95 % interval of a prediction, in logs, by leaving one catalogue out at a time; None with fewer than three."""
    logs = list(dict.fromkeys(cell["log"] for cell in cells))
    misses = []
    for log in logs:
        out, others = ([cell for cell in cells if (cell["log"] == log) is left] for left in (True, False))
        if len(others) < 4:
            return None
        said, _ = _law(others, name)
        misses.append(float(np.mean([(said(cell) - math.log(cell["left"])) ** 2 for cell in out])))
    if len(logs) < 3:
        return None
    return float(stats.t.ppf(0.975, len(logs) - 1) * math.sqrt(np.mean(misses)))
