import csv
from pathlib import Path

import pytest

from preceptor.core import artifact
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.law import Law
from preceptor.scaling.points import Points
from preceptor.scaling.stage import STAGE
from scaling.planted import sweep

LIGHT = ScalingConfig(starts=30, bootstraps=20, bootstrap_starts=2)


def lm(out: Path) -> artifact.Artifact:
    def build(folder: Path) -> dict[str, list[str]]:
        points = sweep(4, 4, noise=0.005, floor=2.0)
        other = {k: v * 2 for k, v in points.columns().items()}
        other["set"] = ["uih"] * 16 + ["general"] * 16
        other["floor"] = ["2.0"] * 16 + [""] * 16
        Points.of(other | {"depth": ["2"] * 32}).write(folder / "points.csv")
        return {"sets": ["general", "uih"]}

    return artifact.make("lm", 1, {}, {}, out, build)


def test_the_stage_writes_its_files_and_the_same_bytes_again(tmp_path: Path) -> None:
    made = [STAGE.make(LIGHT, {"lm": lm(tmp_path / x)}, tmp_path / x) for x in ("a", "b")]
    assert set(made[0].manifest["files"]) == {"laws.json", "forecast.csv", "fits.csv", "summary.json"}
    assert made[0].digest == made[1].digest
    summary = made[0].json("summary")
    assert summary["sizes"] == summary["budgets"] == 4
    assert summary["fewest_runs_a_size"] == 1
    assert summary["sets"]["general"]["identified"] is False
    assert "alpha" not in summary["sets"]["general"]["parameters"]  # four sizes, one seed: the term in N stays open
    law = Law.load(made[0].file("laws.json"))
    assert list(law.sets) == ["uih", "general"]
    assert "known floor" in str(Law.load(made[0].file("laws.json")))
    with open(made[0].file("forecast.csv"), newline="") as f:
        rows = list(csv.DictReader(f))
    contract = "set,form,params,tokens,actual,predicted,error,excess_error,baseline_two_point,baseline_nearest_smaller,lo,hi"
    assert list(rows[0])[:12] == contract.split(",")
    corner = [r for r in rows if r["set"] == "uih" and r["held"] == "corner" and r["form"] == "joint-excess"]
    assert len(corner) == 1
    assert abs(float(corner[0]["excess_error"])) < 0.2
    with open(made[0].file("fits.csv"), newline="") as f:
        fitted = [float(r["fitted"]) / float(r["loss"]) for r in csv.DictReader(f) if r["form"] == "joint"]
    assert len(fitted) == 32
    assert fitted == pytest.approx([1.0] * 32, abs=0.05)
