"""The picture of results/tstr: ratios of test targets, by interactions per item."""

import dataclasses
from pathlib import Path

from benchmarks.tstr.arms import SIGNAL, WALKS
from benchmarks.tstr.picture import picture
from benchmarks.tstr.tables import LevelRow, ShareRow, replace

LEVEL = LevelRow("office", "whole", "whole", 100, 50, 250, 5.0, 10, 10, 10, 0.9, 0.5)
SHARE = ShareRow(
    "finalists", "office", "whole", "test", WALKS, "real", "recall@100", 0.89, 0.8, 0.97, "converged", "not within 3%"
)


def test_every_arm_whose_test_was_opened_is_drawn_where_its_log_lies(tmp_path: Path) -> None:
    thin = dataclasses.replace(SHARE, study="sparsity", level="users-10", arm=SIGNAL, measure="ndcg@10", share=1.79)
    shut = dataclasses.replace(SHARE, set="closed", part="validation")
    replace(tmp_path, LevelRow, [LEVEL, dataclasses.replace(LEVEL, level="users-10", per_item=1.25)], "set")
    replace(tmp_path, ShareRow, [SHARE, thin, shut], "set")
    drawn = picture(tmp_path)
    assert drawn is not None
    assert "office whole, 5 per item, first-order walks alone (the paper&#x27;s): recall@100 0.89" in drawn.replace(
        "'", "&#x27;"
    )
    assert "office users-10, 1.2 per item, samples of the fitted law alone: ndcg@10 1.79" in drawn
    assert "closed" not in drawn


def test_before_a_test_is_opened_there_is_none(tmp_path: Path) -> None:
    replace(tmp_path, LevelRow, [LEVEL], "set")
    replace(tmp_path, ShareRow, [dataclasses.replace(SHARE, part="validation")], "set")
    assert picture(tmp_path) is None
