"""Means of benchmarks/tstr/figures.py on targets whose weights are known."""

import numpy as np
import pytest

from benchmarks.tstr import figures as tstr_figures
from preceptor.data.rows import Targets


def test_balanced_nats_count_the_targets_that_are_candidates_alone() -> None:
    """User 0 has a candidate among four targets, user 1 two of two; item 0 is one of user 0's and one of user 1's."""
    user = np.array([0, 0, 0, 0, 1, 1], np.int32)
    item, rows = np.array([0, 0, 0, 2, 0, 1], np.int32), np.arange(6)
    nats = np.array([[1.0, np.nan, np.nan, np.nan, 3.0, 6.0]], np.float32)
    rank = np.array([[1, 1, 2000, 2000, 2000, 2000]], np.int32)
    popularity = np.array([5, 5, 0])
    drawn = tstr_figures.draw({"real": (rank, nats)}, Targets(user, item, rows, rows), popularity)

    def mean(slice_: str, measure: str) -> float:
        return drawn.found["real", slice_, measure][0]

    assert mean("all", "nats") == pytest.approx(10 / 3)
    assert mean("user-balanced", "nats") == pytest.approx((1 + 4.5) / 2)
    assert mean("item-balanced", "nats") == pytest.approx((2 + 6) / 2)
    assert mean("user-balanced", "recall@100") == pytest.approx(0.5 / 2)
    assert mean("item-balanced", "recall@100") == pytest.approx(0.5 / 2)
    rows_, _ = tstr_figures.tables(drawn, ("finalists", "tiny", "whole", "test"), {}, {}, [])
    counts = {r.measure: (r.users, r.targets) for r in rows_ if r.slice == "user-balanced"}
    assert counts == {"ndcg@10": (2, 6), "recall@100": (2, 6), "nats": (2, 3)}


def test_the_worst_verdict_is_that_of_what_is_compared() -> None:
    assert tstr_figures.worst(["converged", "", "turned"]) == "turned"
    assert tstr_figures.worst(["as told", "no verdict", "converged"]) == "no verdict"
    assert tstr_figures.worst(["", ""]) == ""
