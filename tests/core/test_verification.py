import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preceptor.core import artifact, verification
from preceptor.core.errors import PreceptorError
from preceptor.core.stage import Cost, Stage
from preceptor.core.verification import DAMAGED, OK, UNFINISHED, verify


@dataclass(frozen=True)
class Config:
    seed: int = 0


def build(config: Config, inputs: Any, folder: Path) -> dict[str, int]:
    (folder / "train").mkdir()
    np.save(folder / "train" / "x.npy", np.arange(5) + config.seed)
    (folder / "all.txt").write_text("all")
    return {}


def stage(name: str, *needs: str, arms: tuple[str, ...] = ()) -> Stage[Config]:
    return Stage(name, 1, name, needs, build, lambda config: None, lambda config, inputs: Cost(1, "x"), arms=arms)


STAGES = (stage("data"), stage("codes", "data.train"), stage("lm", "codes"), stage("report", "data", "lm", arms=("lm",)))


def run(out: Path, seed: int = 0) -> Path:
    made: dict[str, artifact.Artifact] = {}
    for one in STAGES[:3]:
        made[one.name] = one.make(Config(seed), one.inputs(made), out)
    arm = STAGES[2].make(Config(seed + 1), STAGES[2].inputs(made), out / "arms" / "small")
    STAGES[3].make(Config(seed), STAGES[3].inputs({**made, "lm@small": arm}), out)
    return out


def states(out: Path) -> dict[str, str]:
    return {one.name: one.state for one in verify(out, STAGES)}


def test_what_was_made_is_found_whole(tmp_path: Path) -> None:
    seen: list[int] = []
    found = verify(run(tmp_path), STAGES, lambda _, size: seen.append(size))
    assert {one.name: one.state for one in found} == dict.fromkeys(["data", "codes", "lm", "report", "lm@small"], OK)
    assert sum(seen) == sum(one.bytes for one in found) == verification.size(tmp_path, STAGES)


def test_every_kind_of_damage_is_found_and_named(tmp_path: Path) -> None:
    out = run(tmp_path)
    (out / "data" / "train" / "x.npy").write_bytes((out / "data" / "train" / "x.npy").read_bytes()[:-1] + b"\1")
    (out / "codes" / "all.txt").unlink()
    (out / "lm" / "all.txt").write_text("al")
    (out / "arms" / "small" / "lm" / "added.txt").write_text("by hand")
    (out / "report" / "manifest.json").write_text("[]")
    damage = {one.name: one.damage for one in verify(out, STAGES)}
    assert "other bytes" in damage["data"][0]
    assert "all.txt: missing" in damage["codes"][0]
    assert "2 bytes of 3" in damage["lm"][0]
    assert "added.txt: no manifest names this file" in damage["lm@small"][0]
    assert "damaged manifest" in damage["report"][0]
    assert set(states(out).values()) == {DAMAGED}


def test_a_stage_of_other_inputs_than_lie_beside_it_is_found(tmp_path: Path) -> None:
    out, other = run(tmp_path / "a"), run(tmp_path / "b", seed=5)
    shutil.rmtree(out / "codes")
    shutil.copytree(other / "codes", out / "codes")
    damage = {one.name: one.damage for one in verify(out, STAGES)}
    assert [name for name, found in damage.items() if found] == ["codes", "lm", "lm@small"]
    assert "made of another train" in damage["codes"][0]
    assert "made of another codes" in damage["lm@small"][0]


def test_the_arms_that_a_stage_read_are_checked(tmp_path: Path) -> None:
    out, other = run(tmp_path / "a"), run(tmp_path / "b", seed=5)
    shutil.rmtree(out / "arms")
    shutil.copytree(other / "arms", out / "arms")
    damage = {one.name: one.damage for one in verify(out, STAGES)}
    assert "made of another lm@small" in damage["report"][0]


def test_an_interrupted_stage_is_no_damage(tmp_path: Path) -> None:
    out = run(tmp_path)
    (out / "report" / "manifest.json").unlink()
    assert states(out)["report"] == UNFINISHED
    shutil.rmtree(out / "report")
    (out / "report").write_text("")
    assert states(out)["report"] == DAMAGED


def test_a_manifest_that_was_edited_is_found(tmp_path: Path) -> None:
    out = run(tmp_path)
    path = out / "report" / "manifest.json"
    path.write_text(artifact.canonical({**json.loads(path.read_text()), "counts": {"made": 1}}))
    assert "manifest.json: other bytes" in next(one.damage[0] for one in verify(out, STAGES) if one.name == "report")


def test_a_folder_that_is_an_artifact_is_checked_alone(tmp_path: Path) -> None:
    out = run(tmp_path)
    assert states(out / "codes") == {"codes": OK}


def test_no_run_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(PreceptorError, match="No run here"):
            verify(path, STAGES)
