"""The example of docs/scaling.md says what the commands print, and what its runs have reached is priced amid them."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from preceptor import cli
from preceptor.scaling.beside import Beside
from preceptor.scaling.law import Law, fit
from preceptor.scaling.points import Points
from preceptor.scaling.reverse import price_of_loss
from preceptor.scaling.surface import surface_of
from preceptor.scaling.training_cost import TrainingCost
from scaling.planted import ROOT

QUICK = ROOT / "results" / "quick"


@pytest.fixture(scope="module")
def law() -> Law:
    """Of the example's set alone, in 3 s."""
    return fit(Points.read(QUICK / "points.csv").of_set("uih-in-graph"))


def test_the_documented_plan_is_what_is_printed(law: Law, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    _, _, block = text.partition("$ preceptor fit results/quick/points.csv --out law.json\n")
    command, _, shown = block.partition("```")[0].partition("\n")
    assert command == "$ preceptor plan law.json --flops 2e12 --tables results/quick"
    law.save(tmp_path / "law.json")
    with pytest.raises(SystemExit) as ended:
        cli.main(["plan", str(tmp_path / "law.json"), *command.split()[4:6], "--tables", str(QUICK)])
    assert not ended.value.code
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in shown.splitlines() if line.strip() not in ("", "…")]
    assert len(lines) > 6
    assert [line for line in lines if line not in printed] == []


@pytest.mark.parametrize("tokens", [262_144, 1_048_576, 4_194_304])
def test_the_loss_of_trained_runs_costs_about_their_tokens(law: Law, tokens: int) -> None:
    points = Points.read(QUICK / "points.csv").of_set("uih-in-graph")
    size = float(np.unique(points.params)[-1])
    came = float(points.loss[(points.params == size) & (points.tokens == tokens)].mean())
    surface = surface_of(law.sets, law.tried, TrainingCost.of(law.flops_per_token), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        price = price_of_loss(surface, came, params=size, extrapolate=False, beside=Beside())
    assert price.tokens == pytest.approx(tokens, rel=0.25)
    assert price.flops_80 is not None
    lower, upper = price.flops_80
    assert lower is not None
    assert price.flops is not None
    assert lower < price.flops
    if tokens < 4_194_304:  # amid the points the upper end of the band falls too, though far beyond them it turns up again
        assert upper is not None
        assert price.flops < upper < 4 * price.flops
