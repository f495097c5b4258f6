"""Is a known floor one of these losses? A few below it may be noise; many, or a whole cell, show that it isn't theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from preceptor.core.progress import quantity
from preceptor.core.statistics import student
from preceptor.scaling.noise import of_set
from preceptor.scaling.points import Points

_CONTRADICTED = 0.1  # share of the points below a floor that shows the floor to be wrong, and not the points noisy
_BY_CHANCE = 0.01  # that any cell's mean lies so far below a floor that is right
_NOT_THEIRS = "which then is none of theirs: is it in the same unit, of the same set? It is left aside, and the floor is fitted"


def against_floor(points: Points, notes: list[str]) -> tuple[Points, float | None]:
    """(the points of a set, their known floor), both without it where they contradict it; `notes` gets what is to be said."""
    floor = points.known_floor()
    below = int(np.sum(points.loss <= floor)) if floor is not None else 0
    if floor is None or not below:
        return points, floor
    why = f"{below} of {len(points)} losses lie below the known floor of {floor:.4g}"
    if below <= max(1, _CONTRADICTED * len(points)):
        cell = _cell_below(points, floor)
        if not cell:
            notes.append(f"{why}: laws of the excess leave them out")
            return points, floor
        why = cell
    notes.append(f"{why}, {_NOT_THEIRS}")
    return replace(points, floor=np.full(len(points), np.nan)), None


def _cell_below(points: Points, floor: float) -> str:
    """The cell whose mean over seeds is farthest below the floor, where that is more than noise; empty where none is.

    Noise is that of the seeds, and, where the table has it, the standard error of what was measured, which all seeds share.
    """
    noise = of_set(points, 0.0)
    if noise is None:
        return ""
    cells = np.unique(np.stack([points.params, points.tokens]), axis=1).T
    limit = student(noise.dof, 1 - _BY_CHANCE / len(cells))
    measured = _standard_errors(points)
    worst, said = limit, ""
    for n, d in cells.tolist():
        rows = (points.params == n) & (points.tokens == d)
        mean, runs = float(points.loss[rows].mean()), int(rows.sum())
        luck = mean * float(np.hypot(noise.run, noise.point)) / np.sqrt(runs)
        off = float(np.hypot(luck, measured[rows].max()))
        if floor - mean > worst * off:
            worst = (floor - mean) / off
            said = (
                f"{runs} runs of {quantity(n)} parameters and {quantity(d)} tokens have a mean loss of {mean:.4g} (standard"
                f" error {off:.2g}), below the known floor of {floor:.4g}"
            )
    return said


def _standard_errors(points: Points) -> np.ndarray:
    """Of what was measured [n], as the table of a study has them; 0 where it has none."""
    for name in ("excess_se", "se"):
        cells = points.extra.get(name)
        if cells is not None:
            return np.array([_number(cell) for cell in cells])
    return np.zeros(len(points))


def _number(cell: object) -> float:
    try:
        value = float(str(cell))
    except ValueError:
        return 0.0
    return value if np.isfinite(value) and value > 0 else 0.0
