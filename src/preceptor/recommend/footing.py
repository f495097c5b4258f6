"""What all arms have in common: the same targets after the same histories, the same candidates, and the law.

Candidates X(h) are those of the ranking models: items with a training interaction, less the history where items don't repeat.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core import rng
from preceptor.core.disk import load_array
from preceptor.data.log import Targets, TrainSplit
from preceptor.generator import events
from preceptor.generator.dense import LawScorer
from preceptor.generator.mixture import Mixture
from preceptor.ranking import calibrate
from preceptor.ranking.calibrate import Offer
from preceptor.ranking.evaluate import Scorer

VALIDATION, TEST = "validation", "test"
_CELLS, _LEAST = 1 << 24, 500  # probabilities of an arm held at a time, and targets that are ranked in any catalogue


@dataclass(frozen=True)
class Ground:
    """What decides targets and candidates, as plain values and paths: every process opens it for itself.

    data: folder with train/, validation/ and test/. ranking: folder of that stage, which has judged the same targets of the
    split. law: folder of the generator's law, or None. repeats: whether items may come again. parts: of the data. targets: at
    most so many of each.
    """

    data: str
    ranking: str
    split: str
    law: str | None
    repeats: bool
    parts: tuple[str, ...]
    targets: int
    seed: int


@dataclass(frozen=True)
class Part:
    """Targets of a part. number: int64 [n], which of the part's they are. law: float32 [n, I] over X(h), or None."""

    number: np.ndarray
    offered: Offer
    law: np.ndarray | None


@functools.lru_cache(maxsize=1)
def train_of(data: str) -> TrainSplit:
    """The training part."""
    return TrainSplit.load(Path(data) / "train")


@functools.lru_cache(maxsize=1)
def opened(ground: Ground) -> dict[str, Part]:
    """The parts by name, validation first, with the law. `forget` what was opened before its files change."""
    law = None if ground.law is None else Mixture.load(Path(ground.law))
    found = {}
    for name, part in without_law(ground).items():
        found[name] = Part(part.number, part.offered, None if law is None else over(LawScorer(law), part.offered))
    return found


def without_law(ground: Ground) -> dict[str, Part]:
    """The parts by name, with targets and candidates alone."""
    train = train_of(ground.data)
    found = {}
    for name in ground.parts:
        targets = Targets.load(Path(ground.data) / name)
        number = sample(name, judged_numbers(ground, name, len(targets)), train.n_items, ground)
        offered = calibrate.offer(events.select(targets, number), train.popularity, ground.repeats)
        found[name] = Part(number, offered, None)
    return found


def forget() -> None:
    """Drop what this process has open."""
    opened.cache_clear()
    train_of.cache_clear()


def judged_numbers(ground: Ground, part: str, count: int) -> np.ndarray:
    """Numbers of a part's `count` targets that the ranking stage has judged: all of them, or of validation a sample."""
    rows = Path(ground.ranking) / "ranks" / ground.split / part / "rows.npy"
    return load_array(rows) if rows.exists() else np.arange(count)


def sample(part: str, numbers: np.ndarray, n_items: int, ground: Ground) -> np.ndarray:
    """Those that are ranked here, in order: a keyed sample."""
    limit = min(ground.targets, max(_LEAST, _CELLS // max(n_items, 1)))
    return np.sort(numbers[rng.permutation(ground.seed, f"recommend/{part}", len(numbers))[:limit]])


def over(law: Scorer, offered: Offer) -> np.ndarray:
    """The probabilities that a law gives to X(h), renormalised, float32 [n, I]."""
    return calibrate.probabilities(calibrate.dense(law, offered, log=True), calibrate.RAW, offered)
