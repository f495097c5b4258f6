import dataclasses
from pathlib import Path

from miniature import copied
from preceptor.core.tables import row
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import Answer
from preceptor.core.tables.recommend import RecommendRow
from preceptor.core.tables.scaling import Forecast
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_ranking import better_forms
from preceptor.report.sections_recommend import compared
from preceptor.report.sections_recommend import shown as shown_of
from preceptor.report.sections_scaling import largest
from preceptor.report.summary import columns, main_table, ranking_tables


def test_the_main_table_goes_from_what_was_learnt_to_what_to_do_next(miniature: Path) -> None:
    text = main_table(miniature)
    for said in row.read(miniature / "ranking", Answer):
        assert said.sentences[0] in text.replace("\n   ", " ")
    points = [p for p in row.read(miniature / "lm", Point) if p.set == "uih-in-graph"]
    last = max(points, key=lambda p: (p.params, p.tokens))
    same = [p for p in points if (p.params, p.tokens) == (last.params, last.tokens)]
    assert f"{sum(p.loss for p in same) / len(same):.3f}" in text
    assert f"floor of fresh histories is {last.floor:.3f}" in text
    heads = (
        "What the language models learnt",
        "Recommending: ",
        "What to do next",
        "Reasons for doubt: few users",
    )
    assert [text.index(head) for head in heads] == sorted(text.index(head) for head in heads)


def test_the_main_table_has_the_forecast_where_a_law_was_fitted(miniature: Path, tmp_path: Path) -> None:
    assert "Forecast of" not in main_table(miniature)  # its models are above the unigram of histories
    out = copied(miniature, tmp_path)
    like = largest(Artifacts.of(out))[0]
    rows = [r for r in row.read(out / "scaling", Forecast) if (r.set, r.form, r.held) == (like.set, like.form, like.held)]
    row.write(out / "scaling", Forecast, [dataclasses.replace(r, set="uih-in-graph") for r in rows])
    text = main_table(out)
    assert f"UIH in-graph: predicted {like.predicted:.3f}, measured {like.actual:.3f}" in text
    assert text.index("Recommending: ") < text.index("Forecast of") < text.index("What to do next")


def test_the_main_table_ranks_every_arm_on_the_same_targets(miniature: Path) -> None:
    text = main_table(miniature)
    rows = compared(shown_of(row.read(miniature / "recommend", RecommendRow)))
    assert f"{rows[0].users} users, the same {rows[0].targets} targets" in text
    kept = better_forms([r.arm for r in rows])
    for r in (r for r in rows if r.arm != "lm"):
        assert (f"{r.ndcg_10:.4f}  [{r.ndcg_10_lo:.4f}" in text) == (r.arm in kept), r.arm


def test_the_main_table_fits_a_screen(miniature: Path) -> None:
    lines = main_table(miniature).splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 120


def test_the_whole_answer_comes_before_the_table(miniature: Path) -> None:
    text = ranking_tables(miniature)
    for said in row.read(miniature / "ranking", Answer):
        assert all(f"• {s}" in " ".join(text.split()) for s in said.sentences)
    assert text.index("• ") < text.index("95 %")


def test_an_empty_folder_has_nothing_to_show(tmp_path: Path) -> None:
    assert main_table(tmp_path).startswith("Nothing to show")


def test_columns_line_up() -> None:
    lines = columns(["a", "b"], [["xx", "1"], ["y", "10"]]).splitlines()
    assert lines == ["a    b", "──  ──", "xx   1", "y   10"]
