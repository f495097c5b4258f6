"""The example of docs/scaling.md says what the commands print."""

from pathlib import Path

import pytest

from preceptor import cli
from preceptor.scaling.law import fit
from preceptor.scaling.points import Points
from scaling.planted import ROOT


def test_the_documented_plan_is_what_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    _, _, block = text.partition("$ preceptor fit results/quick/points.csv --out law.json\n")
    command, _, shown = block.partition("```")[0].partition("\n")
    assert command == "$ preceptor plan law.json --flops 2e12 --tables results/quick"
    quick = ROOT / "results" / "quick"
    fit(Points.read(quick / "points.csv").of_set("uih-in-graph")).save(tmp_path / "law.json")  # the example's set alone: 3 s
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", str(tmp_path / "law.json"), *command.split()[4:6], "--tables", str(quick)])
    assert not ended.value.code
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in shown.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 6
    assert [line for line in lines if line not in printed] == []
