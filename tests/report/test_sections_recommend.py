"""The section on recommending says of the largest model what its row says, and shows every arm."""

import dataclasses
from pathlib import Path

import pytest

from miniature import copied
from preceptor.core.tables import row
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report.formats import fixed, percent
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_recommend import largest, recommend, shown, verdict
from preceptor.report.summary import main_table


@pytest.fixture
def rows(miniature: Path) -> list[RecommendRow]:
    return row.read(miniature / "recommend", RecommendRow)


def rewritten(miniature: Path, tmp_path: Path, rows: list[RecommendRow]) -> Artifacts:
    out = copied(miniature, tmp_path)
    row.write(out / "recommend", RecommendRow, rows)
    return Artifacts.of(out)


def test_verdict_is_about_the_largest_model_and_what_it_is_compared_with(miniature: Path, rows: list[RecommendRow]) -> None:
    best = largest(shown(rows))
    assert best is not None
    assert (best.params, best.form, best.part, best.study_arm) == (max(r.params or 0 for r in rows), "calibrated", "test", "")
    said = verdict(Artifacts.of(miniature))
    assert percent(best.recall_100) in said
    knn = next(r for r in shown(rows) if r.arm == "item-knn")
    assert f"item-kNN {percent(knn.recall_100)}" in said
    assert "Arm plain of the study: " in recommend(Artifacts.of(miniature)).html
    assert said in recommend(Artifacts.of(miniature)).html.replace("&#x27;", "'")
    assert f"{best.ndcg_10:.4f}" in main_table(miniature)


def test_of_several_seeds_the_mean_is_shown_and_no_single_one(
    miniature: Path, rows: list[RecommendRow], tmp_path: Path
) -> None:
    best = largest(shown(rows))
    assert best is not None
    mean = dataclasses.replace(best, run=None, seeds=3, ndcg_10=0.7654)
    inputs = rewritten(miniature, tmp_path, [*rows, mean])
    assert largest(shown(inputs.rows("recommend", RecommendRow))) == mean
    assert "Its NDCG@10 is 0.7654" in verdict(inputs)
    page = recommend(inputs).html
    assert "mean of 3 seeds" in page
    table, every = page.split("Every language model, in every form")
    assert f"{best.ndcg_10:.4f}" in every
    assert "0.7654" in table


@pytest.mark.parametrize(
    ("lo", "hi", "word"), [(0.01, 0.03, "above item-kNN"), (-0.03, -0.01, "below item-kNN"), (-1, 1, "not told apart from")]
)
def test_a_difference_is_called_one_where_its_interval_is_off_nought(
    miniature: Path, rows: list[RecommendRow], tmp_path: Path, lo: float, hi: float, word: str
) -> None:
    told = [dataclasses.replace(r, over_knn=(lo + hi) / 2, over_knn_lo=lo, over_knn_hi=hi) for r in rows]
    assert word in verdict(rewritten(miniature, tmp_path, told))


@pytest.mark.parametrize(("lo", "hi", "word"), [(0.1, 0.3, "more than"), (-0.3, -0.1, "fewer than"), (-1, 1, "not told apart")])
def test_the_student_is_held_against_its_law(
    miniature: Path, rows: list[RecommendRow], tmp_path: Path, lo: float, hi: float, word: str
) -> None:
    assert "the law that drew its synthetic histories" in verdict(Artifacts.of(miniature))
    told = [dataclasses.replace(r, nats_over_law=(lo + hi) / 2, nats_over_law_lo=lo, nats_over_law_hi=hi) for r in rows]
    assert word in verdict(rewritten(miniature, tmp_path / "told", told))
    paper = [dataclasses.replace(r, nats_over_law=None) for r in rows]  # under the paper's walks the law is no arm
    assert "the law that drew" not in verdict(rewritten(miniature, tmp_path / "paper", paper))


def test_figures_say_what_they_draw(miniature: Path, rows: list[RecommendRow]) -> None:
    section = recommend(Artifacts.of(miniature))
    assert [d.name for d in section.figures] == ["recommend-recall-100", "recommend-ndcg-10"]
    for metric, drawing in zip(("recall_100", "ndcg_10"), section.figures, strict=True):
        for r in shown(rows):
            if (r.arm == "lm" and r.form == "calibrated") or r.arm in ("generator", "real", "popularity"):
                assert fixed(getattr(r, metric), 4) in drawing.file


def test_without_test_targets_or_models_it_says_what_there_is(
    miniature: Path, rows: list[RecommendRow], tmp_path: Path
) -> None:
    inputs = rewritten(miniature, tmp_path, [r for r in rows if r.part == "validation" and r.arm != "lm"])
    section = recommend(inputs)
    assert not section.figures
    assert "No language model was ranked" in section.html
    assert "Validation part" in section.html
