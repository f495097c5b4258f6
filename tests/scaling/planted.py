"""Sweeps with planted laws."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from preceptor.scaling.points import Points

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("PRECEPTOR_SHARED_DATA", ROOT.parent / "shared" / "data"))
CHINCHILLA = SHARED / "scaling" / "chinchilla_points.csv"
LAW = {"E": 2.0, "A": 15.0, "alpha": 0.3, "B": 60.0, "beta": 0.4}


def value(params: np.ndarray, tokens: np.ndarray, law: dict[str, float] = LAW) -> np.ndarray:
    return law["E"] + law["A"] * params ** -law["alpha"] + law["B"] * tokens ** -law["beta"]


def sweep(
    n_sizes: int = 4,
    n_budgets: int = 4,
    seeds: int = 1,
    noise: float = 0.0,
    run_noise: float = 0.0,
    floor: float | None = None,
    draw: int = 0,
    law: dict[str, float] = LAW,
) -> Points:
    """A grid of sizes 2e4..7e5 and budgets 3e4..1e6; relative noise of each point and of each run (trunk)."""
    gen = np.random.default_rng(draw)
    rows: dict[str, list[object]] = {k: [] for k in ("params", "tokens", "loss", "run", "seed", "set")}
    for i, n in enumerate(np.geomspace(2e4, 7e5, n_sizes)):
        for s in range(seeds):
            of_run = run_noise * gen.standard_normal()
            for d in np.geomspace(3e4, 1e6, n_budgets):
                loss = value(n, d, law) * np.exp(of_run + noise * gen.standard_normal())
                for k, v in zip(rows, (n, d, loss, f"d{i}-s{s}", s, "uih"), strict=True):
                    rows[k].append(v)
    if floor is not None:
        rows["floor"] = [floor] * len(rows["loss"])
    return Points.of(rows)
