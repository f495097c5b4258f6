import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import write_csv_log
from preceptor.cli import _show, app, main
from preceptor.study_file import packaged

ROOT = Path(__file__).parent.parent
COMMANDS = [
    "build",
    "codes",
    "data",
    "export",
    "fit",
    "plan",
    "pretrain",
    "push",
    "recommend",
    "report",
    "run",
    "tstr",
    "verify",
]


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Frozen: a new command is a decision."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert not caught.value.code
    words = capsys.readouterr().out.split()
    assert [c for c in COMMANDS if c not in words] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "Usage" in capsys.readouterr().out


def test_run_lists_the_packaged_studies(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    assert [name for name in packaged() if f"{name}:" not in shown] == []


def test_errors_are_printed_plainly_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "quick", "--set", "graph.topk=3"])
    assert caught.value.code == 2
    assert "did you mean 'top_k'" in capsys.readouterr().err


def test_data_check_says_what_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv_log(tmp_path / "log")
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(tmp_path / "log"), "--json"])
    assert not caught.value.code
    assert json.loads(capsys.readouterr().out)


def test_data_describe_speaks_to_people_and_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_csv_log(tmp_path / "log")
    for arguments in ([], ["--json"]):
        with pytest.raises(SystemExit) as caught:
            main(["data", "describe", str(tmp_path / "log"), *arguments])
        assert not caught.value.code
        shown = capsys.readouterr().out
        if arguments:
            assert json.loads(shown)["sentences"]
        else:
            assert "What follows" in shown
            assert "NDCG@10" in shown


def test_dry_run_from_the_shell(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "preceptor", "run", "miniature", "--out", str(tmp_path / "o"), "--dry-run", "--json"],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
    )
    assert json.loads(done.stdout)[0]["state"] == "missing"


def test_untrusted_text_cannot_drive_the_terminal() -> None:
    assert _show("a\x1b[2Jb\u202ec\nd") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\nd"


def test_commands_complete_in_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # whose start-up file is told of the script
    script = tmp_path / "preceptor.bash"
    app(["--install-completion", "--shell", "bash", "--output", str(script)], result_action="return_value")
    written = script.read_text()
    assert "push" in written
    assert "--min-users" in written
