"""How the scaling studies are judged, on planted points."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.scaling import ends as scaling_ends
from benchmarks.scaling import judge as scaling_judge
from benchmarks.scaling import points as scaling_points
from benchmarks.scaling import sizes as scaling_sizes
from benchmarks.scaling import targets as scaling_targets

CONFIG = scaling_judge.ScalingConfig(starts=20, bootstraps=30, forecast=False)
GROUP = ("ml-100k", "mixture", "", "width")
BUDGETS = tuple(65_536 << k for k in range(6))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling_judge, "CONFIG", CONFIG)


def line(params: int, tokens: int, seed: int, loss: float, **more: object) -> dict[str, str]:
    fixed = {"log": "ml-100k", "law": "mixture", "arm": "", "ladder": "width", "set": "uih-in-graph", "unit": "item"}
    known = {"floor": 5.0, "unigram": 8.0, "bigram": 7.9, "ends": 0.1, "flops_per_token": 10 * params, "role": "fitted"}
    own = {"params": params, "tokens": tokens, "seed": seed, "loss": loss, "unique_uih": tokens, "own_uih": tokens}
    return {k: str(v) for k, v in (fixed | known | own | {"cell": f"N {params}"} | more).items()}


def sweep(sizes: tuple[int, ...], seeds: int = 2, n_term: float = 0.0, **more: object) -> list[dict[str, str]]:
    """5 + n_term·(N/1000)^-.4 + (D/65,536)^-.5 with .2 % of luck in the excess."""
    draws = np.random.default_rng(0)
    return [
        line(
            n, d, seed, 5 + (n_term * (n / 1000) ** -0.4 + (d / 65_536) ** -0.5) * (1 + 0.002 * draws.standard_normal()), **more
        )
        for n in sizes
        for seed in range(seeds)
        for d in BUDGETS
    ]


def held(lines: list[dict[str, str]], *tokens: int) -> set[tuple[str, str]]:
    return {(row["cell"], row["tokens"]) for row in lines if int(row["tokens"]) in tokens}


def test_two_sizes_are_forecast_by_laws_of_their_own() -> None:
    lines = [*sweep((1000,)), *[row | {"loss": str(2 * float(row["loss"]) - 5)} for row in sweep((4000,))]]
    for row in lines:
        row["floor"] = ""
    judged, fits = scaling_judge.judge(GROUP, "T", lines, held(lines, BUDGETS[-1]))
    assert [row["by"].partition(":")[0] for row in judged] == ["laws of this size"] * 2, "two sizes have no joint law"
    assert not [row for row in fits if row["form"].startswith("joint")]
    small, large = (row["predicted"] for row in judged)
    assert large > small + 0.1


def test_an_error_is_compared_where_both_baselines_reach() -> None:
    cells = [
        {"error": 0.02, "error_two_point": 0.05, "error_nearest": 0.3},
        {"error": -0.04, "error_two_point": -0.07, "error_nearest": 0.2},
        {"error": 0.9, "error_two_point": np.nan, "error_nearest": 0.4},
    ]
    common: dict[str, Any] = {"set": "uih-in-graph", "log": "a", "law": "b", "covered": None, "covered_of": 0, "runs": 2}
    (row,) = scaling_judge.summarise([common | cell for cell in cells])
    assert (row["cells"], row["cells_compared"]) == (3, 2)
    assert row["error"] == pytest.approx(0.04)
    assert [row[f"compared_{k}"] for k in scaling_judge.ERRORS] == pytest.approx([0.03, 0.06, 0.25])


def test_what_lies_beyond_a_held_out_budget_isnt_trained_on() -> None:
    lines = sweep((1000,))
    named = held(lines, BUDGETS[-2])
    kept = scaling_points.without_later(lines, named)
    assert {int(row["tokens"]) for row in kept} == set(BUDGETS[:-1])
    judged, fits = scaling_judge.judge(GROUP, "uih-in-graph", lines, named)
    assert [row["tokens"] for row in judged] == [BUDGETS[-2]]
    assert {row["points"] for row in fits} == {2 * 4}


def test_a_run_that_repeats_is_no_held_out_cell_of_a_law_of_fresh_tokens() -> None:
    unique = 4 * BUDGETS[0]
    lines = [row | {"unique_uih": str(min(unique, int(row["tokens"])))} for row in sweep((1000,))]
    assert scaling_points.points_of(lines).repeated.sum() == 2 * 3
    judged, _ = scaling_judge.judge(GROUP, "uih-in-graph", lines, held(lines, BUDGETS[-1]))
    assert judged == []
    half = lines[0] | {"own_uih": str(BUDGETS[0] // 2), "unique_uih": str(BUDGETS[0] // 2)}
    assert scaling_points.unique_tokens(half) == str(float(BUDGETS[0])), "half the tokens are histories, none of them twice"


@pytest.mark.parametrize(("n_term", "counts"), [(0.5, True), (0.0, False)])
def test_an_n_term_counts_where_it_lowers_the_sixth_sizes_error_on_all_seeds(n_term: float, counts: bool) -> None:
    lines = sweep((500, 1000, 2000, 4000, 8000), seeds=3, n_term=n_term)
    sixth = sweep((16_000,), seeds=3, n_term=n_term, role="held out")
    named = held(lines, BUDGETS[-1]) | held(sixth, *BUDGETS)
    rows = scaling_sizes.sizes([*lines, *sixth], named, CONFIG)
    assert [row["seed"] for row in rows] == ["0", "1", "2"]
    assert {row["sizes"] for row in rows} == {5}
    assert {row["cells"] for row in rows} == {6}
    assert all(row["counts"] is counts for row in rows)
    if counts:
        assert all(row["error_joint"] < 0.05 < row["error_tokens"] for row in rows)


def test_the_arms_of_text_are_compared_by_what_size_is_worth_to_them() -> None:
    fits = []
    for arm, a, alpha in (("codes", 2.0, 0.5), ("words", 2.0, 0.1)):
        common = {"log": "m", "arm": arm, "set": "uih-in-graph", "lo": 0.05, "hi": 0.6, "identified": True}
        fits += [common | {"form": "excess", "params": n, "parameter": "A", "value": 1.0} for n in (100.0, 10_000.0)]
        joint = common | {"form": "joint-excess", "params": None}
        fits += [joint | {"parameter": name, "value": value} for name, value in (("A", a), ("alpha", alpha))]
    codes, words = scaling_sizes.arms(fits)
    assert (codes["term_smallest"], codes["term_largest"]) == pytest.approx((0.2, 0.02))
    assert words["term_largest"] == pytest.approx(2 * 10_000**-0.1)


def real(law: str, tokens: int, seed: int, loss: float, log: str = "ml-100k", **more: object) -> dict[str, str]:
    known = {"log": log, "law": law, "set": "real-validation-seen", "trie": loss, "trie_prior": "", "kl": "", "generator": ""}
    return line(1000, tokens, seed, loss, **(known | {"recall_100": 0.5} | more))


def test_a_real_loss_turns_up_only_above_what_seeds_differ_by() -> None:
    lines = []
    for law, last in (("first-order", 6.4), ("mixture", 6.001), ("mixture, half walks", 6.4)):
        known = {} if law == "first-order" else {"generator": 5.8}
        for tokens, loss in zip(BUDGETS[:3], (6.5, 6.0, last), strict=True):
            lines += [real(law, tokens, seed, loss + 0.02 * (-1) ** (seed + tokens // 65_536), **known) for seed in range(2)]
    walk, mixture, half = scaling_ends.ends(lines, [])
    assert (walk["turned"], walk["C"]) == (BUDGETS[1], float("inf"))
    assert mixture["turned"] is None, "a rise of .001 is luck"
    assert 0.001 < mixture["rise_beyond"] < 0.4
    assert (half["turned"], half["C"]) == (BUDGETS[1], pytest.approx(5.8))


def test_a_free_end_is_of_its_own_log_and_may_come_as_near_to_0_as_a_power_of_e_can() -> None:
    common = {"law": "mixture", "ladder": "width", "set": "T", "form": "data", "parameter": "L_inf", "params": 1000.0}
    fits = [
        common | {"log": log, "value": value, "lo": lo, "hi": hi, "identified": True}
        for log, value, lo, hi in (("ml-100k", 0.03, 1.1e-7, 0.06), ("market", 0.2, 0.1, 0.3))
    ]
    lines = [real("mixture", d, 0, 6.0, log, kl=0.4) for log in ("ml-100k", "market") for d in BUDGETS]
    first, second = scaling_ends.ends(lines, fits)
    assert (first["T_end"], second["T_end"]) == (0.03, 0.2)
    assert scaling_ends.holds_zero(first)
    assert not scaling_ends.holds_zero(second)
    assert not scaling_ends.holds_zero(first | {"T_end_hi": 0.2})


def table(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        out = csv.writer(f)
        out.writerow(rows[0])
        out.writerows([["" if v is None else v for v in row.values()] for row in rows])


def test_targets_are_of_all_studies_together(tmp_path: Path) -> None:
    for study, log in (("known-end", "ml-100k"), ("text", "market"), ("known-floor", "third")):
        fixed = {"log": log, "law": "mixture", "arm": "", "ladder": "one", "set": "uih-in-graph", "params": 10}
        errors = {"error": 0.02, "error_two_point": -0.05, "error_nearest": 0.1}
        bands = {"runs": 2, "covered": 2, "covered_of": 2, "score": 0.01, "score_two_point": 0.02, "score_nearest": 0.03}
        table(tmp_path / study / "judged.csv", [fixed | errors | bands | {"tokens": d} for d in BUDGETS])
        table(tmp_path / study / "ends.csv", [{"log": log, "T_end": 0.02, "T_end_lo": 1e-7, "T_end_hi": 0.05}])
    before = [row["met"] for row in scaling_targets.targets(tmp_path)]
    assert before == ["met", "met", "met", "not met"]
    rows = scaling_judge.read(tmp_path / "text" / "judged.csv")
    table(tmp_path / "text" / "judged.csv", [row | {"covered": "", "covered_of": 0} for row in rows])
    assert scaling_targets.targets(tmp_path)[1]["met"] == "not met", "a run without a band isn't held by one"
    (tmp_path / "text" / "judged.csv").unlink()
    after = [row["met"] for row in scaling_targets.targets(tmp_path)]
    assert after == ["met", "not met", "met", "not met"], "two logs are too few"


def test_collapse_is_met_on_both_large_catalogues_or_not_at_all(tmp_path: Path) -> None:
    fixed = {"law": "first-order", "x": "per effective edge", "asked": "True", "ladder": "catalogue"}
    rows = [fixed | {"cell": f"market:n_items={n} more", "error": 0.05} for n in (10_000, 30_000)]
    table(tmp_path / "collapse" / "collapse.csv", rows[:1])
    assert scaling_targets.targets(tmp_path)[-1]["met"] == "not met"
    table(tmp_path / "collapse" / "collapse.csv", rows)
    assert scaling_targets.targets(tmp_path)[-1]["met"] == "met"
    table(tmp_path / "collapse" / "collapse.csv", [*rows, rows[0] | {"error": -0.3, "ladder": "wide"}])
    assert scaling_targets.targets(tmp_path)[-1]["met"] == "met", "a wider model is in no verdict"
    table(tmp_path / "collapse" / "collapse.csv", [*rows, rows[0] | {"error": -0.3}])
    assert scaling_targets.targets(tmp_path)[-1]["met"] == "not met"
    by_uses = [row | {"x": "uses of each edge"} for row in rows]
    table(tmp_path / "collapse" / "collapse.csv", [*rows, rows[0] | {"error": -0.3}, *by_uses])
    found = scaling_targets.targets(tmp_path)[-1]
    assert found["met"] == "met", "by one x or the other"
    assert "by per effective edge 2 of 3 on 2 catalogue(s), at most 30% off; by uses of each edge 2 of 2" in found["found"]
