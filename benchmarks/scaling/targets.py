"""What was asked of all scaling studies together, against what their tables hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.scaling.collapse import LADDER, USES
from benchmarks.scaling.ends import holds_zero
from benchmarks.scaling.plan import STUDIES
from benchmarks.scaling.rows import read
from benchmarks.scaling.text import number, percent

Line = Mapping[str, str]
CELL = ("log", "law", "arm", "ladder", "params", "tokens")
NAMES = ("error", "error_two_point", "error_nearest")


def targets(out: Path) -> list[dict[str, str]]:
    """What was asked, what was found, and whether that is what was asked; of the studies that are judged."""
    judged = {
        tuple(row[name] for name in CELL): row
        for study in STUDIES
        for row in read(out / study / "judged.csv")
        if row["set"] == "uih-in-graph"
    }  # a cell of two studies counts once
    ends = [row for study in STUDIES for row in read(out / study / "ends.csv")]
    shares = read(out / "collapse" / "collapse.csv")
    return [_errors(list(judged.values())), _bands(list(judged.values())), _ends(ends), _collapse(shares)]


def _errors(rows: Sequence[Line]) -> dict[str, str]:
    asked = "Median error of held-out cells at most 10 % of the excess, over 12 cells or more, and below both baselines"
    reached = [row for row in rows if not any(math.isnan(float(row[name] or "nan")) for name in NAMES)]
    if not rows:
        return _row(asked, "nothing yet", False)
    error = _median(rows, "error")
    mine, line, near = (_median(reached, name) for name in NAMES)
    own, of_line, of_near = (percent(str(e), digits=2) for e in (mine, line, near))
    found = (
        f"{percent(str(error))} over {len(rows)} cells; over the {len(reached)} that both baselines reach {own},"
        f" against {of_line} (line) and {of_near} (nearest)"
    )
    return _row(asked, found, error <= 0.1 and len(rows) >= 12 and bool(reached) and mine < min(line, near))


def _bands(rows: Sequence[Line]) -> dict[str, str]:
    asked = "95 % bands that hold 90 % of the held-out runs, on three logs or more, with an interval score below the baselines'"
    banded = [row for row in rows if row["covered"]]
    scored = [row for row in banded if row["score_two_point"] and row["score_nearest"]]
    if not banded:
        return _row(asked, "nothing yet", False)
    of, runs = sum(int(row["covered_of"]) for row in banded), sum(int(row["runs"]) for row in rows)
    held, logs = sum(int(row["covered"]) for row in banded), {row["log"] for row in banded}
    mine, line, near = (
        float(np.mean([float(row[name]) for row in scored])) if scored else math.nan
        for name in ("score", "score_two_point", "score_nearest")
    )
    found = (
        f"{held} of {runs} runs, of which {of} have a band, on {len(logs)} log(s);"
        f" score {number(str(mine))} against {number(str(line))} (line) and"
        f" {number(str(near))} (nearest) over {len(scored)} cells"
    )
    return _row(asked, found, held >= 0.9 * runs and len(logs) >= 3 and mine < min(line, near))


def _ends(rows: Sequence[Line]) -> dict[str, str]:
    asked = "The free end of T holds 0 with a half-width of at most .05 nats, on two logs"
    known = [row for row in rows if row["T_end"]]
    logs = sorted({row["log"] for row in known if holds_zero(row)})
    narrowest = min(((float(r["T_end_hi"]) - float(r["T_end_lo"])) / 2 for r in known if r["T_end_hi"]), default=math.nan)
    found = (
        f"on {len(logs)} of {len({row['log'] for row in known})} log(s); the smallest half-width is {number(str(narrowest))}"
    )
    return _row(asked, found if known else "nothing yet", len(logs) >= 2)


def _collapse(rows: Sequence[Line]) -> dict[str, str]:
    asked = "Collapse predicts the share left of 10,000 to 60,000 items within 10 % (first-order laws, .1 to 10 per edge)"
    found, met = [], False
    for name in ("per effective edge", USES):
        keys = (name, "first-order", LADDER, "True")
        own = [r for r in rows if (r["x"], r["law"], r["ladder"], r["asked"]) == keys and r["cell"].startswith("market")]
        held = sum(abs(float(row["error"])) <= 0.1 for row in own)
        sizes = len({row["cell"].partition(" ")[0] for row in own})
        met |= sizes >= 2 and held == len(own)
        if own:
            worst = max(abs(float(row["error"])) for row in own)
            found.append(f"by {name} {held} of {len(own)} on {sizes} catalogue(s), at most {worst:.0%} off")
    return _row(asked, "; ".join(found) or "nothing yet", met)


def _row(asked: str, found: str, met: bool) -> dict[str, str]:
    return {"asked": asked, "found": found, "met": "met" if met else "not met"}


def _median(rows: Sequence[Line], name: str) -> float:
    return float(np.median([abs(float(row[name])) for row in rows])) if rows else math.nan
