"""The studies of scaling laws: valid cells, what is held out named before, no finished cell asked for again."""

import csv
import dataclasses
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from preceptor import study
from preceptor.core.tables.lm import Point


@pytest.fixture(scope="module")
def studies() -> ModuleType:
    from benchmarks.scaling import studies as scaling_studies

    return scaling_studies


def point(**more: object) -> Point:
    fields: dict[str, object] = {
        **{"params": 10, "tokens": 4096, "loss": 1.5, "run": "r", "seed": 0, "set": "uih-in-graph", "params_total": 30},
        **{"depth": 1, "unit": "item", "floor": None, "excess": None, "bits_per_byte": None},
    }
    return Point(**fields | more)  # type: ignore[arg-type]


def test_every_cell_has_a_name_of_its_own_and_settings_that_hold(studies: ModuleType) -> None:
    for cells in studies.STUDIES.values():
        names = [cell.name for cell in cells]
        assert len(set(names)) == len(names)
        for cell in cells[::5]:  # a config takes a tenth of a second
            config = cell.config()
            study.check(config, "lm")
            assert config.lm.aspect * config.lm.depths[0] == cell.size.width
            assert config.lm == cell.lm()


def test_every_study_of_a_law_holds_something_out(studies: ModuleType) -> None:
    for name in ("known-floor", "collapse"):
        roles = {cell.size.role for cell in studies.STUDIES[name]}
        assert roles == {"fitted", "held out"}
    assert all(cell.held_out() == cell.tokens[-1:] for cell in studies.STUDIES["known-end"])
    assert all(cell.first(6).held_out() == (2_097_152,) for cell in studies.STUDIES["known-end"])
    whole = next(cell for cell in studies.STUDIES["known-floor"] if cell.size.role == "held out")
    assert whole.held_out() == whole.tokens


def test_what_is_held_out_is_named_once_and_then_stays(studies: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "held-out.csv"
    cells = studies.STUDIES["known-end"][:2]
    studies.name_held_out(table, [cells[0].first(6)])
    studies.name_held_out(table, cells)  # the first is named: a longer run doesn't move what is held out of it
    with open(table, encoding="utf-8", newline="") as f:
        found = [(line["cell"], int(line["tokens"])) for line in csv.DictReader(f)]
    assert found == [(cells[0].name, 2_097_152), (cells[1].name, 4_194_304)]


def test_a_held_out_size_is_held_out_at_the_budgets_that_its_plan_gets_later_too(studies: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "held-out.csv"
    cell = next(cell for cell in studies.STUDIES["collapse"] if cell.size.role == "held out")
    studies.name_held_out(table, [cell.first(2)])
    studies.name_held_out(table, [cell])
    assert [int(line["tokens"]) for line in studies.read(table)] == list(cell.tokens)


def test_a_committed_cell_is_finished_and_keeps_its_other_budgets(studies: ModuleType, tmp_path: Path) -> None:
    (cell,) = studies.STUDIES["tiny"]
    table = tmp_path / "points.csv"
    assert studies.finished(table) == {}
    studies.commit(table, cell, [point(tokens=4096), point(tokens=4096, seed=1)])
    assert studies.finished(table) == {cell.name: {4096}}
    (left,) = studies.missing([cell], studies.finished(table))
    assert left.tokens == (2048,), "a budget below the largest is missing, and nothing else is trained"
    assert left.name == cell.name
    studies.commit(table, left, [point(tokens=2048)])
    assert studies.finished(table) == {cell.name: {2048, 4096}}
    studies.commit(table, left, [point(tokens=2048, loss=1.25)])
    assert studies.missing([cell], studies.finished(table)) == []
    assert sorted((line["tokens"], line["loss"]) for line in studies.read(table)) == [
        *[("2048", "1.25"), ("4096", "1.5"), ("4096", "1.5")],
    ]
    assert table.read_text(encoding="utf-8").startswith("log,law,")


def test_walks_are_in_a_law_once_and_its_cost_on_people_is_finite(studies: ModuleType, tmp_path: Path) -> None:
    from benchmarks.scaling.edges import effective_edges
    from preceptor.core.tables import row
    from preceptor.core.tables.generator import RealityRow
    from preceptor.generator.mixture import Mixture

    (tiny,) = studies.STUDIES["tiny"]
    cell = dataclasses.replace(tiny, law="mixture, half walks")
    made = study.run(cell.config(), tmp_path, wanted="reality")
    for name in ("all", "seen"):
        law = Mixture.load(made["generator"].path / name / "law")
        assert [part.weight for part in law.parts][-1] == 0.5
        assert len(set(law.names)) == len(law.names)
        assert sum(part.weight for part in law.parts) + law.prior_share == pytest.approx(1)
    assert effective_edges(made["generator"]) is None, "the fit's edges aren't those of the blend"
    assert all(found.nats is not None and np.isfinite(found.nats) for found in row.read(made["reality"].path, RealityRow))


def test_a_cosine_that_lacks_a_budget_is_run_whole(studies: ModuleType) -> None:
    cosine = next(cell for cell in studies.STUDIES["schedule"] if cell.arm == "one cosine")
    (left,) = studies.missing([cosine], {cosine.name: set(cosine.tokens[1:])})
    assert left.tokens == cosine.tokens


def test_two_studies_that_have_the_same_cells_train_them_once(studies: ModuleType, tmp_path: Path) -> None:
    floor, nulls = ({cell.name: cell for cell in studies.STUDIES[name]} for name in ("known-floor", "nulls"))
    same = set(floor) & set(nulls)
    assert len(same) == 6
    assert all(floor[name] == nulls[name] for name in same)
    cell = floor[min(same)]
    studies.commit(tmp_path / "known-floor" / "points.csv", cell, [point(tokens=d) for d in cell.tokens])
    left = studies.missing(studies.STUDIES["nulls"], studies.finished_of("nulls", tmp_path))
    assert len(left) == len(nulls) - 1
    assert cell.name not in {one.name for one in left}
    assert {line["cell"] for line in studies.lines_of("nulls", tmp_path)} == {cell.name}


def test_a_tokens_cost_is_between_those_of_its_neighbours(studies: ModuleType) -> None:
    from benchmarks.scaling.rate import cost_of

    flops = np.array([1e5, 1e6, 1e7])
    a, b = cost_of(flops, 2e-6 + 3e-12 * flops)
    assert (a, b) == pytest.approx((2e-6, 3e-12))


def test_a_tokens_cost_counts_the_items_of_each_log() -> None:
    from benchmarks.scaling.rate import items_of

    assert [items_of(log) for log in ("ml-100k", "amazon-games-2018", "market:n_items=300,n_interactions=18000")] == [
        1682, 16_859, 300,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def planted(studies: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """known-end with two generators of which everything is a power of the tokens: floor 5, T to 0, the paper's walks' real loss
    turns up; the largest budget held out."""
    folder = tmp_path_factory.mktemp("judged") / "known-end"
    cells = [cell.first(6) for cell in studies.STUDIES["known-end"][:2]]
    studies.name_held_out(folder / "held-out.csv", cells)
    draws = np.random.default_rng(0)
    for number, cell in enumerate(cells):
        points, recall = [], {}
        for seed in range(2):
            for d in cell.tokens:
                left, luck = (d / 65_536) ** -0.5, 1 + 0.002 * draws.standard_normal()
                run = {"tokens": d, "seed": seed, "run": f"s{seed}", "flops_per_token": 10}
                walks = 5 + 0.5 * left * luck
                points.append(point(**run, loss=walks, floor=5.0, excess=walks - 5, unigram=6.0, bigram=5.9, ends=0.1))
                real = 6 + 0.1 * abs(np.log(d / 262_144)) if number else 6 + 0.5 * left
                known = {"kl": 0.8 * left * luck, "trie_prior": real * luck, "generator": 5.9} if not number else {}
                points.append(point(**run, set="real-validation-seen", loss=real + 0.2, trie=real * luck, **known))
                recall[f"s{seed}", d] = (0.1, 1.5 - real / 6)
        studies.commit(folder / "points.csv", cell, points, studies.Beside(recall))
    return folder


def judged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, str]]]:
    from benchmarks.scaling import judge as scaling_judge

    monkeypatch.setattr(scaling_judge, "CONFIG", scaling_judge.ScalingConfig(starts=20, bootstraps=30, forecast=False))
    monkeypatch.setattr(sys, "argv", ["judge.py", "known-end", "--out", str(folder.parent)])
    assert scaling_judge.main() == 0
    return {name: scaling_judge.read(folder / f"{name}.csv") for name in ("judged", "summary", "ends", "recall", "fits")}


def test_a_planted_study_is_judged_as_it_was_planted(
    studies: ModuleType, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(planted, monkeypatch)
    walks = [row for row in found["judged"] if row["set"] == "uih-in-graph"]
    assert [row["tokens"] for row in walks] == ["2097152.0"] * 2
    assert all(abs(float(row["error"])) < 0.02 for row in walks)
    assert all(float(row["error_nearest"]) == pytest.approx(2**0.5 - 1, abs=0.02) for row in walks)
    (summary,) = (row for row in found["summary"] if row["set"] == "uih-in-graph")
    assert (summary["cells"], summary["runs_with_band"], summary["covered"]) == ("2", "4", "4")
    assert float(summary["score"]) < float(summary["score_nearest"])
    (divergence,) = (row for row in found["judged"] if row["set"] == "T")
    assert abs(float(divergence["error"])) < 0.05
    first, walk = found["ends"]
    assert float(first["T_end_lo"]) <= 0.05
    assert float(first["C"]) == pytest.approx(5.9)
    assert first["turned"] == ""
    assert (walk["turned"], walk["T_last"], walk["C"]) == ("262144", "", "inf"), "no walk of the paper gives every real item"
    assert all(row["by"].startswith("laws of this size") for row in found["judged"]), "one size has no joint law"
    off = [row for row in found["recall"] if row["loss"] == "trie"]
    assert all(float(row["mean_absolute_error"]) < 0.02 and float(row["within"]) < -0.9 for row in off)
    page = (planted / "README.md").read_text(encoding="utf-8")
    assert f"2 of {len(studies.STUDIES['known-end'])} planned cells" in page
    assert "turns up** under ml-100k, first-order, N 10: from 262,144 tokens on" in page
    assert "Over the 2 that both baselines reach" in page


def test_a_held_out_loss_moves_no_law(planted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = judged(planted, monkeypatch)["fits"]
    other = tmp_path / "known-end"
    shutil.copytree(planted, other)
    table = other / "points.csv"
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    loss, trie, kl, tokens = (rows[0].index(name) for name in ("loss", "trie", "kl", "tokens"))
    for row in rows[1:]:
        for column in (loss, trie, kl):
            if row[tokens] == "2097152" and row[column]:
                row[column] = str(float(row[column]) * 1.1)
    with open(table, "w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows(rows)
    assert judged(other, monkeypatch)["fits"] == before


def test_the_index_has_every_study_with_its_cost(planted: Path) -> None:
    from benchmarks.scaling import report as scaling_report
    from benchmarks.scaling.plan import STUDIES

    scaling_report.index(planted.parent)
    page = (planted.parent / "studies.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader((planted.parent / "studies.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["study"] for row in rows if int(row["begun"])] == ["known-end"]
    assert all(float(row["cpu_hours"]) > 0 and row["study"] in page for row in rows)
    assert [row["study"] for row in rows] == [name for name in STUDIES if name != "tiny"]


def layer_lines(arm: str, of_set: str, half: float, luck: float = 0.0) -> list[dict[str, str]]:
    """Losses 1 + half^log2(D/131,072) of two seeds."""
    return [
        {"arm": arm, "set": of_set, "tokens": str(131_072 << k), "seed": str(seed), "loss": str(1 + half**k + luck * seed)}
        for k in range(6)
        for seed in range(2)
    ]


def test_layers_are_ordered_by_the_share_of_what_can_be_learnt(studies: ModuleType) -> None:
    from benchmarks.scaling.order import order

    lines = [
        *layer_lines("histories", "uih-in-graph", 0.3),
        *layer_lines("pairs", "cf-both-seen", 0.6),
        *layer_lines("texts", "item-text", 0.7),
        *layer_lines("histories and pairs", "cf-both-seen", 0.1),  # reads two layers: it is in no order
    ]
    rows = order(lines)
    assert [(r["tokens"], r["layer"], r["other"]) for r in rows][:3] == [
        (262_144, "histories", "pairs"),
        (262_144, "histories", "texts"),
        (262_144, "pairs", "texts"),
    ]
    assert {r["tokens"] for r in rows} == {262_144, 524_288, 1_048_576}, "four times the tokens must be there too"
    assert all(r["as_expected"] for r in rows)
    assert rows[0]["share"] == pytest.approx((1 - 0.3) / (1 - 0.3**3))
    assert rows[0]["inversion"] is None, "seeds that don't differ tell no chance"


def test_a_layer_whose_loss_turns_up_has_learnt_no_more_than_all(studies: ModuleType) -> None:
    from benchmarks.scaling.order import learnt

    losses = (9.0, 5.0, 4.0, 4.5, 6.0, 8.0)
    lines = [
        {"arm": "texts", "set": "item-text", "tokens": str(131_072 << k), "seed": "0", "loss": str(loss)}
        for k, loss in enumerate(losses)
    ]
    shares = learnt(lines, "texts")
    assert shares == {262_144: [pytest.approx(0.8)], 524_288: [1.0], 1_048_576: [pytest.approx(0.9)]}


def test_histories_are_also_measured_down_to_their_known_floor(studies: ModuleType) -> None:
    from benchmarks.scaling.order import order

    lines = [
        *[line | {"floor": "1", "unigram": "2.9", "ends": "0.1"} for line in layer_lines("histories", "uih-in-graph", 0.3)],
        *layer_lines("pairs", "cf-both-seen", 0.6),
    ]
    assert [row["known"] for row in order(lines)] == [pytest.approx(1 - 0.3**k / 2) for k in (1, 2, 3)]


def test_a_small_lead_may_be_an_inversion(studies: ModuleType) -> None:
    from benchmarks.scaling.order import order

    near = [
        *layer_lines("histories", "uih-in-graph", 0.500),
        *[
            line | {"loss": str(float(line["loss"]) ** (1 + 0.1 * int(line["seed"])))}
            for line in layer_lines("pairs", "cf-both-seen", 0.501)
        ],
    ]
    far = [*near[:12], *layer_lines("pairs", "cf-both-seen", 0.9)]
    far[-1]["loss"] = str(float(far[-1]["loss"]) + 0.01)
    assert all(0.05 < r["inversion"] <= 0.5 for r in order(near))
    assert all(r["inversion"] < 0.01 for r in order(far))


def test_every_special_table_has_a_section(studies: ModuleType) -> None:
    from benchmarks.scaling.sections import SECTIONS
    from benchmarks.scaling.special import TABLES

    assert set(SECTIONS) == {name for tables in TABLES.values() for name in tables} | {"collapse", "sizes", "arms"}


def test_a_page_shows_what_its_study_asks(studies: ModuleType) -> None:
    from benchmarks.scaling.order import order
    from benchmarks.scaling.sections import SECTIONS

    lines = [*layer_lines("histories", "uih-in-graph", 0.3), *layer_lines("pairs", "cf-both-seen", 0.6, luck=0.01)]
    rows = [{k: "" if v is None else str(v) for k, v in r.items()} for r in order(lines)]
    page = SECTIONS["order"](rows)
    assert "3 of 3 comparisons have it" in page
    assert "| 262,144 | histories | pairs | 0.719 |" in page
