"""One cell of training of the studies in results/tstr: an arm, a seed and a setting on a set's level, trained to its verdict.

A job takes plain values, runs in any process, and returns the cell's rows; models go to the set's folder, named by their cell.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.arms import ARMS, Setting, recipe, split_of
from benchmarks.tstr.tables import BudgetRow, TrialRow
from preceptor.core import metrics
from preceptor.core.artifact import write_atomic
from preceptor.core.rng import purpose_key
from preceptor.data.rows import Targets, Training
from preceptor.ranking import calibrate, converge, judging
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.models import ModelScorer, NextItemModel, weights_of
from preceptor.ranking.schedule import Schedule

AS_FIRST, AS_TOLD = "as seed 0", "as told"
AT_HOME = "models/at-home.json"  # names of the models that a set's folder was sent away without


@dataclass(frozen=True)
class Cell:
    """What is trained. setting: as `Setting.text`. trial: its model is not kept.

    budget: train for that one alone, a trial's or one that another run has decided; 0: by the rule. told: `as seed 0` or `as
    told`.
    """

    set: str
    level: str
    arm: str
    seed: int
    setting: str
    trial: bool = False
    budget: int = 0
    told: str = ""

    @property
    def words(self) -> str:
        what = f"trial of {self.budget} updates, " if self.trial else ""
        return f"{self.set} {self.level}: {what}{self.arm}, seed {self.seed}, {self.setting}"


def config_of(name: str) -> RankingConfig:
    """What those functions need to know: how many validation targets decide."""
    return RankingConfig(validation_targets=tstr_sets.SETS[name].targets)


def schedule_of(name: str, arm: str) -> Schedule:
    """The budgets by which an arm comes to rest: a quarter and a half of the first, and doublings; the first is doubled in any
    case. An arm that sees no real data may go on once more: it meets nothing twice, and comes to rest later."""
    given = tstr_sets.SETS[name]
    return Schedule(given.first // 4, 2 + given.doublings + (ARMS[arm].real == 0), least=3)


def weights_file(folder: Path, arm: str, seed: int, setting: str) -> Path:
    return folder / "models" / f"{_named(arm, seed, setting)}.safetensors"


def has_weights(folder: Path, arm: str, seed: int, setting: str) -> bool:
    """Whether a run's model is in the set's folder, or, where that has travelled, stayed at home."""
    file, stayed = weights_file(folder, arm, seed, setting), folder / AT_HOME
    return file.exists() or (stayed.exists() and file.name in json.loads(stayed.read_text(encoding="utf-8")))


@functools.lru_cache(maxsize=2)
def seen(folder: Path, name: str) -> calibrate.Offer:
    """The validation targets that decide, with their candidates."""
    validation = Targets.load(folder / "validation")
    return judging.seen(split_of(folder), validation, config_of(name), f"{folder.parent.name}-{folder.name}")


def train_job(cell: Cell, folder: Path, start: str = "", device: str = "cpu") -> list[TrialRow] | list[BudgetRow]:
    """Train a cell. start: file of the weights that it begins with. Returns its row (a trial), or one for each budget."""
    torch.set_num_threads(1)
    given, arm, setting = tstr_sets.SETS[cell.set], ARMS[cell.arm], Setting.read(cell.setting)
    train, offered = split_of(folder), seen(folder, cell.set)
    reached: list[dict[str, float]] = []

    def validate(model: NextItemModel) -> np.ndarray:
        judged = judging.calibrated(ModelScorer(model), False, offered)[1]
        at = {"ndcg10": metrics.ndcg(judged.rank, 10), "recall100": metrics.recall(judged.rank, 100)}
        reached.append({k: float(v.mean()) for k, v in at.items()})
        return judged.nats

    positions = max(2, round(arm.batch * given.positions))
    key = int(purpose_key(cell.seed, f"tstr/{cell.set}/{cell.level}") >> 1)
    schedule = Schedule(cell.budget, 0) if cell.budget else schedule_of(cell.set, cell.arm)
    budgets = f"{schedule.budgets[0]}-{schedule.budgets[-1]}"
    done = converge.train(
        recipe(cell.arm, setting), arm.taught(folder, positions, key), train.n_items, schedule, key, validate,
        offered.targets.user, popularity=train.popularity, weights=load_file(start) if start else None, decay=setting.decay,
        device=device,
        keep=folder / "unfinished" / f"{_named(cell.arm, cell.seed, cell.setting)}-{budgets}.pt",
    )  # fmt: skip
    facts: dict[str, Any] = {"set": cell.set, "level": cell.level, "arm": cell.arm, "setting": cell.setting}
    if cell.trial:
        end = done.ends[-1]
        return [TrialRow(**facts, budget=end.budget, nats=end.nats, updates=end.updates, seconds=end.seconds, **reached[-1])]
    file = weights_file(folder, cell.arm, cell.seed, cell.setting)
    file.parent.mkdir(exist_ok=True)
    write_atomic(file, save(weights_of(done.model)))
    per_update = epochs_per_update(cell, train)
    verdict = cell.told or verdict_of(done, per_update)
    rows = []
    for end, at in zip(done.ends, reached, strict=True):
        own = {k: v for k, v in dataclasses.asdict(end).items() if k not in ("updates", "seconds")}
        rows.append(
            BudgetRow(
                **facts,
                seed=cell.seed,
                chosen=end.budget == done.budget,
                verdict=verdict,
                epochs=end.budget * per_update,
                updates=end.updates,
                seconds=end.seconds,
                **own,
                **at,
            )
        )
    return rows


def epochs_per_update(cell: Cell, train: Training) -> float:
    """The share of the log's next items that an update holds: all of them, at most."""
    # the share of an arm whose batch is halved is that of a whole update, like its budget's
    asked = tstr_sets.SETS[cell.set].positions * ARMS[cell.arm].real
    return min(1.0, asked / max(len(train.item) - train.n_users, 1))


def verdict_of(done: converge.Converged, epochs_per_update: float) -> str:
    """The rule's verdict; none on a budget that hasn't seen all of the log: it can't have come to rest. 0: it sees none."""
    return converge.NO_VERDICT if 0 < done.budget * epochs_per_update < 1 else done.verdict


def _named(arm: str, seed: int, setting: str) -> str:
    return f"{arm}-{seed}-{setting.replace(' ', '-')}"
