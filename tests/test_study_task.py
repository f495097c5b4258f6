"""Stages of the miniature study made in shards, in a copy from which they are gone."""

import json
import os
import platform
import shutil
import sys
from pathlib import Path

import pytest

import miniature as studies
from preceptor import study, study_task
from preceptor.cli import main
from preceptor.core import artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.lock import locked


@pytest.fixture
def run(miniature: Path, tmp_path: Path) -> Path:
    """A copy of the study, which commands find by its study.json."""
    out = tmp_path / "run"
    shutil.copytree(miniature, out)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != artifact.RUN)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.mark.parametrize("wanted", ["graph", "graph@plain", "lm", pytest.param("recommend", marks=pytest.mark.slow)])
def test_a_stage_in_shards_has_the_bytes_of_the_run(miniature: Path, run: Path, wanted: str) -> None:
    name, _, arm = wanted.partition("@")
    home = run / "arms" / arm / name if arm else run / name
    shutil.rmtree(home)
    for share in ("2/2", "1/2"):
        main_of("task", wanted, "--out", str(run), "--shard", share)
    assert not home.exists()
    main_of("task", wanted, "--out", str(run), "--merge")
    assert contents(home) == contents(miniature / home.relative_to(run))
    assert {row.state for row in study.dry_run(studies.config(), run)} == {"fresh"}


def test_shards_are_listed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(run / "lm")
    main_of("task", "lm", "--out", str(run), "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == study_task.shards(studies.config(), run, "lm").names
    assert {row["state"] for row in rows} == {"missing"}
    main_of("task", "ranking", "--out", str(run))
    said = capsys.readouterr().out
    assert "real+synthetic" in said
    assert "item-knn" in said


def test_a_stage_rests_on_finished_ones(run: Path) -> None:
    shutil.rmtree(run / "curriculum")
    with pytest.raises(PreceptorError, match=r"The stage curriculum isn't up to date[\s\S]*never made[\s\S]*task curriculum"):
        study_task.shards(studies.config(), run, "lm")


def test_an_arm_that_shares_a_stage_has_nothing_to_do(run: Path) -> None:
    with pytest.raises(PreceptorError, match="data@plain is the study's own data"):
        study_task.shards(studies.config(), run, "data@plain")


@pytest.mark.parametrize("wanted", ["lms", "lm@other", "report@plain"])
def test_no_such_stage(run: Path, wanted: str) -> None:
    with pytest.raises(PreceptorError, match=r"No such stage[\s\S]*lm@plain"):
        study_task.shards(studies.config(), run, wanted)


@pytest.mark.parametrize("more", [("--shard", "1"), ("--shard", "0/2"), ("--shard", "1/2", "--merge")])
def test_bad_shares_are_refused(run: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["task", "lm", "--out", str(run), *more])
    assert left.value.code == 2
    assert "--shard" in capsys.readouterr().err


def test_a_second_driver_is_refused_before_it_joins_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = rf"Another run is writing here[\s\S]*process {os.getpid()} on machine {platform.node()}"
    with locked(tmp_path), pytest.raises(PreceptorError, match=said):
        study.run(studies.config(), tmp_path, engine="ray://127.0.0.1:1")


def main_of(*words: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    assert left.value.code in {0, None}
