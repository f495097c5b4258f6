"""Packs: cells trained in slices to the bytes of one run, tables that come back."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lm.bases import base
from lm.toy import CONFIG
from preceptor.core import carry, parts
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.lm import pack, stage
from preceptor.lm.pack import Cell, Pack

ROOT = Path(__file__).parents[2]
SETTINGS = {"tokens": [512, 1024], "batch_tokens": 128, "warmup": 256, "head_dim": 8, "lr": 0.02, "lr_power": 0.5}


@pytest.fixture
def packed(made: Artifact, tmp_path: Path) -> Path:
    """A pack of two cells, of which the second goes on from a base whose parts are in packs of their own."""
    folder = tmp_path / "gpu"
    base(tmp_path / "base")
    of_base = parts.cut(tmp_path / "base", tmp_path / "cut", "base", limit=2000)
    for k, part in enumerate(of_base):
        (folder / f"base-{k}").mkdir(parents=True)
        shutil.move(tmp_path / "cut" / part["file"], folder / f"base-{k}" / part["file"])
        Pack((), {"base": of_base}).save(folder / f"base-{k}")
    cells = (
        Cell("ladder", "c", "", "", SETTINGS | {"depths": [1, 2]}, 0.1),
        Cell("continued", "c", "", "base", SETTINGS | {"judge_base": True, "keep": "largest"}, 0.1),
    )
    Pack(cells, {"c": parts.cut(made.path, folder / "pack-1", "c"), "base": of_base}).save(folder / "pack-1")
    return folder


def call(folder: Path, work: Path, out: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "preceptor.lm", "--pack", str(folder), "--out", str(work), "--give-back", str(out), *more]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PRECEPTOR_WORKERS": "1"}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.slow
def test_cells_are_trained_in_slices_and_come_back(
    packed: Path, made: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command of the light part for the parts and one slice, and in this process for those that are cut short."""
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")
    work = tmp_path / "work"
    none = call(packed / "pack-1", work, tmp_path / "none", "--minutes", "0")
    assert none.returncode == carry.UNFINISHED, none.stderr
    assert "ladder, continued" in none.stderr
    for one in sorted(packed.glob("base-*")):
        assert pack.run(one, work, None, 1, {}) == 0
    found = call(packed / "pack-1", work, tmp_path / "out", "--minutes", "9")
    assert found.returncode == 0, found.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"back.json", "back.zip.000"}
    home = carry.collect(tmp_path / "out", tmp_path / "home")
    assert {p.name for p in home.iterdir()} == {"ladder", "continued"}
    assert (home / "continued/continual/forgetting.csv").exists()
    assert (home / "continued/runs/d2-s0/D1024/model.safetensors").exists()
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in SETTINGS.items()}
    config = dataclasses.replace(CONFIG, **(dataclasses.asdict(stage.LMConfig()) | given | {"depths": (1, 2)}))
    alone = stage.STAGE.make(config, {"curriculum": made}, tmp_path / "alone")
    assert (home / "ladder/points.csv").read_bytes() == alone.file("points.csv").read_bytes()
    (packed / "pack-1/done.json").write_text(json.dumps(["ladder", "continued"]))
    assert pack.run(packed / "pack-1", tmp_path / "fresh", None, 1, {}) == 0  # what was brought home isn't trained again
    assert not (tmp_path / "fresh/cells").exists()


def test_parts_of_a_base_that_were_not_carried_are_named(packed: Path, tmp_path: Path) -> None:
    (packed / "pack-1/done.json").write_text(json.dumps(["ladder"]))
    with pytest.raises(PreceptorError, match=r"base\.zip\.000"):
        pack.run(packed / "pack-1", tmp_path / "work", None, 1, {})


@pytest.mark.parametrize("text", ["{}", '{"cells": [{"x": 1}], "folders": {}}', "no"])
def test_damaged_packs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(PreceptorError):
        Pack.load(tmp_path)
