"""Curves reach a tracker as the file has them, each line once, and don't decide whether the stage is up to date."""

import dataclasses
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from preceptor.core.artifact import canonical
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.lm import Step
from preceptor.lm import report_to, stage
from preceptor.lm.config import LMConfig

STEPS = [Step("d2-s0", branch, 5.0 - k, 0.01, k, 512 * k) for branch in ("trunk", "D1024") for k in range(3)]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int, dict[str, float]]]:
    """What a stand-in for trackio was told: project, run, step, values."""
    told: list[tuple[str, str, int, dict[str, float]]] = []

    class Run:
        def __init__(self, project: str, name: str) -> None:
            self.where = (project, name)

        def log(self, values: dict[str, float], step: int) -> None:
            told.append((*self.where, step, values))

        def finish(self) -> None: ...

    module: Any = ModuleType("trackio")
    module.init = Run
    monkeypatch.setitem(sys.modules, "trackio", module)
    monkeypatch.setattr(report_to.importlib.util, "find_spec", lambda name: name)
    return told


def test_every_line_of_the_file_is_sent_once(tmp_path: Path, logged: list) -> None:
    row.write(tmp_path, Step, STEPS[:4])
    sent = report_to.follow(tmp_path / Step.FILE, "trackio", tmp_path, "mine")
    row.write(tmp_path, Step, STEPS)
    assert report_to.follow(tmp_path / Step.FILE, "trackio", tmp_path, "mine", sent) == len(STEPS)
    found = [(name, step, values["loss"], values["tokens"]) for _, name, step, values in logged]
    assert found == [(f"{s.run}/{s.branch}", s.step, s.loss, s.tokens) for s in STEPS]
    assert {project for project, *_ in logged} == {"mine"}


def test_a_tracker_is_no_part_of_the_key() -> None:
    """And the key is what it was before there were trackers: a finished stage stays finished."""
    plain, asked = (stage.key(LMConfig(report_to=to), {}) for to in ("", "trackio"))
    assert canonical(plain.config) == canonical(asked.config)
    assert set(plain.config) == {f.name for f in dataclasses.fields(LMConfig)} - {*stage.SINCE_CONTINUAL, "report_to"}


@pytest.mark.parametrize(("to", "said"), [("excel", "Unknown tracker"), ("wandb", "pip install wandb")])
def test_a_tracker_that_is_not_there_is_refused_before_training(to: str, said: str) -> None:
    if to == "wandb" and report_to.importlib.util.find_spec(to):
        pytest.skip("wandb is installed")
    with pytest.raises(PreceptorError, match=said):
        stage.STAGE.check(LMConfig(report_to=to))


def test_a_tracker_that_fails_loses_no_model(
    tmp_path: Path, logged: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise ConnectionError("no account")

    monkeypatch.setattr(sys.modules["trackio"], "init", fail)
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    row.write(tmp_path, Step, STEPS)
    stage._report(LMConfig(report_to="trackio"), tmp_path)
    assert "no account" in capsys.readouterr().err
