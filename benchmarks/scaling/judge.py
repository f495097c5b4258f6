"""Judge a scaling study: fit what isn't held out, predict what is, and write the tables and the README section.

    python -m benchmarks.scaling.judge known-end        # in results/scaling/known-end; seconds of one core

Reads points.csv and held-out.csv, which was written before anything was trained. Of each log, law, arm and ladder, laws are
fitted to the loss on fresh histories (its end is known), to T where it was measured (its end is 0, and L∞ is free), and to the
loss on real histories among items (with the prior where it is known). What is trained on more tokens than a size's held-out
budget isn't fitted either: that would make an interpolation of the forecast. Forecasts are those of `preceptor plan`: averages
of the forms that can be fitted. Runs that repeat histories are fitted by no law of fresh ones, nor judged by it. Writes:

    judged.csv   every held-out cell: the mean of its runs, the law's forecast, both baselines, errors as shares of the excess
                 (of T: of T; of real losses: of the loss), whether runs lie in the 95 % band, interval scores
    fits.csv     parameters with intervals, and what burn-in left out
    summary.csv  by set: median errors (over all cells, and over those that both baselines reach), coverage, scores, cells, logs
    ends.csv     known-end, sasrec, known-floor: T's free end, least real loss and where, the cost C of the law
    sizes.csv    known-floor: does an N-term lower the error of the sixth size, by ladder and seed
    arms.csv     text: what the N-term is worth to each arm
    recall.csv   known-end: recall at 100 from the loss, one generator left out at a time
    shares.csv, structure.csv, collapse.csv, epochs.csv, layers.csv, effects.csv, order.csv
                 what nulls, collapse, repetition and mixture ask

Baselines: the log-log line of the excess through the last two budgets of a size, and the nearest smaller run. Their 95 % bands
are Student's t times what they missed by at the earlier budgets. Score: width + 40 × the distance to a run outside, in the log
of the loss (Gneiting & Raftery 2007); less is better.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.scaling.collapse import collapse
from benchmarks.scaling.ends import ends, recall
from benchmarks.scaling.plan import SHARED
from benchmarks.scaling.points import WALKS, Line, forecasts, points_of, without_later
from benchmarks.scaling.report import readme
from benchmarks.scaling.rows import read, write
from benchmarks.scaling.sizes import arms, sizes
from benchmarks.scaling.special import TABLES
from benchmarks.scaling.studies import lines_of
from preceptor.core.errors import PreceptorError
from preceptor.core.tables.scaling import Forecast
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.forecast import nearest_smaller, two_point
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points

CONFIG = ScalingConfig(starts=100, bootstraps=200, forecast=False)
GROUP = ("log", "law", "arm", "ladder")
REAL = "real-validation-seen"
T, ITEMS = "T", "real, among items"
MISS = 2 / 0.05
ERRORS = ("error", "error_two_point", "error_nearest")
EACH = "a cosine each"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study")
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    args = parser.parse_args()
    folder = args.out / args.study
    lines = [_arm(line) for line in lines_of(args.study, args.out)]
    held = [line for name in (args.study, *SHARED.get(args.study, ())) for line in read(args.out / name / "held-out.csv")]
    if not lines:
        print(f"{folder / 'points.csv'} has no finished cell", file=sys.stderr)
        return 1
    named = {(line["cell"], line["tokens"]) for line in held}
    judged, fits = [], []
    for group in dict.fromkeys(tuple(line[name] for name in GROUP) for line in lines):
        own = [line for line in lines if tuple(line[name] for name in GROUP) == group]
        for name, of_set in measured(own).items():
            made = judge(group, name, of_set, named)
            judged += made[0]
            fits += made[1]
    write(folder / "judged.csv", judged)
    write(folder / "fits.csv", fits)
    write(folder / "summary.csv", summarise(judged))
    for name, table in TABLES.get(args.study, {}).items():
        write(folder / f"{name}.csv", table(lines))
    if args.study in ("known-end", "sasrec", "known-floor"):
        write(folder / "ends.csv", ends(lines, fits))
    if args.study == "known-end":
        write(folder / "recall.csv", recall(lines))
    if args.study == "known-floor":
        write(folder / "sizes.csv", sizes(lines, named, CONFIG))
    if args.study == "collapse":
        write(folder / "collapse.csv", collapse(lines, read(folder / "rivals.csv"), read(folder / "uses.csv")))
    if args.study == "text":
        write(folder / "arms.csv", arms(fits))
    (folder / "README.md").write_text(readme(args.study, folder), encoding="utf-8")
    print((folder / "README.md").read_text(encoding="utf-8"))
    return 0


def measured(lines: Sequence[Line]) -> dict[str, list[dict[str, str]]]:
    """The rows of each thing that a law is fitted to, with what stands for the loss in the column `loss`."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        if line["set"] == WALKS and line["floor"]:
            found.setdefault(WALKS, []).append(dict(line))
        if line["set"] == REAL and line["kl"]:
            found.setdefault(T, []).append({**line, "loss": line["kl"], "floor": "", "unigram": "", "bigram": "", "ends": ""})
        if line["set"] == REAL and line["trie"]:
            found.setdefault(ITEMS, []).append({**line, "loss": line["trie_prior"] or line["trie"], "floor": ""})
    return found


def judge(
    group: Sequence[str], name: str, lines: Sequence[Line], held: set[tuple[str, str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rows of held-out cells, rows of fitted parameters) of one set of one group; no rows where nothing can be fitted."""
    lines = without_later(lines, held)
    outside = np.array([(line["cell"], line["tokens"]) in held for line in lines])
    points = points_of(lines)
    if outside.all():
        return [], []
    train, test = points.where(~outside), points.where(outside)
    try:
        law = fit(train, CONFIG, test=test if len(test) else None)
    except PreceptorError as error:
        print(f"{', '.join(group)}, {name}: {error}", file=sys.stderr)
        return [], []
    keys = dict(zip(GROUP, group, strict=True)) | {"set": name}
    rows = []
    for params, tokens in sorted({(float(p.params), float(p.tokens)) for p in forecasts(law)}):
        runs = [r for r in forecasts(law) if (r.params, r.tokens) == (params, tokens)]
        rows.append(keys | cell_row(runs, train.where(~train.repeated), end_of(name, train)))
    return rows, [keys | row for row in fit_rows(law)]


def end_of(name: str, train: Points) -> float:
    """What errors are shares above: the known floor; 0 for T, and for real losses, whose end isn't known."""
    return (train.known_floor() or 0.0) if name == WALKS else 0.0


def cell_row(runs: Sequence[Forecast], train: Points, end: float) -> dict[str, Any]:
    """A held-out cell: means over its runs, errors, coverage and scores."""
    first = runs[0]
    actual = float(np.mean([r.actual for r in runs]))
    excess = actual - end
    line, near = two_point(train, first.params, first.tokens, end), nearest_smaller(train, first.params, first.tokens)
    rolled = {"two_point": missed(train, end, True), "nearest": missed(train, end, False)}
    bands = {name: band(value, *rolled[name]) for name, value in (("two_point", line), ("nearest", near))}
    known = [(r.lo, r.hi, r.actual) for r in runs if r.lo is not None and r.hi is not None]
    assert first.predicted is not None
    return {
        "params": first.params,
        "tokens": first.tokens,
        "runs": len(runs),
        "actual": actual,
        "excess": excess,
        "predicted": first.predicted,
        "lo": first.lo,
        "hi": first.hi,
        "by": first.note.partition(";")[0],
        "error": (first.predicted - actual) / excess,
        "error_two_point": (line - actual) / excess,
        "error_nearest": (near - actual) / excess,
        "covered": sum(lo <= came <= hi for lo, hi, came in known) if known else None,
        "covered_of": len(known),
        "score": score(known),
        **{
            f"score_{name}": score([(*ends, r.actual) for r in runs]) if not math.isnan(ends[0]) else None
            for name, ends in bands.items()
        },
    }


def missed(train: Points, end: float, by_line: bool) -> tuple[float, int]:
    """(root mean square of log misses, how many) of a baseline at each budget, predicted from the budgets before it."""
    misses = []
    for n in np.unique(train.params):
        own = train.where(train.params == n)
        for d in np.unique(own.tokens)[2 if by_line else 1 :]:
            before = own.where(own.tokens < d)
            value = two_point(before, float(n), float(d), end) if by_line else nearest_smaller(before, float(n), float(d))
            came = float(own.loss[own.tokens == d].mean())
            if value > 0 and math.isfinite(value):
                misses.append(math.log(value / came))
    return (float(np.sqrt(np.mean(np.square(misses)))), len(misses)) if misses else (math.nan, 0)


def band(value: float, spread: float, count: int) -> tuple[float, float]:
    """The 95 % band of a baseline."""
    if count < 1 or not value > 0:
        return math.nan, math.nan
    reach = float(stats.t.ppf(0.975, count)) * spread
    return value * math.exp(-reach), value * math.exp(reach)


def score(known: Sequence[tuple[float, float, float]]) -> float | None:
    """Mean interval score of (lo, hi, what came), in the log of the loss."""
    if not known:
        return None
    logs = np.log(np.array(known))
    lo, hi, came = logs.T
    return float(np.mean(hi - lo + MISS * np.maximum(lo - came, 0) + MISS * np.maximum(came - hi, 0)))


def fit_rows(law: Law) -> list[dict[str, Any]]:
    """Every parameter of every law."""
    (entry,) = law.sets.values()
    burn = entry.burn_in
    rows = []
    for one in entry.laws:
        for symbol, p in one.parameters.items():
            lo, hi = p.interval or (None, None)
            rows.append(
                {
                    "form": one.form,
                    "params": one.params,
                    "parameter": symbol,
                    "value": p.value,
                    "lo": lo,
                    "hi": hi,
                    "identified": p.identified,
                    "reason": p.reason,
                    "points": one.n,
                    "enters_from": burn.first if burn else None,
                    "left_out": len(burn.dropped) if burn else 0,
                }
            )
    return rows


def summarise(judged: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """By set: the median of absolute errors over cells, coverage over runs, mean scores."""
    rows = []
    for name in dict.fromkeys(row["set"] for row in judged):
        own = [row for row in judged if row["set"] == name]
        banded = [row for row in own if row["covered"] is not None]
        whole = [row for row in banded if None not in (row["score_two_point"], row["score_nearest"])]
        reached = [row for row in own if not any(math.isnan(row[k]) for k in ERRORS)]
        rows.append(
            {
                "set": name,
                "cells": len(own),
                "logs": len({row["log"] for row in own}),
                "laws": len({row["law"] for row in own}),
                "error": _median([row["error"] for row in own]),
                "cells_compared": len(reached),
                **{f"compared_{k}": _median([row[k] for row in reached]) for k in ERRORS},
                "runs": sum(row["runs"] for row in own),
                "runs_with_band": sum(row["covered_of"] for row in banded),
                "covered": sum(row["covered"] for row in banded),
                "cells_scored": len(whole),
                **{k: _mean([row[k] for row in whole]) for k in ("score", "score_two_point", "score_nearest")},
            }
        )
    return rows


def _arm(line: dict[str, str]) -> dict[str, str]:
    """One full cosine for each number of tokens is one arm."""
    return {**line, "arm": EACH} if line["arm"].startswith(EACH) else line


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(np.abs(values))) if len(values) else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


if __name__ == "__main__":
    sys.exit(main())
