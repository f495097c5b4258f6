"""What a study of results/tstr has to train, what is done, and what may be done next.

A cell waits for what decides its setting, its budget or its first weights: trials come before runs, the real arm's trials
before all others', seed 0 before the other seeds, and the arm that another one follows or begins from before that one.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.arms import ARMS, BIGRAM, PRIMARY, REAL, SIGNAL, UNBIASED, UNBIASED_LAW, WALKS, Setting
from benchmarks.tstr.known import Known
from benchmarks.tstr.sets import SETS, WHOLE, base_of
from benchmarks.tstr.tables import BudgetRow, TrialRow, read
from benchmarks.tstr.train import Cell, schedule_of, weights_file
from preceptor.ranking.trials import BASELINES

BASELINE = "trials of "  # of a task's name, before an untrained ranker's
_ACTUAL = 0.7  # of the updates that the rule allows, what runs have taken so far


@dataclass(frozen=True)
class Study:
    """sets; arms that are trained on all of them, and `more` on some; seeds. levelled: at the sets' levels, in place of whole.

    again: one seed more of the real arm, for real ⊕ real. raw: rankers that are also shown without calibration. left_out: arms
    that are not trained at an axis' levels. only: levels that it is cut down to, where any are named.
    """

    name: str
    sets: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: int
    levelled: bool = False
    again: bool = False
    raw: tuple[str, ...] = ()
    more: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    def arms_of(self, name: str) -> tuple[str, ...]:
        return (*self.arms, *self.more.get(name, ()))

    def arms_at(self, name: str, level: str) -> tuple[str, ...]:
        """Those of a set's arms that are trained at a level."""
        return tuple(arm for arm in self.arms_of(name) if arm not in self.left_out.get(tstr_sets.axis_of(level), ()))

    def levels_of(self, name: str) -> tuple[str, ...]:
        levels = SETS[name].levels if self.levelled else (WHOLE,)
        return tuple(level for level in levels if level in self.only) if self.only else levels


FINALISTS = (REAL, WALKS, SIGNAL, PRIMARY, BIGRAM)  # beside real ⊕ generator, which is put together and not trained
GRU = ("real-gru4rec", "real+signal-50-gru4rec")
MAP = (REAL, WALKS, SIGNAL, PRIMARY)
FIVE = ("ml-100k", "ml-latest-small", "amazon-games", "amazon-office", "market")
STUDIES = {
    "screen": Study("screen", ("ml-100k",), tuple(ARMS), 1, again=True, raw=(REAL, WALKS, SIGNAL)),
    "finalists": Study("finalists", FIVE, FINALISTS, 3, raw=(REAL, WALKS, SIGNAL), more={"ml-100k": GRU, "amazon-office": GRU}),
    "biased": Study(
        "biased", ("market-biased",), (REAL, SIGNAL, PRIMARY, UNBIASED), 3, raw=(REAL, SIGNAL, UNBIASED, UNBIASED_LAW)
    ),
    "sparsity": Study(
        "sparsity", ("amazon-games", "market"), MAP, 3, True, raw=(REAL, WALKS, SIGNAL), left_out={"lengths": (PRIMARY,)}
    ),  # what the primary arm is for is how many real interactions samples are worth, which is asked along users alone
}


@dataclass(frozen=True)
class Task:
    """A cell to train, or something that cells need: the split, a control law, the trials of a baseline."""

    set: str
    level: str
    what: str
    cell: Cell | None = None
    start: str = ""

    @property
    def words(self) -> str:
        return self.cell.words if self.cell else f"{self.set} {self.level}: {self.what}"


@dataclass(frozen=True)
class Missing:
    """Cells that are not trained yet, those included whose setting isn't decided. minutes: of a core, at most."""

    cells: int
    minutes: float


@dataclass(frozen=True)
class Plan:
    """A study on some of its sets, with what is done by now (read from `out` and `work` each time)."""

    study: Study
    sets: tuple[str, ...]
    out: Path
    work: Path

    def ready(self) -> list[Task]:
        """What can be done now, in the order in which it should be."""
        found: dict[Task, None] = {}
        known = Known(self.out, self.work)
        for name in self.sets:
            for task in self._tasks(name, known):
                found.setdefault(task)
        return list(found)

    def missing(self, name: str) -> Missing | None:
        """What a set lacks, or None where nothing is."""
        known, cells, minutes = Known(self.out, self.work), 0, 0.0
        base = base_of(name)
        for arm in self.study.arms_of(name):
            for trial in known.trials_left(base, arm):
                cells += 1
                minutes += _minutes(base, WHOLE, arm, trial.budget, self)
        for level in self.study.levels_of(name):
            for arm in self.study.arms_at(name, level):
                for seed in self.seeds_of(arm):
                    if not known.done(name, level, arm, seed):
                        cells += 1
                        minutes += _minutes(name, level, arm, _updates_left(name, level, arm, seed, known), self)
            folder = tstr_sets.folder_of(name, level, self.work)
            if not (tstr_sets.prepared(folder) and all((folder / n).exists() for n in self._needs(name))):
                cells += 1
        return Missing(cells, minutes) if cells else None

    def seeds_of(self, arm: str) -> range:
        return range(self.study.seeds + (self.study.again and arm == REAL))

    def setting(self, name: str, arm: str) -> Setting | None:
        """The setting that trials have decided for an arm of a set, or None."""
        return Known(self.out, self.work).setting(base_of(name), arm)

    def trained(self, name: str, level: str, arm: str) -> bool:
        """Whether an arm has nothing left to train on a set's level, trials included."""
        known = Known(self.out, self.work)
        return self.tried(name, arm) and all(known.done(name, level, arm, seed) for seed in self.seeds_of(arm))

    def tried(self, name: str, arm: str) -> bool:
        """Whether the setting of a set's arm is decided."""
        return not Known(self.out, self.work).trials_left(base_of(name), arm)

    def _needs(self, name: str) -> Iterator[str]:
        """Files that a level's folder must have, once it is prepared, before it can be judged."""
        for arm in self.study.arms_of(name):
            if ARMS[arm].needs:
                yield f"{ARMS[arm].needs}.made"
        for baseline in self._baselines(name):
            yield f"baselines/{baseline}.json"

    def _baselines(self, name: str) -> list[str]:
        return [
            b for b in BASELINES if b != "ease" or name not in ("amazon-games", "market", "market-biased", "ml-latest-small")
        ]

    def _tasks(self, name: str, known: Known) -> Iterator[Task]:
        base = base_of(name)
        yield from self._trials(base, name, known)
        for level in self.study.levels_of(name):
            folder = tstr_sets.folder_of(name, level, self.work)
            if not tstr_sets.prepared(folder):
                yield Task(name, level, "split")
                continue
            made = True
            for arm in self.study.arms_of(name):
                need = ARMS[arm].needs
                if need and not (folder / f"{need}.made").exists():
                    made = False
                    yield Task(name, level, need)
            for baseline in self._baselines(name):
                if not (folder / "baselines" / f"{baseline}.json").exists():
                    yield Task(name, level, f"{BASELINE}{baseline}")
            for seed in range(self.study.seeds + self.study.again):
                for arm in self.study.arms_at(name, level):
                    if seed in self.seeds_of(arm) and (made or not ARMS[arm].needs) and not known.done(name, level, arm, seed):
                        yield from self._run(name, level, arm, seed, known)

    def _trials(self, base: str, name: str, known: Known) -> Iterator[Task]:
        """Trials that are left of a set's arms, made on the whole of `base`."""
        folder = tstr_sets.folder_of(base, WHOLE, self.work)
        left = [arm for arm in self.study.arms_of(name) if known.trials_left(base, arm)]
        if not left:
            return
        if not tstr_sets.prepared(folder):
            yield Task(base, WHOLE, "split")
            return
        real = known.setting(base, REAL)
        for arm in left:
            if arm != REAL and real is None:
                continue
            if ARMS[arm].needs and not (folder / f"{ARMS[arm].needs}.made").exists():
                yield Task(base, WHOLE, ARMS[arm].needs)
                continue
            start = self._start(base, WHOLE, arm, 0, known)
            if start is None:
                continue
            for trial in known.trials_left(base, arm):
                if trial.setting is not None:
                    yield Task(base, WHOLE, "", Cell(base, WHOLE, arm, 0, trial.setting.text, True, trial.budget), start)

    def _run(self, name: str, level: str, arm: str, seed: int, known: Known) -> Iterator[Task]:
        """The run of an arm and seed, where all that it waits for is there."""
        setting = known.setting(base_of(name), arm)
        start = self._start(name, level, arm, seed, known)
        if setting is None or start is None:
            return
        decided = known.told(name, level, arm, seed)
        if decided is None:
            return
        yield Task(name, level, "", Cell(name, level, arm, seed, setting.text, False, *decided), start)

    def _start(self, name: str, level: str, arm: str, seed: int, known: Known) -> str | None:
        """The file of the weights that an arm begins from; empty for fresh ones; None while it isn't there."""
        begins = ARMS[arm].begins
        if not begins:
            return ""
        if not known.done(name, level, begins, seed):
            return None
        chosen = known.setting(base_of(name), begins)
        assert chosen is not None
        return str(weights_file(tstr_sets.folder_of(name, level, self.work), begins, seed, chosen.text))


def minutes_of(cell: Cell, plan: Plan) -> float:
    """Core-minutes of a cell, at most."""
    return _minutes(cell.set, cell.level, cell.arm, cell.budget or _most(cell.set, cell.arm), plan)


def _updates_left(name: str, level: str, arm: str, seed: int, known: Known) -> float:
    """What a run will take: through every budget, or one alone, where another run decides it."""
    decided, follows = known.told(name, level, arm, seed), ARMS[arm].follows
    if decided is None:
        leads, factor = follows or (arm, 1)
        return _ACTUAL * schedule_of(name, leads).budgets[-1] * factor
    return decided[0] or _ACTUAL * _most(name, arm)


def _most(name: str, arm: str) -> int:
    """Updates through every budget of an arm: the trunk of the last, and a branch for each."""
    schedule = schedule_of(name, arm)
    last = schedule.trunk(schedule.budgets[-1])
    return last + sum(b - schedule.trunk(b) for b in schedule.budgets)


def _minutes(name: str, level: str, arm: str, updates: float, plan: Plan) -> float:
    """By the median pace of the level's runs (a busy machine stretches some), else of the set's trials, else by what is written
    down; both of these are the whole catalogue's, which a thin level has a part of."""
    runs = [r.seconds / r.updates / ARMS[r.arm].batch for r in read(plan.out, BudgetRow) if (r.set, r.level) == (name, level)]
    known = runs or [r.seconds / r.updates for r in read(plan.out, TrialRow) if r.set == name]
    pace = statistics.median(known) if known else SETS[name].pace
    return updates * pace * ARMS[arm].batch / 60
