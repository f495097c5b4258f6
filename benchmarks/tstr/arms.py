"""The trained arms of the studies in results/tstr: what each is taught from, and which settings it may try.

An arm is a SASRec (or a GRU4Rec) under one loss, taught by `teach` from the real log, from synthetic histories, or from both in
a fixed share of every update. What it is put together with is the business of judge.py.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from preceptor.core import rng
from preceptor.core.artifact import write_atomic
from preceptor.data.rows import Targets, Training, TrainRows
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.dense import law_rows
from preceptor.generator.mixture import Mixture
from preceptor.generator.mixture_tables import MixtureTables
from preceptor.graph.graph import Graph
from preceptor.ranking.config import Recipe
from preceptor.ranking.histories import Batch, RealHistories
from preceptor.ranking.synthetic import WalkHistories, tables_for
from preceptor.ranking.teach import Halves, Lesson, Plain, RealWithLaw, Samples, Source, counted_of, law_of_training

LENGTH, LAYERS, HEADS, RATE, WARMUP = 50, 2, 2, 2e-3, 50
LAW_ROWS = "law_rows"  # the law at every training position, as the arm real+law needs it
POOL = 40  # lessons of histories whose whole law is kept: about as many next items as ml-100k has
CHANGED = 0.3  # share of a history that an augmentation takes out, masks or puts in another order

# What trials choose from: the real arm each of these, the others their dropout alone, under the real arm's width and decay.
REAL_DROPOUTS, REAL_DECAYS, REAL_WIDTHS = (0.2, 0.5, 0.35, 0.1, 0.0), (0.0, 0.01, 0.1), (64, 128)
DROPOUTS, FRESH_DROPOUTS = (0.2, 0.5), (0.0, 0.2)


@dataclass(frozen=True)
class Setting:
    """What a trial varies. text: as the tables have it."""

    dropout: float = 0.2
    decay: float = 0.0
    width: int = 64

    @property
    def text(self) -> str:
        return f"dropout={self.dropout:g} decay={self.decay:g} width={self.width}"

    @classmethod
    def read(cls, text: str) -> Setting:
        found = dict(pair.split("=") for pair in text.split())
        return cls(float(found["dropout"]), float(found["decay"]), int(found["width"]))


@dataclass(frozen=True)
class Arm:
    """title: in the tables. taught: its source, given (folder, next items per update, seed). real: share of an update's next
    items that come from the log.

    batch: share of an update's next items that are used at all. begins: the arm whose weights it starts from. follows: (arm,
    factor): its budget is that of another arm times the factor, and not its own to decide. needs: what
    `control_job` or `law_rows_job` makes.
    """

    title: str
    taught: Callable[[Path, int, int], Source]
    real: float = 1.0
    loss: str = "full"
    model: str = "sasrec"
    batch: float = 1.0
    begins: str = ""
    follows: tuple[str, int] | None = None
    needs: str = ""


def recipe(arm: str, setting: Setting) -> Recipe:
    """The model of an arm under a setting."""
    return Recipe(LENGTH, setting.width, LAYERS, HEADS, setting.dropout, RATE, WARMUP, ARMS[arm].loss, ARMS[arm].model)


def settings(arm: str, real: Setting | None, count: int) -> list[Setting]:
    """What an arm tries: `count` settings for the real arm, two dropouts for the others, under width and decay of `real`."""
    if arm == REAL:
        every = [Setting(*v) for v in itertools.product(REAL_DROPOUTS, REAL_DECAYS, REAL_WIDTHS)]
        order = [0, *(1 + i for i in rng.permutation(0, "tstr/trials", len(every) - 1))]
        return [every[i] for i in order[:count]]
    base = real or Setting()
    return [dataclasses.replace(base, dropout=d) for d in (DROPOUTS if ARMS[arm].real else FRESH_DROPOUTS)]


class Augmented:
    """Real histories, each cropped, thinned, or in part reordered."""

    def __init__(self, histories: RealHistories, seed: int) -> None:
        self._histories, self._seed = histories, seed

    def lesson(self, update: int) -> Lesson:
        return Lesson(*self._change(*self._histories.batch(update), update))

    def _change(self, items: np.ndarray, lengths: np.ndarray, update: int) -> Batch:
        draw = rng.generator(self._seed, f"tstr/augmented/{update}")
        rows = [_changed(items[b, : lengths[b]], draw) for b in range(len(items))]
        new = np.array([len(r) for r in rows], np.int32)
        out = np.zeros((len(rows), int(new.max())), np.int32)
        for b, row in enumerate(rows):
            out[b, : len(row)] = row
        return out, new


def _changed(history: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Crop, mask (items taken out) or reorder, each with probability ⅓, as CL4SRec does (arXiv 2010.14395)."""
    n = len(history)
    kind, part = int(draw.integers(3)), max(1, round(CHANGED * n))
    if n <= 2:
        return history
    if kind == 0:
        kept = max(2, n - part)
        begin = int(draw.integers(n - kept + 1))
        return history[begin : begin + kept]
    if kind == 1:
        return np.delete(history, draw.permutation(n)[: min(part, n - 2)])
    begin, out = int(draw.integers(n - part + 1)), history.copy()
    out[begin : begin + part] = draw.permutation(out[begin : begin + part])
    return out


class SoftSamples:
    """Histories of the mixture with the whole law at every next item: a finite pool, since a law of the catalogue is large."""

    def __init__(self, folder: Path, positions: int, seed: int) -> None:
        train, law = split_of(folder), law_of(folder, "law")
        source = _samples(folder, "law", None, positions, seed)
        self._lessons = [source.lesson(k) for k in range(POOL)]
        self._laws: list[np.ndarray] = []
        for lesson in self._lessons:
            self._laws.append(_law_of_lesson(law, lesson, train.n_items))
        self._seed = seed

    def lesson(self, update: int) -> Lesson:
        epoch, place = divmod(update, POOL)
        k = int(rng.permutation(self._seed, f"tstr/soft/{epoch}", POOL)[place])
        return dataclasses.replace(self._lessons[k], law=self._laws[k], share=1.0)


def _law_of_lesson(law: Mixture, lesson: Lesson, n_items: int) -> np.ndarray:
    counted = counted_of(lesson.items, lesson.lengths) if lesson.counted is None else lesson.counted
    row, place = np.nonzero(counted)
    width = lesson.items.shape[1]
    asked = Targets(row.astype(np.int32), lesson.items.ravel(), (row * width).astype(np.int64), row * width + place + 1)
    out = np.empty((len(row), n_items), np.float16)
    for rows, p in law_rows(law, asked):
        out[rows] = p
    return out


@functools.lru_cache(maxsize=2)
def split_of(folder: Path) -> Training:
    """The training part of a set's folder; its rows alone where it has travelled."""
    if TrainRows.kept_in(folder / "train"):
        return TrainRows.load(folder / "train")
    from preceptor.data.log import TrainSplit

    return TrainSplit.load(folder / "train")


@functools.lru_cache(maxsize=4)
def law_of(folder: Path, name: str) -> Mixture:
    """A law of the set: `law`, or a control made from it or from the same log, and kept beside it."""
    return Mixture.load(folder / name)


def law_rows_job(folder: Path) -> str:
    """Make the law at every training position in the set's folder, unless it is there. Too large to travel."""
    if not (folder / f"{LAW_ROWS}.made").exists():
        train = split_of(folder)
        shape = (len(train.item), train.n_items)
        rows = np.lib.format.open_memmap(folder / f"{LAW_ROWS}.npy", "w+", np.float16, shape)
        law_of_training(law_of(folder, "law"), train, rows)
        rows.flush()
        write_atomic(folder / f"{LAW_ROWS}.made", b"")
    return LAW_ROWS


def _real(folder: Path, positions: int, seed: int) -> Source:
    return Plain(RealHistories(split_of(folder), LENGTH, positions, seed))


def _samples(folder: Path, law: str, prior: float | None, positions: int, seed: int) -> Source:
    """Samples of a law: whole (prior None), or its signal alone (0)."""
    train, mixture = split_of(folder), law_of(folder, law)
    tables = tables_for(mixture, train, GeneratorConfig(prior=1.0 if prior is None else prior), LENGTH)
    assert isinstance(tables, MixtureTables)
    return Samples(tables, positions, seed)


def _walks(policy: str) -> Callable[[Path, int, int], Source]:
    def source(folder: Path, positions: int, seed: int) -> Source:
        histories = GeneratorConfig(law="paper", policy=policy, start="popularity")  # type: ignore[arg-type]
        tables = tables_for(Graph.load(folder / "graph"), split_of(folder), histories, LENGTH)
        return Plain(WalkHistories(tables, positions, seed))

    return source


def _law(share: float) -> Callable[[Path, int, int], Source]:
    """Real histories, the exact law at every next item as `share` of the target."""

    def source(folder: Path, positions: int, seed: int) -> Source:
        rows = np.load(folder / f"{LAW_ROWS}.npy", mmap_mode="r", allow_pickle=False)
        return RealWithLaw(split_of(folder), rows, share, LENGTH, positions, seed)

    return source


def _drawn(law: str, prior: float | None) -> Callable[[Path, int, int], Source]:
    return lambda folder, positions, seed: _samples(folder, law, prior, positions, seed)


def _both(share: float, other: Callable[[Path, int, int], Source]) -> Callable[[Path, int, int], Source]:
    """`share` of each update's next items from another source, the rest from the log."""

    def source(folder: Path, positions: int, seed: int) -> Source:
        drawn = round(share * positions)
        return Halves(_real(folder, positions - drawn, seed), other(folder, drawn, seed))

    return source


def _augmented(folder: Path, positions: int, seed: int) -> Source:
    return Augmented(RealHistories(split_of(folder), LENGTH, positions, seed), seed)


_signal = _drawn("law", 0.0)
REAL, WALKS, SIGNAL, PRIMARY, BIGRAM = "real", "walks", "signal", "real+signal-50", "real+bigram"
UNBIASED = "unbiased"
UNBIASED_LAW = "unbiased generator"  # the law that the arm `unbiased` is taught from, scored itself
ARMS: dict[str, Arm] = {
    REAL: Arm("real", _real),
    "real-bce": Arm("real, one negative", _real, loss="bce"),
    "real-adjusted": Arm("real, logit-adjusted", _real, loss="adjusted"),
    "real-gru4rec": Arm("real, GRU4Rec", _real, model="gru4rec"),
    WALKS: Arm("walks, first order", _walks("first-order"), 0.0),
    "node2vec": Arm("walks, node2vec", _walks("node2vec"), 0.0),
    "mixture": Arm("mixture, whole", _drawn("law", None), 0.0),
    SIGNAL: Arm("mixture, signal", _signal, 0.0),
    "soft": Arm("mixture, the law at every item", SoftSamples, 0.0),
    UNBIASED: Arm("mixture `unbiased`, signal", _drawn("unbiased", 0.0), 0.0, needs="unbiased"),
    "signal-then-real": Arm("signal, then real", _real, begins=SIGNAL),
    "real+signal-25": Arm("real + signal, ¼", _both(0.25, _signal), 0.75),
    PRIMARY: Arm("real + signal, ½", _both(0.5, _signal), 0.5),
    "real+signal-75": Arm("real + signal, ¾", _both(0.75, _signal), 0.25),
    "real+signal-50-gru4rec": Arm("real + signal, ½, GRU4Rec", _both(0.5, _signal), 0.5, model="gru4rec"),
    "real+law": Arm("real, the law as half of the target", _law(0.5), needs=LAW_ROWS),
    BIGRAM: Arm("real + smoothed bigram, ½", _both(0.5, _drawn("bigram", None)), 0.5, needs="bigram"),
    "real+rewired": Arm("real + rewired law, ½", _both(0.5, _drawn("rewired", 0.0)), 0.5, needs="rewired"),
    "real+popularity": Arm("real + popularity, ½", _both(0.5, _drawn("popularity", None)), 0.5, needs="popularity"),
    "real+augmented": Arm("real + cropped, thinned, reordered real, ½", _both(0.5, _augmented), 1.0),
    "real-half": Arm("real, half of each update", _real, 0.5, batch=0.5, follows=(PRIMARY, 1)),
    "real-half-double": Arm("real, half of each update, twice as many", _real, 0.5, batch=0.5, follows=(PRIMARY, 2)),
}
