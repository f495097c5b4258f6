"""Plans of benchmarks/tstr whose cells are committed without being trained."""

from pathlib import Path

from benchmarks.tstr import plan as tstr_plan
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.arms import ARMS
from benchmarks.tstr.plan import Plan
from benchmarks.tstr.tables import BudgetRow, TrialRow, replace
from benchmarks.tstr.train import weights_file
from benchmarks.tstr.work import TRIAL_KEY


def plan(tmp_path: Path, study: str = "screen", name: str = "tiny") -> Plan:
    return Plan(tstr_plan.STUDIES[study], (name,), tmp_path / "out", tmp_path / "work")


def prepared(given: Plan, name: str = "tiny", needs: bool = True) -> Path:
    """A folder that looks as if its split, its controls and its baselines were made."""
    folder = tstr_sets.folder_of(name, "whole", given.work)
    (folder / "baselines").mkdir(parents=True)
    for file in ("done.json", *(f"{arm.needs}.made" for arm in ARMS.values() if arm.needs and needs)):
        (folder / file).touch()
    for baseline in tstr_plan.BASELINES:
        (folder / "baselines" / f"{baseline}.json").touch()
    return folder


def commit(given: Plan, task: tstr_plan.Task, nats: float = 1.0, budget: int = 80) -> None:
    """What `_commit` leaves of a cell, without training it."""
    cell = task.cell
    assert cell is not None
    if cell.trial:
        rows = [TrialRow(cell.set, cell.level, cell.arm, cell.setting, cell.budget, nats, 0.1, 0.1, 40, 1.0)]
        replace(given.out, TrialRow, rows, *TRIAL_KEY)
        return
    at = (cell.budget or budget, True, cell.told or "converged", nats, 0.1, 0.0, 0.1, 1.0, 0.1, 0.1, 2.0, 100, 1.0)
    one = BudgetRow(cell.set, cell.level, cell.arm, cell.seed, cell.setting, *at)
    replace(given.out, BudgetRow, [one], "set", "level", "arm", "seed")
    file = weights_file(tstr_sets.folder_of(cell.set, cell.level, given.work), cell.arm, cell.seed, cell.setting)
    file.parent.mkdir(exist_ok=True)
    file.touch()


def finish(given: Plan) -> list[tstr_plan.Task]:
    """Do whatever is ready until nothing is; the tasks in order."""
    done: list[tstr_plan.Task] = []
    while ready := given.ready():
        assert not set(ready) & set(done)
        for task in ready:
            commit(given, task)
        done += ready
    return done
