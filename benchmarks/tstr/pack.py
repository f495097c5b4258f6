"""Cells of a study of results/tstr on a machine with a GPU that is lent for minutes, and what comes back from it.

    python -m benchmarks.tstr.pack build finalists --sets amazon-office --pack run/tstr-gpu   # hours of CPU, resumable
    python -m benchmarks.tstr.pack build screen --sets tiny --work run/tiny --out run/tiny/out --pack run/small  # a rehearsal

There, where nothing but the light part's packages is installed, first for every folder pack-parts-K, then again and again for
the pack itself (0: finished; 3: there is more to do), with --device cuda:

    PYTHONPATH=src python -m benchmarks.tstr.pack work --pack run/tstr-gpu/pack --work run/gpu-work --give-back OUT --minutes 8

    python -m benchmarks.tstr.pack collect OUT     # rows to --out, models to --work: the study skips these cells from now on

`build` makes what the cells read (splits, laws, controls, untrained rankers' trials) and packs it with the tables as they are,
never with test targets; the machine then carries out the study's own plan. Built again, a pack holds what is left.
PRECEPTOR_WORKERS: cells side by side, also on one GPU. What was trained elsewhere is listed in devices.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from benchmarks.tstr.arms import ARMS, LAW_ROWS
from benchmarks.tstr.plan import STUDIES, Plan
from benchmarks.tstr.sets import SETS, WHOLE, base_of, folder_of
from benchmarks.tstr.tables import BudgetRow, DeviceRow, TrialRow, read, replace
from benchmarks.tstr.train import AT_HOME, weights_file
from benchmarks.tstr.work import RUN_KEY, TRIAL_KEY, Only, at_home, carry_out, put_runs, trained
from preceptor.core import carry, deadline, parts, workers
from preceptor.core.artifact import canonical, file_digest, write_atomic
from preceptor.core.errors import PreceptorError
from preceptor.core.progress import say
from preceptor.core.tables import document
from preceptor.data.rows import TrainRows

TABLES = "tables"  # the name of the folder of tables, among those of sets


@dataclass(frozen=True)
class Pack:
    """study: its name; sets: empty where there are parts alone; only: what is done of it, as `Only` has it.

    folders: the list of parts of the tables and of each set's level, `set/level`.
    """

    study: str
    sets: tuple[str, ...]
    only: dict[str, Any]
    folders: carry.Folders

    @classmethod
    def load(cls, folder: Path) -> Pack:
        """Read a pack. Raises PreceptorError where there is none, or a damaged one."""
        path = folder / carry.LIST
        found = document.mapping(path)
        try:
            return cls(found["study"], tuple(found["sets"]), found["only"], found["folders"])
        except (KeyError, TypeError) as e:
            raise PreceptorError("Damaged pack", where=path, found=e, remedy="build it again") from None

    def plan(self, home: Path) -> Plan:
        return Plan(STUDIES[self.study], self.sets, home / TABLES, home / "sets")

    def allowed(self) -> Only:
        return Only(**{name: tuple(v) if isinstance(v, list) else v for name, v in self.only.items()})


def build(plan: Plan, only: Only, out: Path) -> None:
    """Pack what is left of a plan: `out`/pack, and `out`/pack-parts-0 … where that is not enough room. All that cells read is
    there already, but for law_rows."""
    for old in out.glob("pack*"):
        shutil.rmtree(old)
    cut, staged = out / "cut", out / "staged"
    shutil.rmtree(cut, ignore_errors=True)
    folders: dict[str, list[dict[str, Any]]] = {}
    for name, level in _places(plan, only):
        shutil.rmtree(staged, ignore_errors=True)
        _stage(name, level, plan, only, staged)
        folders[f"{name}/{level}"] = parts.cut(staged, cut, f"{name}-{level}")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    for cls in (TrialRow, BudgetRow):
        replace(staged, cls, read(plan.out, cls), *TRIAL_KEY)
    folders[TABLES] = parts.cut(staged, cut, TABLES)
    shutil.rmtree(staged)
    pack = Pack(plan.study.name, plan.sets, dataclasses.asdict(only), folders)
    home, alone = out / "pack", dataclasses.replace(pack, sets=())  # parts alone
    home.mkdir(parents=True)
    carry.spread(folders, cut, out, "pack-parts-{}", lambda folder: carry.save(alone, folder), home)
    carry.save(pack, home)
    cut.rmdir()


def prepare(pool: Executor, plan: Plan, only: Only, data_root: Path) -> None:
    """Make what cells read, but for law_rows: splits, laws, controls, trials of untrained rankers."""
    bases = Plan(dataclasses.replace(plan.study, levelled=False), tuple(_deciding(plan, only)), plan.out, plan.work)
    for part, asked in ((bases, Only(cells=False)), (plan, dataclasses.replace(only, cells=False))):
        carry_out(pool, part, asked, float("inf"), at_home(data_root))


def _places(plan: Plan, only: Only) -> list[tuple[str, str]]:
    """The sets and levels that the cells read."""
    levels = [(name, level) for name in plan.sets for level in plan.study.levels_of(name)]
    found = [(name, level) for name, level in levels if not only.levels or level in only.levels]
    return list(dict.fromkeys([*((base, WHOLE) for base in _deciding(plan, only)), *found]))


def _deciding(plan: Plan, only: Only) -> list[str]:
    """The sets on which trials are left that decide for sets of the plan."""
    if only.levels and WHOLE not in only.levels:
        return []
    return list(dict.fromkeys(base_of(n) for n in plan.sets if not all(plan.tried(n, arm) for arm in plan.study.arms_of(n))))


def _stage(name: str, level: str, plan: Plan, only: Only, staged: Path) -> None:
    """Copy what cells of a set's folder read: no test targets, no catalogue, and of its models those alone that others begin
    from; the names of the rest are in `AT_HOME`."""
    from preceptor.data.log import TrainSplit

    source = folder_of(name, level, plan.work)
    TrainRows.of(TrainSplit.load(source / "train")).save(staged / "train")
    needs = {ARMS[arm].needs for arm in plan.study.arms_of(name)} - {"", LAW_ROWS}
    for part in ("validation", "law", "graph", "baselines", *sorted(needs)):
        if (source / part).is_dir():
            shutil.copytree(source / part, staged / part)
    for file in ("done.json", *(f"{need}.made" for need in sorted(needs))):
        shutil.copyfile(source / file, staged / file)
    lawful = [arm for arm in plan.study.arms_of(name) if ARMS[arm].needs == LAW_ROWS and (not only.arms or arm in only.arms)]
    if all(plan.trained(name, level, arm) for arm in lawful):
        (staged / f"{LAW_ROWS}.made").touch()  # nothing there will ask for it
    begun = {ARMS[arm].begins for arm in plan.study.arms_of(name)} - {""}
    (staged / AT_HOME).parent.mkdir()
    models = sorted(p.name for p in (source / "models").glob("*.safetensors"))
    for model in models:
        if any(model.startswith(f"{arm}-") for arm in begun):
            shutil.copyfile(source / "models" / model, staged / "models" / model)
    write_atomic(staged / AT_HOME, canonical(models))


def work(folder: Path, work_folder: Path, out: Path | None, minutes: float, device: str, pool: Executor) -> int:
    """Go on with a pack for so many minutes; return 0 where all of it is finished, else `carry.UNFINISHED`.

    work_folder: kept between calls. out: gets rows and models of the cells that were trained here. Raises PreceptorError where
    a part is missing or damaged, and what training raises.
    """
    pack, home = Pack.load(folder), work_folder / file_digest(folder / carry.LIST)[:16]
    for listed in pack.folders.values():
        parts.take(listed, folder, work_folder / "parts")
    if not pack.sets:
        say(f"{folder.name}: its parts are kept")
        return 0
    for name, listed in pack.folders.items():
        parts.join(listed, work_folder / "parts", home / ("before" if name == TABLES else f"sets/{name}"))
    (home / TABLES).mkdir(exist_ok=True)
    for path in (home / "before").iterdir():
        if not (home / TABLES / path.name).exists():
            shutil.copyfile(path, home / TABLES / path.name)
    plan, only = pack.plan(home), pack.allowed()
    try:
        with deadline.within(minutes) as until:
            carry_out(pool, plan, only, until, trained(device))
    finally:
        if out is not None:
            carry.give_back(_fresh(plan, home, device), home / "back", out)
    left = [task.words for task in plan.ready() if only.allows(task)]
    say(f"go on with the same command: {', '.join(left)}" if left else "all cells are finished")
    return carry.UNFINISHED if left else 0


def _fresh(plan: Plan, home: Path, device: str) -> Iterator[tuple[Path, str]]:
    """Files that were made here, and their names at home: rows that the pack didn't have, and models of runs."""
    new = home / "new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    before = {cls: set(read(home / "before", cls)) for cls in (TrialRow, BudgetRow)}
    trials, runs = ([r for r in read(plan.out, cls) if r not in before[cls]] for cls in (TrialRow, BudgetRow))
    # a run that was replaced here has left its rows as trials: at home they are moved in the same way
    shown = {(r.set, r.level, r.arm, r.setting, r.budget) for r in before[BudgetRow] if r.seed == 0}
    trials = [t for t in trials if (t.set, t.level, t.arm, t.setting, t.budget) not in shown]
    said = torch.cuda.get_device_name() if device == "cuda" else device
    devices = [DeviceRow(r.set, r.level, r.arm, 0, r.setting, True, r.budget, said) for r in trials]
    devices += [DeviceRow(r.set, r.level, r.arm, r.seed, r.setting, False, 0, said) for r in runs if r.chosen]
    for cls, rows in ((TrialRow, trials), (BudgetRow, runs), (DeviceRow, devices)):
        replace(new, cls, rows, "set")
        yield new / cls.FILE, f"{TABLES}/{cls.FILE}"
    for r in runs:
        if r.chosen:
            file = weights_file(folder_of(r.set, r.level, plan.work), r.arm, r.seed, r.setting)
            yield file, f"sets/{file.relative_to(plan.work)}"


def collect(source: Path, out: Path, work_folder: Path) -> None:
    """Put what came back where the study finds it: models first, then the rows by which it skips their cells."""
    home = work_folder / "came-back"
    shutil.rmtree(home, ignore_errors=True)
    carry.collect(source, home)
    for file in sorted((home / "sets").rglob("*.safetensors")):
        there = work_folder / file.relative_to(home / "sets")
        there.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, there)
    replace(out, DeviceRow, read(home / TABLES, DeviceRow), *RUN_KEY, "setting", "trial", "budget")
    runs = read(home / TABLES, BudgetRow)
    put_runs(out, runs)  # before trials, of which it drops those that began from a run that has changed
    replace(out, TrialRow, read(home / TABLES, TrialRow), *TRIAL_KEY)
    trials = len(read(home / TABLES, TrialRow))
    shutil.rmtree(home)
    say(f"{out}: {trials} trials and {sum(r.chosen for r in runs)} runs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    does = parser.add_subparsers(dest="does", required=True)
    building, working, collecting = does.add_parser("build"), does.add_parser("work"), does.add_parser("collect")
    building.add_argument("study", choices=sorted(STUDIES))
    building.add_argument("--pack", type=Path, default=Path("run/tstr-gpu"))
    building.add_argument("--data-root", type=Path, default=Path("data"))
    for name in ("sets", "levels", "arms", "seeds"):
        building.add_argument(f"--{name}", default="", help="only these, separated by commas")
    working.add_argument("--pack", type=Path, required=True)
    working.add_argument("--work", type=Path, required=True, help="kept between calls")
    working.add_argument("--give-back", type=Path, metavar="DIR", help="gets what is finished, in few files")
    working.add_argument("--minutes", type=float, default=1e6, help="stop in time")
    working.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    collecting.add_argument("source", type=Path, help="the folder with back.json")
    for command in (building, collecting):
        command.add_argument("--out", type=Path, default=Path("results/tstr"))
        command.add_argument("--work", type=Path, default=Path("run/tstr"))
    given = parser.parse_args()
    try:
        if given.does == "collect":
            collect(given.source, given.out, given.work)
            return 0
        with workers.pool(workers.count()) as pool:
            if given.does == "work":
                return work(given.pack, given.work, given.give_back, given.minutes, given.device, pool)
            levels, arms, seeds = (tuple(n for n in text.split(",") if n) for text in (given.levels, given.arms, given.seeds))
            study = STUDIES[given.study]
            sets = tuple(n for n in given.sets.split(",") if n) or study.sets
            if unknown := {*sets} - {*SETS} | {*arms} - {*ARMS}:
                raise PreceptorError("Unknown set or arm", found=", ".join(sorted(unknown)), expected=", ".join([*SETS, *ARMS]))
            plan = Plan(study, sets, given.out, given.work)
            only = Only(levels, arms, seeds)
            prepare(pool, plan, only, given.data_root)
            build(plan, only, given.pack)
    except PreceptorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
