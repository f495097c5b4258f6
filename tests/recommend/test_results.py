"""The table against sums by hand."""

import numpy as np
import pytest

from preceptor.ranking.calibrate import Judged
from preceptor.recommend.arms import Arm, Outcome
from preceptor.recommend.config import RecommendConfig
from preceptor.recommend.results import Asked, rows

CONFIG = RecommendConfig(bootstraps=200)
USER = np.array([4, 4, 4, 9])
ASKED = {"test": Asked(USER, np.array([True, True, True, False]), np.array([False, True, False, False]))}


def outcome(rank: list[int], nats: list[float]) -> Outcome:
    return Outcome({"alone": {"test": Judged(np.array(nats), np.array(rank, np.int32))}})


def made(*outcomes: tuple[Arm, Outcome]) -> dict[tuple[str, str], object]:
    return {(r.arm, r.balance): r for r in rows(outcomes, ASKED, CONFIG)}


KNN = (Arm("item-knn-seed0", "item-knn", "item-knn"), outcome([1, 1, 20, 200], [np.nan] * 4))
LM = (Arm("lm", "lm", "lm", None, "d1-s0", 10, 20), outcome([1, 3, 50, 200], [1.0, 2.0, 3.0, np.nan]))


def test_means_over_targets_and_over_users() -> None:
    found = made(LM, KNN)
    each, user = found["lm", "targets"], found["lm", "users"]
    assert (each.targets, each.users, each.inside, each.held_out) == (4, 2, 3, 1)
    assert (each.recall_10, each.recall_100) == (0.5, 0.75)
    assert (user.recall_10, user.recall_100) == (pytest.approx(1 / 3), 0.5)
    assert each.ndcg_10 == pytest.approx((1 + 0.5) / 4)
    assert each.nats == pytest.approx(2.0)  # of targets inside
    assert (each.params, each.tokens, each.run, each.seeds) == (10, 20, "d1-s0", 1)
    assert each.recall_10_lo <= each.recall_10 <= each.recall_10_hi


def test_differences_are_over_item_knn_and_paired() -> None:
    found = made(LM, KNN)
    assert found["lm", "targets"].over_knn == pytest.approx(0.375 - 0.5)
    assert found["item-knn", "targets"].over_knn is None
    assert found["item-knn", "targets"].nats is None
    twin = made((LM[0], KNN[1]), KNN)["lm", "users"]
    assert (twin.over_knn, twin.over_knn_lo, twin.over_knn_hi) == (0.0, 0.0, 0.0)


def test_seeds_of_a_ranking_arm_are_averaged_target_by_target() -> None:
    arms = [Arm(f"real-seed{s}", "real", "sasrec", seed=s) for s in range(2)]
    one = made((arms[0], LM[1]), (arms[1], outcome([11, 3, 50, 1], [3.0, 2.0, 1.0, np.nan])), KNN)["real", "targets"]
    assert one.seeds == 2
    assert one.recall_10 == pytest.approx((0.5 + 1 + 0 + 0.5) / 4)
    assert one.nats == pytest.approx(2.0)
