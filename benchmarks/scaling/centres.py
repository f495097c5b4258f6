"""Which average of forms forecasts more tokens best at one size: the plan's, and others that were considered.

    python -m benchmarks.scaling.centres   # writes centres.csv and families.csv into results/scaling; a minute of one core

For every cell of the studies (one size, drawn histories, the floor known, no token repeated, finished runs) and every cut of at
least three budgets, the forms are fitted to what is at or below the cut and predict what is above it, up to ten times as far.
`below` are forecasts of budgets below those that a study held out, on which an average may be chosen; `held` are forecasts of
the held-out budgets themselves, on which it may not. The forms are those that a plan averages at one size: `late`, `line` and
`bend` (`preceptor.scaling.forms`). Errors are shares of the excess of a cell's mean over seeds.

families.csv asks whether a joint law or a size's own forecasts more tokens at a size that was trained. All sizes of a sweep are
fitted to budgets at or below a cut, and both kinds predict those up to four times as far, each averaged as a plan averages it
but with equal weights. Errors are of the log of the excess over the known floor, else of the log loss.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.scaling.points import WALKS, points_of
from benchmarks.scaling.rows import read, write
from benchmarks.scaling.sweeps import sweeps
from preceptor.scaling.burn_in import burn_in
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.fit import fit_form
from preceptor.scaling.fit_one import FAMILY
from preceptor.scaling.forms import FORMS
from preceptor.scaling.kinds import cuts, missed
from preceptor.scaling.points import Points
from preceptor.scaling.rolling import WINDOW

FEWEST = 3  # budgets at or below a cut
STARTS = 24
CHECKPOINTS = "one cosine"  # an arm of `schedule` whose points aren't finished runs
AVERAGES = {
    "late": (1.0, 0.0, 0.0),
    "line": (0.0, 1.0, 0.0),
    "bend": (0.0, 0.0, 1.0),
    "late, line": (1 / 2, 1 / 2, 0.0),
    "late, line twice": (1 / 3, 2 / 3, 0.0),
    "late, line, bend (a plan)": (1 / 3, 1 / 3, 1 / 3),
    "late, bend": (1 / 2, 0.0, 1 / 2),
}  # weights of late, line and bend
SPANS = {"one doubling": (0.0, 1.01), "two": (1.01, 2.01), "farther": (2.01, math.inf)}  # doublings beyond the cut


class Guess(NamedTuple):
    """What the forms said of a budget. said: log excess by late, line and bend; came: that of the mean over seeds."""

    held: bool
    doublings: float
    said: tuple[float, ...]
    came: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    args = parser.parse_args()
    found = [g for name in sorted(p.parent.name for p in args.out.glob("*/points.csv")) for g in of_study(args.out / name)]
    rows = summary(found)
    write(args.out / "centres.csv", rows)
    families = of_families()
    write(args.out / "families.csv", families)
    for row in [*rows, *families]:
        print(*row.values(), sep="\t")


def of_study(folder: Path) -> Iterator[Guess]:
    """Every forecast of a study's cells; cells that another study shares count with the first, by its name."""
    held = {(row["cell"], int(row["tokens"])) for row in read(folder / "held-out.csv")}
    lines = [line for line in read(folder / "points.csv") if line["set"] == WALKS and line["floor"]]
    for cell in dict.fromkeys(line["cell"] for line in lines if line["arm"] != CHECKPOINTS):
        points = points_of([line for line in lines if line["cell"] == cell])
        points = burn_in(points.where(~points.repeated))[0] if len(points) else points
        yield from of_cell(points, {tokens for name, tokens in held if name == cell})


def of_cell(points: Points, held: set[int]) -> Iterator[Guess]:
    """Forecasts of one size's budgets from every cut below them."""
    floor, budgets = points.known_floor(), np.unique(points.tokens)
    if floor is None:
        return
    means = [float(np.mean(points.loss[points.tokens == d])) - floor for d in budgets]
    if min(means, default=0.0) <= 0:
        return
    for last in range(FEWEST, len(budgets)):
        train = points.where(points.tokens < budgets[last])
        fits = [fit_form(FORMS[form], train, STARTS) for form in FAMILY["size"]]
        for d, came in zip(budgets[last:], means[last:], strict=True):
            if d <= WINDOW * budgets[last - 1] * (1 + 1e-9):
                logs = tuple(float(np.log(max(fit.predict(points.params[:1], d)[0] - floor, 1e-9))) for fit in fits)
                doublings = float(np.log2(d / budgets[last - 1]))
                yield Guess(int(d) in held, doublings, logs, math.log(came))


def summary(found: Sequence[Guess]) -> list[dict[str, object]]:
    """Errors of every average, by how far beyond the cut; forecasts of shared cells count once."""
    rows: list[dict[str, object]] = []
    once = list(dict.fromkeys(found))
    for part in ("below", "held"):
        for span, (least, most) in SPANS.items():
            some = [g for g in once if g.held == (part == "held") and least < g.doublings <= most]
            for name, weights in AVERAGES.items() if some else ():
                errors = np.array([math.exp(float(np.dot(weights, g.said)) - g.came) - 1 for g in some])
                sizes = np.abs(errors)
                rows.append({
                    "part": part, "beyond": span, "forecasts": len(some), "average": name,
                    "median": f"{np.median(sizes):.4f}", "nine_tenths": f"{np.quantile(sizes, 0.9):.4f}",
                    "signed_median": f"{np.median(errors):+.4f}",
                })  # fmt: skip
    return rows


def of_families() -> list[dict[str, object]]:
    """Median errors of joint laws, of sizes' own and of the average of both, by sweep and by how far beyond the cut."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for sweep in sweeps():
        for one in (one for cut in cuts(sweep.points) for one in missed(sweep.points, cut, ScalingConfig())):
            for name in (f"{sweep.study}: {sweep.name}", "all"):
                span = "one doubling" if one.beyond <= SPANS["one doubling"][1] else "two"
                found.setdefault((name, span), []).append((one.joint, one.own))
    rows: list[dict[str, object]] = []
    for (name, beyond), errors in sorted(found.items(), key=lambda pair: pair[0][0] == "all"):
        joint, own = np.array(errors).T
        medians = {"joint": joint, "own": own, "both": (joint + own) / 2}
        shown = {kind: f"{np.median(np.abs(values)):.4f}" for kind, values in medians.items()}
        rows.append({"sweep": name, "beyond": beyond, "forecasts": len(errors), **shown})
    return rows


if __name__ == "__main__":
    main()
