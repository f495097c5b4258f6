"""`preceptor recommend` as a person and a program use it, and docs/recommend.md as it is printed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from preceptor.cli import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recommend.md").read_text(encoding="utf-8")


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["recommend", *arguments])
    assert not caught.value.code


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_people_get_titles_with_probabilities(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(str(trained), "--history", "toy story; Heat", "--top", "5")
    shown = capsys.readouterr().out
    assert "After Toy Story (1995); Heat (1995)" in shown
    assert "d2-s0/D4096 recommends" in shown
    assert len(re.findall(r"\d%", shown)) == 6  # five items, and the mass


def test_programs_get_json(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(str(trained), "--history", "id:i0", "--top", "1000", "--model", "d1-s0", "--json")
    text = capsys.readouterr().out
    assert text.isascii()  # the snowman of the hostile title is escaped
    said = json.loads(text)
    assert set(said) == {"model", "history", "items", "mass", "notes"}
    assert said["model"] == "d1-s0/D4096"
    assert said["history"] == [{"item_id": "i0", "title": "Toy Story (1995)"}]
    assert [x["rank"] for x in said["items"]] == list(range(1, len(said["items"]) + 1))
    assert any("<script>" in x["title"] and "☃" in x["title"] for x in said["items"])


def test_markup_in_titles_is_shown_and_not_obeyed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from preceptor.recommend import answer
    from preceptor.recommend.recommendations import Recommendations, Recommended

    hostile = Recommendations([Recommended("a", "[bold]x[/bold]\x1b[2J", 0.5)], "m", [("b", "[red]y")], 0.5, ["[z]"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answer, "recommend", lambda *_: hostile)
        run(str(trained), "--history", "x")
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]\\x1b[2J" in shown
    assert "After [red]y" in shown
    assert "[z]" in shown


def test_errors_are_printed_plainly(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["recommend", str(trained), "--history", "toy stroy"])
    assert caught.value.code == 2
    assert "did you mean" in capsys.readouterr().err


def test_help_loads_no_torch() -> None:
    code = (
        "import sys\nfrom preceptor.cli import main\n"
        "try:\n    main(['recommend', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'numba', 'polars'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={"PYTHONPATH": "src", "PATH": ""})


def test_the_documented_commands_work(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command of the page, in its order, on a run at run/quick."""
    _at_run_quick(trained, tmp_path, monkeypatch)
    commands = [line for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    asked = [shlex.split(c[2:]) for c in commands if c.startswith("$ preceptor recommend")]
    assert len(asked) >= 4
    (tmp_path / "history.txt").write_text("Toy Story\nHeat (1995)\n", encoding="utf-8")
    for _, *printed in asked:
        arguments = [a.replace("d5-s0", "d2-s0").replace("D786432", "D4096") for a in printed]  # sizes of the miniature
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert not caught.value.code, arguments
        assert "Toy Story (1995)" in capsys.readouterr().out


def test_the_documented_python_works(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_run_quick(trained, tmp_path, monkeypatch)
    code = next(block for block in blocks("python") if "import preceptor" in block)
    exec(compile(code, "docs/recommend.md", "exec"), {})
    assert "After Toy Story (1995); Heat (1995)" in capsys.readouterr().out


def _at_run_quick(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "quick").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
