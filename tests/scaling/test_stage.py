from pathlib import Path

import numpy as np
import pytest

from preceptor.core import artifact
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point, SourceTokens
from preceptor.core.tables.scaling import Fitted, Forecast
from preceptor.scaling.config import ScalingConfig
from preceptor.scaling.law import Law
from preceptor.scaling.stage import STAGE, points_of, sources_of
from scaling.planted import sweep

LIGHT = ScalingConfig(starts=30, bootstraps=20, bootstrap_starts=2)


def lm(out: Path, epochs: float | None = None) -> artifact.Artifact:
    """A stage lm whose general text is read so often at the largest budget."""

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
        sources = [SourceTokens(1000, "uih", 800, None, 800), SourceTokens(1000, "cf", 200, 2.0, 100)]
        if epochs is not None:
            sources.append(SourceTokens(int(p.tokens.max()), "general", 800, epochs, round(800 / epochs)))
        row.write(folder, SourceTokens, sources)
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


def test_a_run_repeats_for_a_set_whose_own_source_was_read_more_than_once() -> None:
    def point(name: str, tokens: int) -> Point:
        return Point(10, tokens, 3.0, name, 0, name, 10, 2, "item", None, None, None)

    names = ("item-text", "cf-both-seen", "general", "uih-in-graph", "real-test-seen")
    sources = [
        SourceTokens(1000, "item-text", 50, 0.5, 50), SourceTokens(4000, "item-text", 200, 2.0, 100),
        SourceTokens(1000, "uih", 900, None, 900), SourceTokens(4000, "uih", 3600, 1.5, 2400),
        SourceTokens(4000, "cf", 200, 1.0, 200),
    ]  # fmt: skip
    points = points_of([point(name, tokens) for name in names for tokens in (1000, 4000)], sources, "x")
    distinct = dict(zip(zip(points.set, points.tokens, strict=True), points.unique_tokens, strict=True))
    assert distinct["item-text", 1000] == 1000  # as many as were read
    assert distinct["item-text", 4000] == 2000  # each of its tokens twice
    assert distinct["cf-both-seen", 4000] == 4000
    assert distinct["uih-in-graph", 4000] == distinct["real-test-seen", 4000] == pytest.approx(4000 / 1.5)
    assert distinct["uih-in-graph", 1000] != distinct["uih-in-graph", 1000]  # endless: nothing is known to repeat
    assert list(points.set[points.repeated]) == ["item-text", "uih-in-graph", "real-test-seen"]
    assert sources_of("uih-full") == ("uih",)


def test_a_run_that_reads_people_s_histories_repeats_for_sets_of_people_by_what_it_read_again() -> None:
    rows = [Point(10, 4000, 3.0, name, 0, name, 10, 2, "item", None, None, None) for name in ("uih-in-graph", "real-test-seen")]
    sources = [SourceTokens(4000, "uih", 3000, None, 3000), SourceTokens(4000, "real", 1000, 4.0, 250)]
    drawn, people = points_of(rows, sources, "x").unique_tokens
    assert np.isnan(drawn)  # endless
    assert people == 4000 * (3000 + 250) / 4000


def test_points_of_a_study_that_repeat_are_in_no_law_of_fresh_tokens(tmp_path: Path) -> None:
    made = STAGE.make(LIGHT, {"lm": lm(tmp_path, epochs=3.0)}, tmp_path)
    law = Law.load(made.file("laws.json"))
    assert law.sets["general"].repeated == 4
    assert law.sets["uih"].repeated == 0
    joint = [one for one in law.sets["general"].laws if one.form == "joint"]
    assert [one.n for one in joint] == [12]
