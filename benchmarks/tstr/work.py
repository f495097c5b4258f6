"""Carrying out a plan of results/tstr: what is ready is done side by side, and every cell is committed as it ends."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Any

from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.arms import ARMS, LAW_ROWS, REAL, law_rows_job
from benchmarks.tstr.plan import BASELINE, Plan, Task
from benchmarks.tstr.tables import BudgetRow, DeviceRow, LevelRow, R, TrialRow, read, replace
from benchmarks.tstr.train import train_job
from preceptor.core import workers
from preceptor.core.artifact import write_atomic
from preceptor.core.deadline import OutOfTime
from preceptor.core.progress import say
from preceptor.core.tables import row

TRIAL_KEY, RUN_KEY = ("set", "level", "arm", "setting", "budget"), ("set", "level", "arm", "seed")
Call = tuple[Callable[..., Any], tuple[Any, ...]]  # a function for the pool, and its arguments


@dataclasses.dataclass(frozen=True)
class Only:
    """What is done of a plan; empty: all. cells: whether models are trained, and what they alone need."""

    levels: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    seeds: tuple[str, ...] = ()
    cells: bool = True

    def allows(self, task: Task) -> bool:
        if self.levels and task.level not in self.levels:
            return False
        cell = task.cell
        if cell is None:
            return self.cells or task.what != LAW_ROWS
        return (
            self.cells
            and (not self.arms or cell.arm in self.arms or (cell.trial and cell.arm == REAL))
            and (not self.seeds or str(cell.seed) in self.seeds)
        )


def at_home(data_root: Path) -> Callable[[Task, Path, Path], Call]:
    """How a task is done where the whole of the package is installed."""

    def call(task: Task, folder: Path, work: Path) -> Call:
        from benchmarks.tstr import controls as tstr_controls
        from benchmarks.tstr import prepare as tstr_prepare
        from benchmarks.tstr import tune as tstr_tune

        if task.cell is not None or task.what == LAW_ROWS:
            return trained("cpu")(task, folder, work)
        if task.what == "split":
            return tstr_prepare.prepare, (task.set, task.level, data_root, work)
        if task.what.startswith(BASELINE):
            return tstr_tune.tune_job, (task.set, folder, task.what.removeprefix(BASELINE))
        return tstr_controls.control_job, (folder, task.what)

    return call


def trained(device: str) -> Callable[[Task, Path, Path], Call]:
    """How a task is done with the light part's packages: cells, on a device, and what they alone need."""

    def call(task: Task, folder: Path, _work: Path) -> Call:
        if task.cell is not None:
            return train_job, (task.cell, folder, task.start, device)
        if task.what == LAW_ROWS:
            return law_rows_job, (folder,)
        raise RuntimeError(f"not made before it was sent: {task.words}")

    return call


def carry_out(pool: Executor, plan: Plan, only: Only, until: float, call: Callable[[Task, Path, Path], Call]) -> None:
    """Do what is ready, as many at a time as there are workers, and commit each as it ends. until: begin nothing after this
    time.time(). call: how a task is done. Cells that the time (`core.deadline`) cuts short are left, and said."""
    running: dict[Future[Any], Task] = {}
    done_here: set[Task] = set()
    short: set[Task] = set()
    while True:
        ready = [t for t in plan.ready() if only.allows(t) and t not in running.values() and t not in short]
        if done_here & set(ready):
            raise RuntimeError(f"done, and still to do: {(done_here & set(ready)).pop()}")
        for task in ready[: workers.count() - len(running)] if time.time() < until else []:
            work, given = call(task, tstr_sets.folder_of(task.set, task.level, plan.work), plan.work)
            running[pool.submit(work, *given)] = task
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            task = running.pop(future)
            try:
                found = future.result()
            except OutOfTime as error:
                say(f"{task.words}: {error.found}")
                short.add(task)
                continue
            commit(task, found, plan)
            done_here.add(task)


def commit(task: Task, found: Any, plan: Plan) -> None:
    """Put what a task returned into the tables."""
    if task.what == "split":
        facts = dict(vars(tstr_sets.facts(found)))
        del facts["repeats"], facts["version"]
        replace(plan.out, LevelRow, [LevelRow(set=task.set, level=task.level, **facts)], "set", "level")
        if task.level != tstr_sets.WHOLE:  # its runs are those of the level as it was before
            runs = [r for r in read(plan.out, BudgetRow) if (r.set, r.level) != (task.set, task.level)]
            _rewrite(plan.out, BudgetRow, runs)
    elif task.cell is not None and task.cell.trial:
        replace(plan.out, TrialRow, found, *TRIAL_KEY)
    elif task.cell is not None:
        put_runs(plan.out, found)
    if task.cell is not None and (plan.out / DeviceRow.FILE).exists():
        cell = task.cell
        own = DeviceRow(
            cell.set, cell.level, cell.arm, cell.seed, cell.setting, cell.trial, cell.budget if cell.trial else 0, ""
        )
        kept = [r for r in read(plan.out, DeviceRow) if dataclasses.replace(r, device="") != own]
        _rewrite(plan.out, DeviceRow, kept)  # it was trained here now
    say(task.words + (f": {found[-1].nats:.3f} nats, NDCG@10 {found[-1].ndcg10:.4f}" if task.cell else ""))


def put_runs(out: Path, rows: list[BudgetRow]) -> None:
    """Put the rows of runs into budgets.csv, in the place of what is there of them.

    What a replaced run of another setting has shown stays among the trials. Where a run ends otherwise than before, an arm that
    began from its weights begins anew, trials included.
    """
    before, trials = read(out, BudgetRow), read(out, TrialRow)
    chosen = {_run(r): (r.setting, r.budget) for r in before if r.chosen}
    other = {_run(r) for r in rows if r.chosen and chosen.get(_run(r), (r.setting, r.budget)) != (r.setting, r.budget)}

    def began(arm: str, name: str, level: str, seed: int) -> bool:
        return (name, level, ARMS[arm].begins, seed) in other

    before = [r for r in before if not began(r.arm, r.set, r.level, r.seed)]
    trials = [t for t in trials if not began(t.arm, t.set, t.level, 0)]
    known, now = {_trial(t) for t in trials}, {_run(r): r.setting for r in rows}
    for r in before:
        if r.seed == 0 and r.level == tstr_sets.WHOLE and now.get(_run(r), r.setting) != r.setting and _trial(r) not in known:
            shown = (r.nats, r.ndcg10, r.recall100, r.updates, r.seconds)
            trials.append(TrialRow(r.set, r.level, r.arm, r.setting, r.budget, *shown))
    _rewrite(out, TrialRow, trials)
    _rewrite(out, BudgetRow, before)
    replace(out, BudgetRow, rows, *RUN_KEY)


def _rewrite(out: Path, cls: type[R], rows: list[R]) -> None:
    """Write a table anew; none where there is none and nothing to write."""
    if rows or (out / cls.FILE).exists():
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / cls.FILE, row.text(cls, rows))


def _run(r: BudgetRow) -> tuple[str, str, str, int]:
    return r.set, r.level, r.arm, r.seed


def _trial(r: TrialRow | BudgetRow) -> tuple[str, str, str, str, int]:
    return r.set, r.level, r.arm, r.setting, r.budget
