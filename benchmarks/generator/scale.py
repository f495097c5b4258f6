"""Time and memory of choosing a generator as logs grow, and what more events to fit on add: `scores.py --scale`.

Simulated markets whose training parts have 0.1, 1 and 10 M interactions; a process of its own each, which first fits a tiny
market, so that compiling isn't counted. Bank, weights, intervals and sampler tables are made as for a study (`singles` off).
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

import preceptor.market.source  # noqa: F401  registers market:
from preceptor.core.tables import row
from preceptor.data.log import Split
from preceptor.data.read import read
from preceptor.generator import choice, em, events, made, sampler, score
from preceptor.generator import fit as fitting
from preceptor.generator.config import GeneratorConfig
from preceptor.ranking.evaluate import subsample

ITEMS = {100_000: 10_000, 1_000_000: 30_000, 10_000_000: 100_000}
RUNS = [(rows, 20_000) for rows in ITEMS] + [(1_000_000, 5_000), (1_000_000, 60_000)]  # of the last: what more events add
TARGETS = 20_000


@dataclass(frozen=True)
class ScaleRow(row.Row):
    """One fit. interactions, users, items: of the training part; events: on which the weights were fitted, at most `cap`.

    fit_nats: cross-fitted on these events; nats: on validation targets of the same market (a keyed sample of TARGETS, those
    inside X(h)), with its 95 % interval over users. prior: weight of the priors; groups: that of each group of components.
    graphs, edges: of the law.
    seconds, cpu_seconds: of the fit, and of the sampler's tables; before_mib, peak_mib: peak resident memory of the process
    before the fit, and at the end of the tables.
    """

    FILE: ClassVar[str] = "scale.csv"
    interactions: int
    users: int
    items: int
    cap: int
    events: int
    fit_nats: float
    nats: float
    lo: float
    hi: float
    prior: float
    groups: str
    graphs: int
    edges: int
    fit_seconds: float
    fit_cpu_seconds: float
    tables_seconds: float
    tables_cpu_seconds: float
    before_mib: int
    peak_mib: int


def study(script: str, work: Path, out: Path) -> None:
    """Every run in a process of its own, by the module `script`; scale.csv has a row of each."""
    rows: list[ScaleRow] = []
    for interactions, cap in RUNS:
        folder = work / f"scale-{interactions}-{cap}"
        command = [sys.executable, "-m", script, "--scale-one", str(interactions), str(cap), "--work", str(folder)]
        subprocess.run(command, check=True)
        rows += row.read(folder, ScaleRow)
        out.mkdir(parents=True, exist_ok=True)
        row.write(out, ScaleRow, rows)
        print(row.text(ScaleRow, rows[-1:]), flush=True)


def one(interactions: int, cap: int, folder: Path) -> None:
    """One run, written to FOLDER/scale.csv."""
    config = GeneratorConfig(max_events=cap)
    _fitted(_market(2_000, 100), config)
    split = _market(interactions * 5 // 4, ITEMS[interactions])  # the temporal split keeps 80 % for training
    before = memory()
    fitted, seconds, peak = _fitted(split, config)
    targets = subsample(split.validation, TARGETS, 0)
    targets = events.select(targets, np.flatnonzero(events.inside(targets, fitted.mixture.members, fitted.mixture.repeats)))
    p = em.probability(score.table(fitted.mixture, targets), score.weights_of(fitted.mixture))
    nats = choice.interval_of_mean(-np.log(p), targets.user)
    groups = ", ".join(f"{r.name} {r.weight:.3f}" for r in fitted.weights if r.level == "group")
    counts = (len(split.train.item), len(set(split.train.user.tolist())), int((split.train.popularity > 0).sum()))
    law = (fitted.mixture.prior_share, groups, len(fitted.specs), sum(g.n_edges for g in fitted.mixture.graphs))
    folder.mkdir(parents=True, exist_ok=True)
    made_row = ScaleRow(*counts, cap, fitted.events, fitted.nats, *nats, *law, *seconds, before, peak)
    row.write(folder, ScaleRow, [made_row])


def _market(interactions: int, items: int) -> Split:
    return read(f"market:n_interactions={interactions},n_items={items}").split()


def _fitted(split: Split, config: GeneratorConfig) -> tuple[fitting.Fitted, tuple[float, float, float, float], int]:
    """The law; seconds and CPU-seconds of fitting it and of its tables; and the process's peak memory in MiB."""
    begin = time.perf_counter(), time.process_time()
    fitted = made.fit_law(split.train, config, 1)
    middle = time.perf_counter(), time.process_time()
    sampler.sampler_of(fitted.mixture, split.train, config)
    end = time.perf_counter(), time.process_time()
    seconds = [round(b - a, 1) for part in ((begin, middle), (middle, end)) for a, b in zip(*part, strict=True)]
    return fitted, tuple(seconds), memory()  # type: ignore[return-value]


def memory() -> int:
    """Peak resident memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
