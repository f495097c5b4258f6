"""Surroundings that are against us: a study where nobody can write, a terminal that knows little, an interrupt."""

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import miniature as studies
from preceptor import study
from preceptor.cli import main
from preceptor.core.artifact import RUN
from preceptor.core.errors import PreceptorError
from preceptor.report.summary import main_table


@functools.cache
def config() -> study.StudyConfig:
    return studies.config()


def read_only(monkeypatch: pytest.MonkeyPatch, below: Path) -> None:
    """Whatever would change something below a folder fails as it does on a file system that is mounted read-only."""

    def closed(path: Any, *_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def guarded(function: Any, writes: Any) -> Any:
        def call(path: Any, *more: Any, **named: Any) -> Any:
            inside = isinstance(path, str | os.PathLike) and Path(path).is_relative_to(below)
            return (closed if inside and writes(*more, **named) else function)(path, *more, **named)

        return call

    def opens(mode: str = "r", *_: Any, **__: Any) -> bool:
        return not mode.startswith("r")

    def flags(given: int, *_: Any, **__: Any) -> bool:
        return bool(given & (os.O_WRONLY | os.O_RDWR))

    monkeypatch.setattr(builtins, "open", guarded(builtins.open, opens))
    monkeypatch.setattr(os, "open", guarded(os.open, flags))
    for name in ("replace", "rename", "unlink", "rmdir"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name), lambda *_, **__: True))


def test_a_finished_study_is_read_where_nobody_can_write(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(miniature, tmp_path / "run")
    read_only(monkeypatch, out)
    made = study.run(config(), out)
    assert made["report"].file("report.html").exists()
    assert "NDCG" in main_table(out)


def test_making_something_where_nobody_can_write_says_so(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(miniature, tmp_path / "run")
    shutil.rmtree(out / "scaling")
    with monkeypatch.context() as patch:
        read_only(patch, out)
        with pytest.raises(PreceptorError, match=r"Access is refused[\s\S]*scaling[\s\S]*choose another folder"):
            study.run(config(), out, "scaling")


def test_a_study_interrupted_within_an_arm_goes_on(miniature: Path, tmp_path: Path) -> None:
    """What comes after the arms is asked what it will cost while an arm is half made."""
    out = shutil.copytree(miniature, tmp_path / "run")
    shutil.rmtree(out / "arms" / "plain" / "lm")
    states = {row.stage: row.state for row in study.dry_run(config(), out)}
    assert (states["lm@plain"], states["recommend"], states["real@plain"]) == ("missing", "waits", "fresh")


def test_damaged_records_of_the_making_keep_nobody_from_the_table(miniature: Path, tmp_path: Path) -> None:
    out = shutil.copytree(miniature, tmp_path / "run")
    whole = len(study.times(out))
    (out / "lm" / RUN).write_text("[]")
    (out / "data" / RUN).write_bytes(b"\x00\xff")
    (out / "codes" / RUN).unlink()
    assert len(study.times(out)) == whole - 3
    study.run(config(), out)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_a_damaged_study_json_is_written_again(content: bytes, miniature: Path, tmp_path: Path) -> None:
    out = shutil.copytree(miniature, tmp_path / "run")
    (out / "study.json").write_bytes(content)
    study.run(config(), out)
    assert (out / "study.json").read_bytes() == (miniature / "study.json").read_bytes()
    (out / "study.json").unlink()
    (out / "study.json").mkdir()
    with pytest.raises(PreceptorError, match="A folder is where a file should be"):
        study.run(config(), out)


def test_what_lacks_a_file_is_made_again(
    miniature: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRECEPTOR_QUIET", raising=False)
    out = shutil.copytree(miniature, tmp_path / "run")
    (out / "report" / "report.html").unlink()
    states = {row.stage: (row.state, row.why) for row in study.dry_run(config(), out)}
    assert states["report"] == ("damaged", "report.html is missing")
    (out / "scaling" / "plan.json").unlink()
    study.run(config(), out, "scaling")  # which takes less time
    assert (out / "scaling" / "plan.json").read_bytes() == (miniature / "scaling" / "plan.json").read_bytes()
    assert "scaling: made again (plan.json is missing)" in capsys.readouterr().err


def test_the_last_print_works_on_a_terminal_that_knows_ascii_alone(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, everything was made, and then the table failed."""
    out = shutil.copytree(miniature, tmp_path / "run")
    settings = [part for one in studies.OVERRIDES for part in ("--set", one)]
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "ascii"))
    with pytest.raises(SystemExit) as caught:
        main(["run", "miniature", "--data", studies.SOURCE, "--out", str(out), *settings])
    sys.stdout.flush()
    assert not caught.value.code
    assert b"Report: " in printed.getvalue()


def test_an_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "run", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["run", "miniature"])
    assert caught.value.code == 130
    assert "stopped; run the same command again to continue" in capsys.readouterr().err


def test_a_full_disk_met_by_any_command_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/there/shard")

    monkeypatch.setattr("preceptor.curriculum.export_study.Study.open", full)
    with pytest.raises(SystemExit) as caught:
        main(["export", "text", "--run", "x", "--out", "y"])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "The disk is full" in said
    assert "/there/shard" in said
