"""Tables and pictures of the study of biases and knobs (study.py): means over the judging seeds, with intervals."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from preceptor.core.artifact import write_atomic
from preceptor.core.statistics import mean_interval
from preceptor.report.drawing import colour, document

MEASURES = ("tv", "js", "overlap", "undefined", "exposure_tv", "popularity_drift", "promotion_drift", "shelf_drift")
WALKS = ("walks_tv", "walks_popularity_drift", "walks_promotion_drift", "walks_shelf_drift", "walks_gini")
OWN_DRIFT = {"popularity": "popularity_drift", "exposure": "promotion_drift", "position": "shelf_drift"}
Row = Mapping[str, Any]
Condition = tuple[str, str, float]


def write(points: Sequence[Row], limits: Sequence[Row], chosen: Mapping[Condition, Any], out: Path) -> None:
    """points.csv (every market and arm), knobs.csv, ceilings.csv, logs.csv, choices.csv and two figures."""
    out.mkdir(parents=True, exist_ok=True)
    logs = ("log_gini", "true_gini", "log_tv", "log_popularity_drift", "log_promotion_drift", "log_shelf_drift")
    columns = ("family", "bias", "level", "seed", "arm", *MEASURES, *WALKS)
    _csv(out / "points.csv", [{k: row[k] for k in columns} for row in points])
    knobs = summary(points)
    _csv(out / "knobs.csv", knobs)
    plain = [row for row in points if row["arm"] == "plain"]
    _csv(
        out / "logs.csv",
        [
            {**where, "seeds": len(rows), **{k: _mean(rows, k) for k in logs}}
            for where, rows in _groups(plain, ("family", "bias", "level"))
        ],
    )
    _csv(out / "ceilings.csv", list(limits))
    _csv(out / "choices.csv", list(_choices(chosen)))
    write_atomic(out / "drifts.svg", drifts(knobs))
    write_atomic(out / "distances.svg", against_dial(points))


def summary(points: Sequence[Row]) -> list[dict[str, Any]]:
    """A row for every condition and arm: means over seeds, and paired differences from the plain graph of the same log and
    from the same arm on the unbiased log of the same people (95 % t intervals over seeds)."""
    by = {(r["family"], r["bias"], r["level"], r["seed"], r["arm"]): r for r in points}
    found = []
    for where, rows in _groups(points, ("family", "bias", "level", "arm")):
        line: dict[str, Any] = {**where, "seeds": len(rows), **{k: _mean(rows, k) for k in (*MEASURES, *WALKS)}}
        for measure in ("tv", "overlap", "walks_tv"):
            plain = [r[measure] - by[r["family"], r["bias"], r["level"], r["seed"], "plain"][measure] for r in rows]
            free = [r[measure] - by[r["family"], "none", 0.0, r["seed"], r["arm"]][measure] for r in rows]
            for name, apart in (("over_plain", plain), ("over_unbiased", free)):
                mean = mean_interval(apart)
                line |= {f"{measure}_{name}": mean.value}
                line |= {f"{measure}_{name}_lo": mean.lo, f"{measure}_{name}_hi": mean.hi}
        found.append(line)
    return found


def _groups(rows: Sequence[Row], keys: Sequence[str]) -> list[tuple[dict[str, Any], list[Row]]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[k] for k in keys), []).append(row)
    return [(dict(zip(keys, where, strict=True)), group) for where, group in found.items()]


def _mean(rows: Sequence[Row], key: str) -> float:
    return float(np.mean([row[key] for row in rows]))


def _choices(chosen: Mapping[Condition, Any]) -> Any:
    for (family, name, level), by in chosen.items():
        for criterion, settings in by.items():
            shown = {k: settings.get(k, default) for k, default in _SHOWN.items()}
            yield {"family": family, "bias": name, "level": level, "criterion": criterion, **shown}


_SHOWN = {
    "weight": "count", "shrinkage": 0.0, "gamma": 1.0, "window": 0, "directed": False, "min_users": 1, "top_k": 0,
    "policy": "first-order", "start": "uniform", "start_gamma": 1.0,
}  # fmt: skip


def _csv(path: Path, rows: Sequence[Row]) -> None:
    def cell(value: Any) -> Any:
        return "" if value is None else round(value, 4) if isinstance(value, float) else value

    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: cell(v) for k, v in row.items()} for row in rows)


_ARMS = (
    "plain", "weight cosine", "weight lift", "weight lift, shrunk", "weight rp3beta", "gamma 0.5", "gamma 2", "window 10",
    "window 3", "directed", "min users 2", "min users 5", "top 50", "node2vec", "history", "defaults",
)  # fmt: skip
_STYLE = {"none": ("ink", "|"), "popularity": ("real", "o"), "position": ("synthetic", "s"), "exposure": ("third", "D")}


def drifts(knobs: Sequence[Row]) -> str:
    """For every arm the drift that each bias, at its strongest, leaves in its own direction (fair family)."""

    def plot(axes: list[Axes]) -> None:
        for panel, (name, measure) in zip(axes, OWN_DRIFT.items(), strict=True):
            for bias, level in (("none", 0.0), (name, 1.0)):
                rows = {r["arm"]: r for r in knobs if (r["family"], r["bias"], r["level"]) == ("fair", bias, level)}
                hue, mark = _STYLE[bias]
                values = [rows[a][measure] for a in _ARMS]
                panel.plot(values, range(len(_ARMS)), mark, color=colour(hue), markersize=7 if mark == "|" else 5)
            panel.axvline(0, color=colour("soft"), linewidth=0.8)
            panel.set_yticks(range(len(_ARMS)), _ARMS if panel is axes[0] else [""] * len(_ARMS))
            panel.invert_yaxis()
            panel.set_title(f"{name} bias 1 (mark), none (bar)")
            panel.set_xlabel(measure.replace("_", " ") + " from the truth")

    said = "Drift of the next item towards popular, front-of-page and promoted items by knob; 0 is the truth. " + "; ".join(
        f"{r['arm']}, {r['bias']}: {r[OWN_DRIFT[r['bias']]]:.3f}"
        for r in knobs
        if r["family"] == "fair" and r["level"] == 1.0 and r["bias"] in OWN_DRIFT and r["arm"] in _ARMS
    )
    return document("unbiased-drifts", "Which knob removes which drift", said, plot, 3, 12.0, 4.6)


def against_dial(points: Sequence[Row]) -> str:
    """Total variation from the truth against the dial of all three biases, for the main arms of both families."""
    arms = {
        "plain": ("plain (count)", "real", "o"),
        "weight cosine": ("cosine", "s4", "^"),
        "weight lift": ("lift", "third", "D"),
        "defaults": ("defaults", "other", "X"),
        "chosen for this bias, by tv": ("chosen for it", "synthetic", "s"),
    }

    def panel(measure: str, family: str) -> Callable[[Axes], None]:
        def plot(axes: Axes) -> None:
            for arm, (said, hue, mark) in arms.items():
                levels, middles, halves = [], [], []
                for level, name in ((0.0, "none"), (0.5, "all three"), (1.0, "all three")):
                    values = [
                        r[measure]
                        for r in points
                        if (r["family"], r["bias"], r["level"], r["arm"]) == (family, name, level, arm)
                    ]
                    mean = mean_interval(values)
                    levels.append(level)
                    middles.append(mean.value)
                    halves.append(mean.value - mean.lo)
                axes.errorbar(levels, middles, halves, color=colour(hue), marker=mark, label=said, capsize=2)
            axes.set_title(f"{family} family")
            axes.set_xlabel("dial of all three biases")
            axes.set_ylabel(
                {"tv": "total variation from the truth", "overlap": "overlap with the truth's 10 likeliest"}[measure]
            )
            axes.set_ylim(0, 1)

        return plot

    panels = [panel(measure, family) for measure in ("tv", "overlap") for family in ("fair", "misleading")]

    def plot(axes: list[Axes]) -> None:
        for one, draw in zip(axes, panels, strict=True):
            draw(one)
        axes[0].legend(loc="lower right")

    said = "Distance from the truth by dial, mean and 95 % interval over the judging seeds."
    return document("unbiased-distances", "Distance from the truth by dial", said, plot, 4, 14.0, 3.6)
