"""Sweeps whose larger runs are known: the repository's own tables of points, those read off papers, and public ones.

    from benchmarks.scaling.sweeps import sweeps

A sweep is one evaluation set of one study. Sweeps of a study share runs or an author, so they are left out together.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.scaling.cells import SHARED
from preceptor.scaling.burn_in import burn_in
from preceptor.scaling.law import NO_LAW
from preceptor.scaling.points import Points

ROOT = Path(__file__).parents[2]
FEWEST = 5  # of Chinchilla's points, by tokens per parameter: left out, as Besiroglu et al. (2404.10102) do
SKIPPED = {"cf-permuted"}  # a control
DECAYED = 2  # budgets of the paper's curves that carry the decay of the learning rate, and so are no points of the same curve
PAPER = "scaling-digitised"  # its UIH Full is one curve, where ours adds two (NO_LAW)


@dataclass(frozen=True)
class Sweep:
    """Points of one set, after the burn-in where a unigram is known. since: run after τ was pooled; it checks bands alone."""

    study: str
    name: str
    points: Points
    since: bool = False


def sweeps() -> list[Sweep]:
    """Every sweep at hand. Chinchilla's points are left out, with a word, where PRECEPTOR_SHARED_DATA has none."""
    found = [*_own(), *_representation(), *_studies(), *_chinchilla()]
    return [replace(s, points=burn_in(s.points)[0]) for s in found]


def _own() -> Iterator[Sweep]:
    for path in [ROOT / "results" / study / "points.csv" for study in ("quick", "ablation", PAPER)]:
        with open(path, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        arms: dict[str, list[dict[str, str]]] = {}
        for r in rows:
            arms.setdefault(r.get("study", ""), []).append(r)
        for arm, of in arms.items():
            points = Points.of({k: [r[k] for r in of] for k in of[0]}, path)
            for name in points.sets:
                if name not in SKIPPED and (name not in NO_LAW or path.parent.name == PAPER):
                    part = points.of_set(name)
                    if path.parent.name == PAPER:
                        part = part.where(part.tokens < np.unique(part.tokens)[-DECAYED])
                    yield Sweep(path.parent.name, f"{arm or path.parent.name} {name}", part)


def _representation() -> Iterator[Sweep]:
    """One size at five budgets per arm."""
    with open(ROOT / "results" / "representation" / "points.csv", encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f))
    arms: dict[str, list[dict[str, str]]] = {}
    for r in rows:
        arms.setdefault(" ".join(r[k] for k in ("representation", "wording", "batch_tokens", "rate")), []).append(r)
    for arm, of in arms.items():
        columns = {k: [r[k] for r in of] for k in ("params", "tokens", "floor", "unigram")}
        points = Points.of(columns | {"loss": [r["nats_per_item"] for r in of], "run": [arm] * len(of)})
        yield Sweep("representation", f"representation {arm}", points)


def _studies() -> Iterator[Sweep]:
    """One size per sweep of the studies of results/scaling: on histories of a law, and on people where it was fitted to them,
    for the loss on people turns up as a model learns walks. Run since, and many of one kind: they would drown the others' τ."""
    for study in ("known-floor", "nulls", "known-end", "schedule", "repetition", "collapse"):
        path = ROOT / "results" / "scaling" / study / "points.csv"
        if not path.is_file():
            continue
        with open(path, encoding="utf-8", newline="") as f:
            rows = [r for r in csv.DictReader(f) if r["arm"] in ("", "branches", "endless")]
        cells: dict[tuple[str, str], list[dict[str, str]]] = {}
        for r in rows:
            if r["set"] == "uih-in-graph" or r["law"] == "mixture":
                cells.setdefault((r["cell"], r["set"]), []).append(r)
        for (cell, name), of in cells.items():
            columns = {k: [r[k] for r in of] for k in ("params", "tokens", "loss", "set", "unit", "floor", "unigram", "seed")}
            points = Points.of(columns | {"run": [f"{cell}, seed {r['seed']}" for r in of]}, path)
            yield Sweep("studies", f"{study}: {cell} {name}", points, since=True)


def _chinchilla() -> Iterator[Sweep]:
    path = SHARED / "scaling" / "chinchilla_points.csv"
    if not path.is_file():
        print(f"without Chinchilla's points: no {path}")
        return
    points = Points.read(path)
    kept = np.sort(np.argsort(points.tokens / points.params)[FEWEST:])
    yield Sweep("chinchilla", "chinchilla", points.where(kept))
