"""Cells of results/tstr on another machine: with the light part's packages alone, in slices, to the study's own rows."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import pytest

import light
from benchmarks.tstr import pack as tstr_pack
from benchmarks.tstr.arms import ARMS, LAW_ROWS, PRIMARY, REAL, law_rows_job
from benchmarks.tstr.plan import BASELINES, STUDIES, Plan, Task
from benchmarks.tstr.sets import SETS
from benchmarks.tstr.tables import BudgetRow, DeviceRow, TrialRow, read
from benchmarks.tstr.train import Cell, train_job, weights_file
from benchmarks.tstr.work import Only, commit
from preceptor.core import carry, parts
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from ranking.laws import law_and_split

ROOT = Path(__file__).parents[2]
LAW = "real+law"
ONLY = Only(arms=(REAL, PRIMARY, LAW))
WORK = """
import sys
sys.path[:0] = {path!r}
from concurrent.futures import Executor, Future
from pathlib import Path
from benchmarks.tstr import pack as tstr_pack

class Here(Executor):
    def submit(self, work, *given):
        future = Future()
        try:
            future.set_result(work(*given))
        except Exception as error:
            future.set_exception(error)
        return future

folder, kept, out = (Path(p) for p in {folders!r})
sys.argv = ["pack.py", "work", "--pack", str(folder), "--work", str(kept), "--give-back", str(out), "--minutes", "0"]
codes = [tstr_pack.main()]
while codes[-1] and len(codes) < 50:
    codes.append(tstr_pack.work(folder, kept, out, 0.001 * len(codes), "cpu", Here()))
assert not {{"polars", "scipy", "pyarrow"}} & set(sys.modules)
print(codes)
"""


def prepared(folder: Path) -> Path:
    """A set's folder as the study prepares it, of a small law and its split."""
    law, split = law_and_split()
    for part in ("train", "validation", "test"):
        getattr(split, part).save(folder / part)
    law.save(folder / "law")
    law.graphs[0].save(folder / "graph")
    (folder / "baselines").mkdir()
    for baseline in BASELINES:
        (folder / "baselines" / f"{baseline}.json").write_text("{}")
    for file in ("done.json", *(f"{arm.needs}.made" for arm in ARMS.values() if arm.needs not in ("", LAW_ROWS))):
        (folder / file).touch()
    return folder


def plan_of(home: Path) -> Plan:
    return Plan(STUDIES["screen"], ("tiny",), home / "out", home / "work")


def left(plan: Plan) -> list[Task]:
    return [task for task in plan.ready() if ONLY.allows(task) and task.cell]


@dataclass(frozen=True)
class Home:
    """A study whose cells were trained elsewhere. kept: its set's folder as it was before; codes, said: of the slices."""

    plan: Plan
    folder: Path
    kept: Path
    there: Path
    codes: list[int]
    said: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """All of it: packed, worked on in slices where nothing but the light part's packages is installed, and collected."""
    at = tmp_path_factory.mktemp("tstr")
    plan = plan_of(at / "home")
    folder = prepared(plan.work / "tiny/whole")
    kept = Path(shutil.copytree(folder, at / "tiny/whole"))
    tstr_pack.build(plan, ONLY, at / "gpu")
    (at / "packages").mkdir()
    light.link_only(light.ROOTS, at / "packages")
    path = [str(ROOT), str(ROOT / "src"), str(at / "packages")]
    code = WORK.format(path=path, folders=[str(at / name) for name in ("gpu/pack", "there", "back")])
    env = os.environ | {"PRECEPTOR_WORKERS": "1", "OMP_NUM_THREADS": "1"}
    # -S: no site-packages; -I: neither PYTHONPATH nor the working directory
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tstr_pack.collect(at / "back", plan.out, plan.work)
    return Home(plan, folder, kept, at / "there", json.loads(done.stdout), done.stderr)


@pytest.mark.slow
def test_a_pack_is_worked_on_in_slices(home: Home) -> None:
    assert home.codes[-1] == 0
    assert set(home.codes[:-1]) == {carry.UNFINISHED}
    assert "saved" in home.said  # a cell was cut short, and went on


@pytest.mark.slow
def test_test_targets_and_catalogues_stay_at_home(home: Home) -> None:
    files = {p.name for p in home.there.rglob("*")}
    assert "validation" in files
    assert not {"test", "items.parquet"} & files


@pytest.mark.slow
def test_the_study_skips_what_came_back(home: Home) -> None:
    assert left(home.plan) == []
    runs = [r for r in read(home.plan.out, BudgetRow) if r.chosen]
    assert {(r.arm, r.seed) for r in runs} == {(REAL, 0), (REAL, 1), (PRIMARY, 0), (LAW, 0)}
    assert len(read(home.plan.out, TrialRow)) == 12
    said = read(home.plan.out, DeviceRow)
    assert len({(r.arm, r.setting, r.budget) for r in said if r.trial}) == len([r for r in said if r.trial]) == 12
    assert len([r for r in said if not r.trial]) == 4
    assert {r.device for r in said} == {"cpu"}


@pytest.mark.slow
def test_rows_and_models_are_those_of_the_studys_own_cells(home: Home) -> None:
    law_rows_job(home.kept)
    for arm in (REAL, PRIMARY, LAW):
        setting = home.plan.setting("tiny", arm)
        assert setting is not None
        own = train_job(Cell("tiny", "whole", arm, 0, setting.text), home.kept)
        came = [r for r in read(home.plan.out, BudgetRow) if (r.arm, r.seed) == (arm, 0)]
        assert [without_time(r) for r in came] == [without_time(r) for r in row.parse(BudgetRow, row.text(BudgetRow, own), "")]
        one, other = (weights_file(folder, arm, 0, setting.text).read_bytes() for folder in (home.folder, home.kept))
        assert one == other


@pytest.mark.slow
def test_a_pack_that_is_built_again_holds_what_is_left(home: Home, tmp_path: Path) -> None:
    """Nothing, here: models that are at home don't travel, and their cells aren't trained again."""
    tstr_pack.build(home.plan, ONLY, tmp_path / "gpu")
    nobody: Executor = None  # type: ignore[assignment]
    assert tstr_pack.work(tmp_path / "gpu/pack", tmp_path / "there", None, 1, "cpu", nobody) == 0
    assert not list((tmp_path / "there").rglob("*.safetensors"))


@pytest.mark.slow
def test_what_is_trained_again_at_home_is_no_longer_said_to_be_of_another_machine(home: Home, tmp_path: Path) -> None:
    out = Path(shutil.copytree(home.plan.out, tmp_path / "out"))
    again = [r for r in read(out, BudgetRow) if (r.arm, r.seed) == (REAL, 1)]
    cell = Cell("tiny", "whole", REAL, 1, again[0].setting)
    commit(Task("tiny", "whole", "", cell), again, dataclasses.replace(home.plan, out=out))
    assert {(r.arm, r.seed) for r in read(out, DeviceRow) if not r.trial} == {(REAL, 0), (PRIMARY, 0), (LAW, 0)}


def test_parts_that_were_not_carried_first_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, nobody = plan_of(tmp_path / "home"), None
    prepared(plan.work / "tiny/whole")
    monkeypatch.setattr(parts, "LIMIT", 1)  # of what packs hold together: each part has one of its own
    tstr_pack.build(plan, ONLY, tmp_path / "gpu")
    assert {p.name for p in (tmp_path / "gpu").iterdir()} == {"pack", "pack-parts-0"}
    given = (tmp_path / "there", None, 0, "cpu", nobody)
    with pytest.raises(PreceptorError, match=r"Parts are missing[\s\S]*tiny-whole\.zip\.000"):
        tstr_pack.work(tmp_path / "gpu/pack", *given)
    assert tstr_pack.work(tmp_path / "gpu/pack-parts-0", *given) == 0
    assert tstr_pack.work(tmp_path / "gpu/pack", *given) == carry.UNFINISHED


def test_a_set_whose_trials_decide_travels_while_they_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETS, "other", dataclasses.replace(SETS["tiny"], name="other", inherits="tiny"))
    plan = dataclasses.replace(plan_of(tmp_path), study=STUDIES["finalists"], sets=("other",))
    for name in ("tiny", "other"):
        prepared(plan.work / name / "whole")

    def packed() -> set[str]:
        tstr_pack.build(plan, Only(), tmp_path / "gpu")
        return set(tstr_pack.Pack.load(tmp_path / "gpu/pack").folders)

    assert packed() == {"tables", "tiny/whole", "other/whole"}
    while trials := [t for t in plan.ready() if t.cell and t.cell.trial]:
        for task in trials:
            cell = task.cell
            assert cell is not None
            commit(task, [TrialRow("tiny", "whole", cell.arm, cell.setting, cell.budget, 1.0, 0.1, 0.1, 40, 1.0)], plan)
    assert packed() == {"tables", "other/whole"}


@pytest.mark.parametrize("text", ["{}", '{"study": "screen", "sets": 3}', "no"])
def test_damaged_packs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(PreceptorError):
        tstr_pack.Pack.load(tmp_path)


def without_time(r: BudgetRow) -> BudgetRow:
    return dataclasses.replace(r, seconds=0.0)
