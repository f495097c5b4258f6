"""`preceptor verify`: what it prints, and its exit status."""

import json
import shutil
from pathlib import Path

import pytest

from preceptor.cli import main


def verify(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(["verify", *arguments])
    return int(caught.value.code or 0), capsys.readouterr().out


def test_a_whole_study_is_whole(miniature: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verify(capsys, str(miniature))
    assert code == 0
    assert "Nothing is damaged in" in said
    code, said = verify(capsys, str(miniature), "--json")
    found = json.loads(said)
    assert (code, found["damaged"]) == (0, 0)
    assert {"data", "lm", "lm@plain", "report"} <= {one["name"] for one in found["artifacts"]}


def test_damage_is_named_with_status_1(miniature: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = shutil.copytree(miniature, tmp_path / "run")
    item = run / "data" / "train" / "item.npy"
    changed = bytearray(item.read_bytes())
    changed[-1] ^= 1
    item.write_bytes(changed)
    (run / "report" / "evil\x1b[2J.html").write_text("")
    (run / "audit" / "manifest.json").unlink()
    code, said = verify(capsys, str(run))
    assert code == 1
    assert f"{item}: other bytes than were written" in said
    assert "no manifest names this file" in said
    assert "\x1b" not in said
    assert "Not finished, and not checked: audit" in said
    code, said = verify(capsys, str(run), "--json")
    assert code == 1
    assert json.loads(said)["damaged"] == 2


def test_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(tmp_path)])
    assert caught.value.code == 2
    assert "No run here" in capsys.readouterr().err
