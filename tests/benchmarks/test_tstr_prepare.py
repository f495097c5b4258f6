"""The levels of benchmarks/tstr/prepare.py: what rankers are told of histories, and which folders are made again."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tstr import plan as tstr_plan
from benchmarks.tstr import prepare as tstr_prepare
from benchmarks.tstr import sets as tstr_sets
from benchmarks.tstr.plan import Plan, Task
from benchmarks.tstr.tables import BudgetRow, read, replace
from benchmarks.tstr.work import commit
from fixtures import tiny_log
from preceptor.data.log import Log
from preceptor.data.read import read as read_log
from preceptor.data.rows import Targets

SET = tstr_sets.Set("tiny", "", 200, 4, 1, 0.02, ("users-10", "users-20", "last-3"), 12, 8)


def cut_of(log: Log, level: str) -> tuple[list[Targets], list[Targets], np.ndarray, int]:
    """(validation and test at the level, the same of the whole log, its items' names at the level, the number of `unmet`)."""
    level_cut, whole = tstr_prepare.thinned(log, level, SET), log.split()
    met = {name: k for k, name in enumerate(level_cut.train.items["item_id"].to_list())}
    unmet = met[tstr_prepare.HELD_OUT]
    names = np.array([met.get(name, unmet) for name in log.items["item_id"].to_list()])
    before = []
    for own, all_ in ((level_cut.validation, whole.validation), (level_cut.test, whole.test)):
        kept = np.isin(all_.user, np.unique(own.user))
        before.append(Targets(all_.user[kept], all_.sequence, all_.start[kept], all_.end[kept]))
    return [level_cut.validation, level_cut.test], before, names, unmet


@pytest.mark.parametrize("level", ["users-10", "last-3", "last-2"])
def test_histories_hold_what_the_level_has_met_and_targets_are_all_there(level: str) -> None:
    parts, before, names, unmet = cut_of(tiny_log(80, 200, 0), level)
    longest = int(level[5:]) - 1 if level.startswith("last") else None
    alone = 0
    for own, whole in zip(parts, before, strict=True):
        assert np.array_equal(own.user, whole.user)
        assert np.array_equal(own.item, names[whole.item])
        for t in range(len(own)):
            past = names[whole.history(t)][-longest if longest else None :]
            met = past[past != unmet]
            assert own.history(t).tolist() == (met.tolist() or [unmet])
            alone += not len(met)
        assert own.sequence.dtype == np.int32
    assert alone or level != "users-10"  # the log is large enough for a history of nothing else
    if level == "users-10":
        assert any((own.item == unmet).any() for own in parts)


def test_the_markets_sparsest_level_has_fewer_than_two_interactions_per_item() -> None:
    given = tstr_sets.SETS["market"]
    train = tstr_prepare.thinned(read_log(given.source), given.levels[0], given).train
    assert 1 < len(train.item) / (train.popularity > 0).sum() < 2


def made(tmp_path: Path, level: str, version: int | None) -> Path:
    """A folder that says it is prepared, at some version (None: as before there were any)."""
    folder = tmp_path / "work" / "tiny" / level
    folder.mkdir(parents=True)
    facts = tstr_sets.Facts("users", 20, 60, 400, 6.7, 8, 8, 4, 0.5, 0.1, True, version or 1)
    said = dataclasses.asdict(facts)
    if version is None:
        del said["version"]
    (folder / "done.json").write_text(json.dumps(said))
    (folder / "old").touch()
    return folder


def test_levels_of_older_code_are_made_again_and_whole_ones_are_kept(tmp_path: Path) -> None:
    plan = Plan(tstr_plan.STUDIES["sparsity"], ("tiny",), tmp_path / "out", tmp_path / "work")
    old, kept = made(tmp_path, "users-20", None), made(tmp_path, "whole", None)
    new = made(tmp_path, "users-60", tstr_sets.THINNED)
    assert [t.level for t in plan.ready() if t.what == "split"] == ["users-20", "last-3"]
    for folder, name in ((kept, "whole"), (new, "users-60")):
        assert tstr_prepare.prepare("tiny", name, tmp_path, plan.work) == folder
        assert (folder / "old").exists()
    tstr_prepare.prepare("tiny", "users-20", tmp_path, plan.work)
    assert not (old / "old").exists()
    assert [t.level for t in plan.ready() if t.what == "split"] == ["last-3"]


def test_runs_of_a_level_that_is_made_again_are_forgotten(tmp_path: Path) -> None:
    plan = Plan(tstr_plan.STUDIES["sparsity"], ("tiny",), tmp_path / "out", tmp_path / "work")
    at = ("real", 0, "dropout=0 decay=0 width=64", 80, True, "converged", 5.0, 0.1, 0.0, 0.1, 1.0, 0.1, 0.1, 2.0, 100, 1.0)
    for level in ("whole", "users-20", "users-60"):
        replace(plan.out, BudgetRow, [BudgetRow("tiny", level, *at)], "set", "level")
    commit(Task("tiny", "users-20", "split"), made(tmp_path, "users-20", tstr_sets.THINNED), plan)
    assert [r.level for r in read(plan.out, BudgetRow)] == ["whole", "users-60"]
