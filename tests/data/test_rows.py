"""The rows of a training part without their catalogue are the same to whoever learns from them."""

from pathlib import Path

import numpy as np

from fixtures import tiny_split
from preceptor.data.rows import TrainRows
from preceptor.generator.events import never_repeats
from preceptor.ranking.histories import RealHistories


def test_rows_that_were_saved_without_their_catalogue_are_those_of_the_split(tmp_path: Path) -> None:
    train = tiny_split().train
    train.save(tmp_path / "whole")
    assert not TrainRows.kept_in(tmp_path / "whole")
    TrainRows.of(train).save(tmp_path / "rows")
    assert TrainRows.kept_in(tmp_path / "rows")
    assert not (tmp_path / "rows/items.parquet").exists()
    found = TrainRows.load(tmp_path / "rows")
    assert (found.n_items, found.n_users) == (train.n_items, train.n_users)
    for name in ("user", "item", "user_indptr", "popularity"):
        assert np.array_equal(getattr(found, name), getattr(train, name))
    assert never_repeats(found) == never_repeats(train)
    for one, other in zip(RealHistories(found, 6, 60, 3).batch(5), RealHistories(train, 6, 60, 3).batch(5), strict=True):
        assert np.array_equal(one, other)
