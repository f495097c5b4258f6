"""The people who are shown: drawn by key, their last items, the model's own answer, and what they did next."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from preceptor.core.tables import row
from preceptor.core.tables.recommend import ANSWER, HISTORY, NEXT, ExampleRow
from preceptor.data.log import Targets
from preceptor.report.inputs import Artifacts
from preceptor.report.sections_recommend import recommend


@pytest.fixture
def people(miniature: Path) -> dict[int, list[ExampleRow]]:
    rows = row.read(miniature / "recommend", ExampleRow)
    return {n: [r for r in rows if r.example == n] for n in sorted({r.example for r in rows})}


def test_each_person_has_a_history_an_answer_and_what_came_next(miniature: Path, people: dict[int, list[ExampleRow]]) -> None:
    titles = pl.read_parquet(miniature / "data/train/items.parquet")["title"].to_list()
    targets = Targets.load(miniature / "data/test")
    real = {(tuple(map(int, targets.history(t)[-5:])), int(targets.item[t])): int(targets.user[t]) for t in range(len(targets))}
    assert list(people) == [1, 2, 3]
    users = []
    for rows in people.values():
        by_role = {role: [r for r in rows if r.role == role] for role in (HISTORY, ANSWER, NEXT)}
        history = tuple(r.item for r in by_role[HISTORY])
        (done,) = by_role[NEXT]
        users.append(real[history, done.item])
        assert all(r.title == titles[r.item] for r in rows)
        assert len(by_role[ANSWER]) == 5
    assert len(set(users)) == 3


def test_the_answer_is_the_likeliest_items_and_agrees_with_the_rank_of_what_came(people: dict[int, list[ExampleRow]]) -> None:
    for rows in people.values():
        answer = [r for r in rows if r.role == ANSWER]
        done = next(r for r in rows if r.role == NEXT)
        chances = [r.probability or 0.0 for r in answer]
        assert chances == sorted(chances, reverse=True)
        assert 0 < sum(chances) <= 1 + 1e-6
        beaten = [r for r in answer if (r.probability or 0.0) > (done.probability or 0.0)]
        assert len(beaten) <= done.place - 1
        assert (done.place <= 5) == (done.item in [r.item for r in answer]) or np.isclose(chances[-1], done.probability or 0.0)


def test_the_report_shows_them_with_what_they_did_next(miniature: Path, people: dict[int, list[ExampleRow]]) -> None:
    shown = recommend(Artifacts.of(miniature)).html
    assert shown.count("← what came next") == len(people)
    assert "recommend.examples" in shown
