"""How much of an update of real + signal, half and half, is real at a level of results/tstr: halves.csv.

Each half is made for half the positions. Real histories are batched with their padding, and a log that is smaller than half an
update gives all that it has, so the real share falls below a half where the log is small.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.tstr.arms import ARMS, REAL, SIGNAL
from benchmarks.tstr.sets import SETS
from benchmarks.tstr.tables import HalvesRow
from preceptor.core.rng import purpose_key
from preceptor.ranking.teach import Source, counted_of

UPDATES = 64  # that are looked at, with seed 0


def halves_row(name: str, level: str, folder: Path) -> HalvesRow:
    """What the two halves hold in the first updates of seed 0."""
    positions, key = SETS[name].positions, int(purpose_key(0, f"tstr/{name}/{level}") >> 1)
    drawn = round(0.5 * positions)
    real = next_items(ARMS[REAL].taught(folder, positions - drawn, key), UPDATES)
    synthetic = next_items(ARMS[SIGNAL].taught(folder, drawn, key), UPDATES)
    return HalvesRow(name, level, positions, real, synthetic, real / (real + synthetic))


def next_items(source: Source, updates: int) -> float:
    """Next items that a source teaches per update, mean over the first ones."""
    lessons = [source.lesson(update) for update in range(updates)]
    counted = [counted_of(x.items, x.lengths) if x.counted is None else x.counted for x in lessons]
    return float(np.mean([c.sum() for c in counted]))
