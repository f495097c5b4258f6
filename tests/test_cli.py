import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import write_csv_log
from preceptor import cli_output
from preceptor.cli import app, main
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


ACTING = "a\x1b[2Jb\u202ec"


def test_untrusted_text_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Through every way in which a command prints; markup of rich is text too."""
    cli_output.line(ACTING)
    cli_output.note(ACTING)
    cli_output.data({"title": ACTING, "out": Path(ACTING)})
    cli_output.table(["title", ACTING], [("[red]" + ACTING, 1)], ACTING)
    cli_output.heading(ACTING)
    cli_output.sentences([ACTING], "• ")
    cli_output.fault(ValueError(ACTING))
    cli_output.console().print("[bold]x[/bold]" + ACTING)
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "[red]a\\x1b[2Jb\\u202ec" in shown.out
    assert "ValueError: a\\x1b[2Jb" in shown.err


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    cli_output.data({"title": "Blå ☃ \ud800"})
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert json.loads(shown) == {"title": "Blå ☃ \ud800"}


def test_a_fault_of_ours_is_shown_in_full_with_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from preceptor.data import read

    def broken(*_: object) -> None:
        raise RuntimeError("x\x1b[2J")

    monkeypatch.setattr(read, "check", broken)
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", "somewhere"])
    assert caught.value.code == 1
    shown = capsys.readouterr().err
    assert "in broken" in shown
    assert "RuntimeError: x\\x1b[2J" in shown
    assert "fault of preceptor" in shown


@pytest.mark.parametrize("spoilt", ["event", "ragged", "json", "name"])
def test_escape_codes_of_a_log_do_not_reach_the_terminal(
    spoilt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_csv_log(tmp_path / f"log{ACTING if spoilt == 'name' else ''}")
    file = log / "interactions.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    if spoilt == "event":
        file.write_text("\n".join([lines[0] + ",event", *(f"{line},{ACTING}" for line in lines[1:])]), encoding="utf-8")
    elif spoilt == "ragged":
        file.write_text("\n".join([*lines, f"u1,i1,5,{ACTING},6"]), encoding="utf-8")
    elif spoilt == "json":
        file.unlink()
        (log / "interactions.jsonl").write_text(f'{{"user_id": "{ACTING}"', encoding="utf-8")
    else:
        (log / "items.csv").unlink()
    with pytest.raises(SystemExit) as caught:
        main(["data", "check", str(log)])
    assert caught.value.code == (0 if spoilt == "event" else 2)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in shown.out + shown.err
    assert "a\\x1b[2Jb" in shown.out + shown.err


def test_an_ascii_terminal_can_show_everything(tmp_path: Path) -> None:
    log = write_csv_log(tmp_path / "log")
    for options in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "preceptor", "data", "describe", str(log), *options],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
        )
        assert done.stdout.isascii()
        assert len(done.stdout) > 500


def test_commands_complete_in_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # whose start-up file is told of the script
    script = tmp_path / "preceptor.bash"
    app(["--install-completion", "--shell", "bash", "--output", str(script)], result_action="return_value")
    written = script.read_text()
    assert "push" in written
    assert "--min-users" in written
