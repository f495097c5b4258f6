"""What benchmarks/tstr/map.py reads off curves that were planted."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tstr import map as tstr_map
from benchmarks.tstr import report as tstr_report
from benchmarks.tstr import verdicts as tstr_verdicts
from benchmarks.tstr.arms import PRIMARY, REAL, SIGNAL, WALKS
from benchmarks.tstr.map import Level
from benchmarks.tstr.tables import CrossingRow, LevelRow, RatioRow, WorthRow, replace
from preceptor.core.errors import PreceptorError
from preceptor.data.rows import Targets

USERS = 400
PER_ITEM = (1.0, 2.0, 4.0, 8.0)
TARGETS = Targets(
    np.arange(USERS, dtype=np.int32), np.zeros(USERS, np.int32), np.zeros(USERS, np.int64), np.zeros(USERS, np.int64)
)


def hits(share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks and nats of an arm with a recall@100, and an NDCG@10, of `share`, for one seed; who is hit is drawn."""
    rank = np.full((1, USERS), 1000, np.int32)
    rank[0, np.random.default_rng(seed).permutation(USERS)[: round(share * USERS)]] = 1
    return rank, np.full(rank.shape, 5.0, np.float32)


def levels(shares: Mapping[str, tuple[float, ...]], verdicts: Mapping[tuple[str, int], str] | None = None) -> list[Level]:
    """A level for each of PER_ITEM, with arms of these recalls; all converged but for `verdicts` by arm and level's number."""
    made = []
    for k, per_item in enumerate(PER_ITEM):
        facts = LevelRow("tiny", f"users-{k}", "users", 9, 100, round(100 * per_item), per_item, 9, USERS, USERS, 1.0, 0.0)
        found = {arm: hits(own[k], 10 * k + n) for n, (arm, own) in enumerate(shares.items())}
        made.append(Level(facts, found, {arm: (verdicts or {}).get((arm, k), "converged") for arm in shares}))
    return made


FALLING = {
    REAL: (0.2, 0.3, 0.4, 0.5),
    WALKS: (0.4, 0.4, 0.3, 0.3),
    SIGNAL: (0.3, 0.4, 0.42, 0.45),
    PRIMARY: (0.3, 0.4, 0.5, 0.55),
}


def crossed(given: list[Level]) -> tuple[dict[tuple[str, str], CrossingRow], dict[tuple[str, str, str], RatioRow]]:
    rows, ratios = tstr_map.crossings("tiny", "users", "test", given, TARGETS)
    return {(r.arm, r.against): r for r in rows if r.ratio == 1}, {(r.arm, r.against, r.level): r for r in ratios}


def test_a_curve_whose_arms_have_verdicts_crosses() -> None:
    found, ratios = crossed(levels(FALLING))
    row = found[WALKS, REAL]
    assert row.says == "crosses"
    assert row.at == pytest.approx(2 * 2 ** (np.log(4 / 3) / (np.log(4 / 3) + np.log(4 / 3))))
    assert ratios[WALKS, REAL, "users-0"].ratio == pytest.approx(2.0)
    assert ratios[WALKS, REAL, "users-0"].verdict == "converged"


def test_an_arm_without_a_verdict_at_one_level_has_no_crossing(tmp_path: Path) -> None:
    given = levels(FALLING, {(WALKS, 1): "no verdict", (WALKS, 3): "no verdict", (SIGNAL, 0): "turned"})
    found, ratios = crossed(given)
    row = found[WALKS, REAL]
    assert (row.at, row.lo, row.hi, row.share) == (None,) * 4
    assert row.says == "no verdict: walks, first order at users-1, users-3"
    assert found[SIGNAL, REAL].says.startswith("crosses")
    assert [ratios[WALKS, REAL, f"users-{k}"].verdict for k in range(4)] == ["converged", "no verdict"] * 2
    assert ratios[WALKS, REAL, "users-0"].fit is None
    assert ratios[WALKS, REAL, "users-1"].ratio == pytest.approx(4 / 3)
    replace(tmp_path, CrossingRow, list(found.values()), "set")
    replace(tmp_path, RatioRow, list(ratios.values()), "set")
    line = next(x for x in tstr_report.text(tmp_path).splitlines() if x.startswith("| walks, first order / real |"))
    assert line.endswith("| no verdict: walks, first order at users-1, users-3 |  |")
    assert line.count(", no verdict") == 2


def test_synthetic_data_has_a_worth_only_where_the_curve_of_real_and_the_arm_have_verdicts() -> None:
    def of(verdicts: Mapping[tuple[str, int], str]) -> dict[str, WorthRow]:
        rows = tstr_map.worth("tiny", "test", levels(FALLING, verdicts), {f"users-{k}": 1e6 for k in range(4)}, TARGETS)
        return {r.level: r for r in rows if r.measure == "recall@100"}

    found = of({(PRIMARY, 1): "no verdict", (WALKS, 0): "no verdict"})
    assert found["users-0"].worth == pytest.approx(100)
    assert (found["users-1"].worth, found["users-1"].equal, found["users-1"].hi) == (None, None, None)
    assert found["users-1"].says == "no verdict: real + signal, ½ at users-1"
    assert {r.says for r in of({(REAL, 3): "no verdict"}).values()} == {"no verdict: real at users-3"}


def test_the_interval_of_a_crossing_covers_it_also_near_the_end_of_the_levels() -> None:
    """Noise with a known spread, resampled with that very spread: 95 % ends must hold the truth 95 % of the time.

    400 trials of .95 lie below .92 by chance once in 300 times (binomial), and these are seeded: .95 and .92 here. Leaving out
    the resamples that have no crossing covers .79 and .88, by the same loop.
    """
    x = np.log(PER_ITEM)
    for where in (x[0] + 0.1, x[-1] - 0.25):
        random = np.random.default_rng(1)
        covered = 0
        for _ in range(400):
            seen = -0.2 * (x - where) + random.normal(0, 0.1, len(x))
            lo, hi = tstr_map.interval(x, [tstr_map.crossing(x, seen + random.normal(0, 0.1, len(x))) for _ in range(199)])
            covered += lo <= where <= hi
        assert covered >= 0.92 * 400


def test_a_crossing_near_an_end_has_an_interval_that_is_open_there(tmp_path: Path) -> None:
    shares = {
        REAL: (0.5, 0.5, 0.5, 0.5),
        WALKS: (0.7, 0.65, 0.6, 0.49),
        SIGNAL: (0.7, 0.7, 0.6, 0.6),
        PRIMARY: (0.49, 0.4, 0.4, 0.3),
    }
    found, ratios = crossed(levels(shares))
    walks, signal, primary = (found[arm, REAL] for arm in (WALKS, SIGNAL, PRIMARY))
    assert walks.at is not None
    assert 4 < walks.at < 8
    assert walks.lo is not None
    assert walks.lo < walks.at
    assert walks.hi is None
    assert walks.share is not None
    assert 0.4 < walks.share < 0.9
    assert (signal.at, signal.hi) == (None, None)
    assert signal.lo == pytest.approx(8)
    assert signal.says == "none: above 1 from 1 to 8"
    assert (primary.at, primary.lo) == (None, None)
    assert primary.hi is not None
    replace(tmp_path, CrossingRow, list(found.values()), "set")
    replace(tmp_path, RatioRow, list(ratios.values()), "set")
    text = tstr_report.text(tmp_path)
    assert f"| {walks.at:.2g} [{walks.lo:.2g}, > 8] crosses, in {walks.share:.0%} of the resamples |  |" in text
    assert "| – [8, > 8] none: above 1 from 1 to 8 |  |" in text


def test_a_resample_without_any_hit_says_nothing_of_where_the_crossing_is() -> None:
    x = np.log(PER_ITEM)
    fits = [tstr_map.crossing(x, np.array(y)) for y in ([0.3, 0.1, -0.1, -0.2], [0.3, 0.1, -np.inf, -0.2])]
    assert tstr_map.interval(x, fits[:1]) == pytest.approx((fits[0][0], fits[0][0]))
    assert tstr_map.interval(x, fits) == (-np.inf, np.inf)


def test_where_the_papers_gain_lies_is_said_and_whether_real_as_it_is_beats_popularity(tmp_path: Path) -> None:
    raw = f"{REAL}, as it is"
    shares = {
        REAL: (0.1, 0.15, 0.2, 0.4),
        WALKS: (0.46, 0.345, 0.23, 0.4),
        raw: (0.05, 0.1, 0.2, 0.3),
        "popularity": (0.1,) * 4,
    }
    rows, ratios = tstr_map.crossings("tiny", "users", "test", levels(shares), TARGETS)
    found = {(r.arm, r.against, r.ratio): r for r in rows}
    assert set(found) == {
        (WALKS, REAL, 1.0),
        (WALKS, REAL, 2.3),
        (REAL, "popularity", 1.0),
        (WALKS, "popularity", 1.0),
        (raw, "popularity", 1.0),
    }
    paper = found[WALKS, REAL, 2.3]
    assert paper.at == pytest.approx(2.0, rel=0.02)  # the ratio is 4.6, 2.3, 1.15 and 1, each level with the drawn recalls
    assert paper.says.startswith("crosses")
    beats = found[raw, "popularity", 1.0]
    assert beats.at == pytest.approx(2.0, rel=0.3)
    assert beats.says.startswith("crosses")
    assert "but" not in beats.says
    assert {r.level: r.ratio for r in ratios if r.arm == raw} == pytest.approx(
        {"users-0": 0.5, "users-1": 1.0, "users-2": 2.0, "users-3": 3.0}
    )
    replace(tmp_path, CrossingRow, rows, "set")
    replace(tmp_path, RatioRow, ratios, "set")
    text = tstr_report.text(tmp_path)
    assert "crosses 2.3 (+130 %) at |" in text
    assert f"{paper.at:.2g} [" in text


def test_a_ratio_that_runs_the_other_way_is_said_to() -> None:
    shares = {REAL: (0.3,) * 4, WALKS: (0.2, 0.3, 0.4, 0.5), "popularity": (0.6, 0.4, 0.2, 0.1)}
    found, _ = crossed(levels(shares))
    assert found[WALKS, REAL].says == "none: above 1 from 1 to 8; but the ratio rises"
    assert "but" not in found[REAL, "popularity"].says
    assert found[REAL, "popularity"].at == pytest.approx(2 * 2 ** (np.log(4 / 3) / np.log(2)))


def test_levels_that_were_judged_on_other_people_are_refused() -> None:
    other = Targets(TARGETS.user[::-1].copy(), TARGETS.sequence, TARGETS.start, TARGETS.end)
    assert tstr_verdicts.same_people([TARGETS, TARGETS], "tiny, test") is TARGETS
    with pytest.raises(PreceptorError, match="different people"):
        tstr_verdicts.same_people([TARGETS, other], "tiny, test")


def test_a_worth_beyond_the_levels_has_an_open_interval(tmp_path: Path) -> None:
    shares = FALLING | {PRIMARY: (0.3, 0.4, 0.49, 0.6)}
    rows = tstr_map.worth("tiny", "test", levels(shares), {f"users-{k}": 1e6 for k in range(4)}, TARGETS)
    densest = next(r for r in rows if (r.level, r.measure) == ("users-3", "recall@100"))
    assert (densest.worth, densest.hi, densest.says) == (None, None, "beyond the largest level")
    replace(tmp_path, WorthRow, rows, "set")
    assert ", open] beyond the largest level |" in tstr_report.text(tmp_path)
