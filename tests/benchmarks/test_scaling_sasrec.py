"""SASRec in the scaling studies: it is asked for the very next items that language models are asked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.scaling import sasrec
from benchmarks.scaling import studies as scaling_studies
from preceptor import study
from preceptor.core.artifact import Artifact
from preceptor.curriculum.stream import EvalSet
from preceptor.ranking.config import Recipe
from preceptor.ranking.models import build


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    (cell,) = scaling_studies.STUDIES["tiny"]
    return study.run(cell.config(), tmp_path_factory.mktemp("sasrec"), wanted="real")


def test_the_history_of_every_next_item_is_that_of_its_document(made: dict[str, Artifact]) -> None:
    evaluation = EvalSet.load(made["real"].path / sasrec.VALIDATION)
    asked = evaluation.next_items
    assert asked is not None
    items = sasrec.items_of_tokens(made)
    found = sasrec.timelines(evaluation, asked, items)
    assert len(found) == len(asked) > 20
    candidates = items[asked.codes[:, 0]]
    assert (candidates >= 0).all()
    assert (found.item == candidates[asked.target]).all()
    for number in range(len(asked)):
        before = evaluation.tokens[evaluation.offsets[asked.document[number]] : asked.position[number]]
        assert found.history(number).tolist() == [items[token] for token in before if items[token] >= 0]


def test_scores_are_probabilities_over_what_is_offered_and_ranks_are_theirs(made: dict[str, Artifact]) -> None:
    judge = sasrec.Judge(made["real"].path, sasrec.items_of_tokens(made))
    model = build(made["codes"].counts["items"], Recipe(length=8, dim=8, layers=1), seed=0)
    found, rank = judge.scores(model)
    assert found.q.sum(axis=1) == pytest.approx(1, abs=1e-5)
    row, closed = judge.asked.closed(found.sampled)
    assert (found.q[row, closed] == 0).all()
    number = int(found.sampled[0])
    own = found.q[0, judge.asked.target[number]]
    assert np.exp(-found.trie[number]) == pytest.approx(own, rel=1e-4)
    assert rank[number] == (found.q[0] >= own).sum()


def test_a_cell_is_trained_to_points_that_fall_towards_the_law(
    made: dict[str, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sasrec, "POSITIONS", 64)
    points, recalls = sasrec.train(made, 1, 16, (4096, 8192, 16_384), 1, "tiny")
    assert [point.tokens for point in points] == [4096, 8192, 16_384]
    divergence = [point.kl for point in points]
    assert None not in divergence
    assert divergence[2] < 0.8 * divergence[0]
    assert all(0 <= ten <= hundred <= 1 for ten, hundred in recalls.values())
    again, _ = sasrec.train(made, 1, 16, (4096, 8192, 16_384), 1, "tiny")
    assert again == points
    with pytest.raises(ValueError, match="don't double"):
        sasrec.train(made, 1, 16, (4096, 16_384), 1, "tiny")


def test_its_cells_stand_in_the_table_beside_their_held_out_budget(tmp_path: Path) -> None:
    cells = scaling_studies.STUDIES["sasrec"]
    assert all(cell.sasrec and cell.held_out() == cell.tokens[-1:] for cell in cells)
    point = dataclasses.replace(_point(), tokens=cells[0].tokens[0])
    scaling_studies.commit(
        tmp_path / "points.csv", cells[0], [point], scaling_studies.Beside({("r", point.tokens): (0.25, 0.5)})
    )
    (row,) = scaling_studies.read(tmp_path / "points.csv")
    assert (row["cell"], row["recall_100"]) == (cells[0].name, "0.5")


def _point() -> sasrec.Point:
    return sasrec.Point(
        params=10, tokens=0, loss=1.5, run="r", seed=0, set=sasrec.VALIDATION, params_total=30, depth=2, unit="item",
        floor=None, excess=None, bits_per_byte=None,
    )  # fmt: skip
