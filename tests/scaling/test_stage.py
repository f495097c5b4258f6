from pathlib import Path

import pytest

from preceptor.core import artifact
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, SourceTokens
from preceptor.core.tables.scaling import Fitted, Forecast
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.law import Law
from preceptor.scaling.stage import STAGE
from scaling.planted import sweep

LIGHT = ScalingConfig(starts=30, bootstraps=20, bootstrap_starts=2)


def lm(out: Path) -> artifact.Artifact:
    def build(folder: Path) -> dict[str, list[str]]:
        p = sweep(4, 4, noise=0.005, floor=2.0)
        planted = list(zip(p.params, p.tokens, p.loss, p.run, p.seed, strict=True))
        row.write(
            folder,
            Point,
            [
                Point(int(n), int(d), float(loss), str(run), int(seed), name, int(n), 2, "item", floor, None, None)
                for name, floor in (("uih", 2.0), ("general", None))
                for n, d, loss, run, seed in planted
            ],
        )
        row.write(folder, SourceTokens, [SourceTokens(1000, "uih", 800, None, 800), SourceTokens(1000, "cf", 200, 2.0, 100)])
        return {"sets": ["general", "uih"]}

    return artifact.make("lm", 1, {}, {}, out, build)


def test_the_stage_writes_its_files_and_the_same_bytes_again(tmp_path: Path) -> None:
    made = [STAGE.make(LIGHT, {"lm": lm(tmp_path / x)}, tmp_path / x) for x in ("a", "b")]
    assert set(made[0].manifest["files"]) == {"laws.json", "forecast.csv", "fits.csv", "summary.json", "plan.json"}
    assert made[0].digest == made[1].digest
    summary = made[0].json("summary")
    assert summary["sizes"] == summary["budgets"] == 4
    assert summary["fewest_runs_a_size"] == 1
    assert summary["sets"]["general"]["identified"] is False
    assert "alpha" not in summary["sets"]["general"]["parameters"]  # four sizes, one seed: the term in N stays open
    law = Law.load(made[0].file("laws.json"))
    assert list(law.sets) == ["uih", "general"]
    assert "known floor" in str(Law.load(made[0].file("laws.json")))
    rows = row.read(made[0].path, Forecast)
    (corner,) = (r for r in rows if r.set == "uih" and r.held == "corner" and r.form == "joint-excess")
    assert corner.excess_error is not None
    assert abs(corner.excess_error) < 0.2
    fitted = [r.fitted / r.loss for r in row.read(made[0].path, Fitted) if r.form == "joint"]
    assert len(fitted) == 32
    assert fitted == pytest.approx([1.0] * 32, abs=0.05)
