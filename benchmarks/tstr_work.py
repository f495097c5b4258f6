"""Carrying out a plan of results/tstr: what is ready is done side by side, and every cell is committed as it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tstr_sets
from tstr_arms import LAW_ROWS, REAL, law_rows_job
from tstr_plan import BASELINE, Plan, Task
from tstr_tables import BudgetRow, DeviceRow, LevelRow, TrialRow, read, replace
from tstr_train import train_job

from preceptor.core import workers
from preceptor.core.deadline import OutOfTime
from preceptor.core.progress import say
from preceptor.core.tables import row

Call = tuple[Callable[..., Any], tuple[Any, ...]]  # a function for the pool, and its arguments


@dataclass(frozen=True)
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
        import tstr_controls
        import tstr_prepare
        import tstr_tune

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
        if task.level != tstr_sets.WHOLE and (plan.out / BudgetRow.FILE).exists():  # those of a level as it was before
            kept_runs = [r for r in read(plan.out, BudgetRow) if (r.set, r.level) != (task.set, task.level)]
            row.write(plan.out, BudgetRow, kept_runs)
    elif task.cell is not None and task.cell.trial:
        replace(plan.out, TrialRow, found, "set", "level", "arm", "setting")
    elif task.cell is not None:
        replace(plan.out, BudgetRow, found, "set", "level", "arm", "seed")
    if task.cell is not None and (plan.out / DeviceRow.FILE).exists():
        cell = task.cell
        gone = (cell.set, cell.level, cell.arm, cell.seed, cell.setting, cell.trial)
        kept = [r for r in read(plan.out, DeviceRow) if (r.set, r.level, r.arm, r.seed, r.setting, r.trial) != gone]
        row.write(plan.out, DeviceRow, kept)  # it was trained here now
    say(task.words + (f": {found[-1].nats:.3f} nats, NDCG@10 {found[-1].ndcg10:.4f}" if task.cell else ""))
