"""The first screen answers what a team decides by, says no more than the tables, and links to its evidence."""

import dataclasses
from pathlib import Path

import pytest

from miniature import copied
from preceptor.core.tables import row
from preceptor.core.tables.ranking import NO_VERDICT, Answer
from preceptor.core.tables.recommend import RecommendRow
from preceptor.report.config import ReportConfig
from preceptor.report.doubts import doubts
from preceptor.report.inputs import Artifacts
from preceptor.report.page import page
from preceptor.report.verdicts import ALWAYS, BAD, GOOD, OPEN, Verdict, verdicts

SYNTHETIC, RECOMMENDER, BUDGET, UNKNOWN = range(4)


def of(inputs: Artifacts) -> list[Verdict]:
    found = verdicts(inputs)
    assert len(found) == 4
    return found


def answered(miniature: Path, tmp_path: Path, **changes: str) -> Verdict:
    out = copied(miniature, tmp_path)
    rows = row.read(out / "ranking", Answer)
    row.write(out / "ranking", Answer, [dataclasses.replace(r, **changes) for r in rows])
    return of(Artifacts.of(out))[SYNTHETIC]


@pytest.mark.parametrize(
    ("reading", "recipe", "answer", "tone"),
    [
        ("use", "real+synthetic", "Yes: SASRec on real + synthetic histories", GOOD),
        ("use", "real-x-generator", "No, but use the law: real ⊕ generator, multiplied", GOOD),
        ("keep real", "real", "No, keep the real log alone", BAD),
        ("can't tell", "real+synthetic", "This log can't tell", OPEN),
        (NO_VERDICT, "real+synthetic", "No verdict yet", OPEN),
    ],
)
def test_what_the_ranking_stage_answers_is_said_in_a_few_words(
    miniature: Path, tmp_path: Path, reading: str, recipe: str, answer: str, tone: str
) -> None:
    found = answered(miniature, tmp_path, reading=reading, recipe=recipe)
    assert (found.answer, found.tone) == (answer, tone)
    assert found.said == row.read(miniature / "ranking", Answer)[0].sentences[0]


@pytest.mark.parametrize(("lo", "hi", "tone"), [(0.01, 0.03, GOOD), (-0.03, -0.01, BAD), (-0.01, 0.01, OPEN)])
def test_a_language_model_is_better_or_worse_where_its_interval_is_off_nought(
    miniature: Path, tmp_path: Path, lo: float, hi: float, tone: str
) -> None:
    out = copied(miniature, tmp_path)
    rows = row.read(out / "recommend", RecommendRow)
    told = [dataclasses.replace(r, over_knn=(lo + hi) / 2, over_knn_lo=lo, over_knn_hi=hi) for r in rows]
    row.write(out / "recommend", RecommendRow, told)
    assert of(Artifacts.of(out))[RECOMMENDER].tone == tone


def test_doubts_are_counted_without_those_that_hold_always(miniature: Path) -> None:
    inputs = Artifacts.of(miniature)
    names = [name for name, _ in doubts(inputs)][:-ALWAYS]
    assert of(inputs)[UNKNOWN].answer == f"{len(set(names))} reasons for doubt"
    assert names[0] in of(inputs)[UNKNOWN].said
    assert "One log" not in of(inputs)[UNKNOWN].said


def test_every_verdict_is_on_the_page_with_a_link_to_a_section_of_it(miniature: Path, undrawn: None) -> None:
    inputs = Artifacts.of(miniature)
    document, _ = page(inputs, ReportConfig(study="miniature"))
    for verdict in of(inputs):
        assert f'href="#{verdict.anchor}"' in document
        assert f'id="{verdict.anchor}"' in document
        assert verdict.question in document


def test_absent_stages_have_no_verdict(miniature: Path) -> None:
    only = Artifacts({"data": Artifacts.of(miniature).artifacts["data"]})
    assert [v.question for v in verdicts(only)] == ["What can this study not tell?"]
