"""The table against sums by hand."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.ranking import ArmRun
from preceptor.core.tables.recommend import RecommendRow
from preceptor.ranking.calibrate import Judged
from preceptor.recommend.arms import Model, Outcome
from preceptor.recommend.config import RecommendConfig
from preceptor.recommend.results import Asked, Judgement, of_models, of_ranking, rows

CONFIG = RecommendConfig(bootstraps=200)
NUMBER = np.array([2, 3, 5, 6])
ASKED = Asked(NUMBER, np.array([4, 4, 4, 9]), np.array([True, True, True, False]), np.array([False, True, False, False]))


def outcome(rank: list[int], nats: list[float]) -> Outcome:
    return Outcome({"alone": {"test": Judged(np.array(nats), np.array(rank, np.int32))}})


def ranking(folder: Path, arm: str, *seeds: tuple[list[int], list[float]], there: int = 8) -> list[Judgement]:
    """What the ranking stage would have left of an arm, whose ranks and nats of NUMBER are given; the others are far off."""
    facts = {f.name: None for f in dataclasses.fields(ArmRun)} | {"split": "temporal", "arm": arm, "setting": "", "nats": 1.0}
    runs = [ArmRun(**facts | {"seed": seed, "verdict": "converged", "ndcg": 0.5}) for seed in range(len(seeds))]
    row.write(folder, ArmRun, runs)
    for seed, given in enumerate(seeds):
        for kind, values in zip(("ranks", "nats"), given, strict=True):
            (folder / kind / "temporal" / "test").mkdir(parents=True, exist_ok=True)
            whole = np.full(there, 1000.0)
            whole[NUMBER] = values
            np.save(
                folder / kind / "temporal" / "test" / f"{arm}-seed{seed}.npy",
                whole.astype(np.int32 if kind == "ranks" else np.float32),
            )
    return of_ranking(folder, "temporal", "", "test", np.arange(8), NUMBER)


def made(*judged: Judgement) -> dict[tuple[str, str], RecommendRow]:
    return {(r.arm, r.balance): r for r in rows(judged, "test", ASKED, CONFIG)}


LM = of_models([(Model("", "d1-s0", 10, 20, "", "", 64, True, 400), outcome([1, 3, 50, 200], [1.0, 2.0, 3.0, np.nan]))], "test")
KNN = ([1, 1, 20, 200], [1.0, 1.0, 4.0, np.nan])


def test_means_over_targets_and_over_users() -> None:
    found = made(*LM)
    each, user = found["lm", "targets"], found["lm", "users"]
    assert (each.targets, each.users, each.inside, each.held_out) == (4, 2, 3, 1)
    assert (each.recall_10, each.recall_100) == (0.5, 0.75)
    assert (user.recall_10, user.recall_100) == (pytest.approx(1 / 3), 0.5)
    assert each.ndcg_10 == pytest.approx((1 + 0.5) / 4)
    assert each.nats == pytest.approx(2.0)  # of targets inside
    assert (each.params, each.tokens, each.run, each.seeds) == (10, 20, "d1-s0", 1)
    assert each.recall_10_lo is not None
    assert each.recall_10_hi is not None
    assert each.recall_10_lo <= each.recall_10 <= each.recall_10_hi
    assert each.over_knn is None  # there is none


def test_differences_are_over_item_knn_and_paired(tmp_path: Path) -> None:
    found = made(*LM, *ranking(tmp_path, "item-knn", KNN))
    assert found["lm", "targets"].over_knn == pytest.approx(0.375 - 0.5)
    assert found["item-knn", "targets"].over_knn is None
    same = of_models([(Model("", "d1-s0", 10, 20, "", "", 64, True, 400), outcome(*KNN))], "test")
    twin = made(*same, *ranking(tmp_path, "item-knn", KNN))["lm", "users"]
    assert (twin.over_knn, twin.over_knn_lo, twin.over_knn_hi) == (0.0, 0.0, 0.0)


def test_differences_to_the_law_are_of_its_ranks_and_of_its_nats(tmp_path: Path) -> None:
    law = ([1, 3, 50, 200], [2.0, 3.0, 3.5, np.nan])
    found = made(*LM, *ranking(tmp_path, "generator", law))
    lm = found["lm", "targets"]
    assert (lm.over_law, lm.over_law_lo, lm.over_law_hi) == (0.0, 0.0, 0.0)  # the same ranks
    assert lm.nats_over_law == pytest.approx((-1 - 1 - 0.5) / 3)
    assert lm.over_knn is None
    assert found["generator", "targets"].over_law is found["generator", "targets"].nats_over_law is None


def test_seeds_of_a_ranking_arm_are_averaged_target_by_target(tmp_path: Path) -> None:
    two = (([1, 3, 50, 200], [1.0, 2.0, 3.0, np.nan]), ([11, 3, 50, 1], [3.0, 2.0, 1.0, np.nan]))
    one = made(*ranking(tmp_path, "real", *two))["real", "targets"]
    assert (one.seeds, one.verdict, one.form) == (2, "converged", "calibrated")
    assert one.recall_10 == pytest.approx((0.5 + 1 + 0 + 0.5) / 4)
    assert one.nats == pytest.approx(2.0)


def test_seeds_of_a_language_model_are_averaged_beside_each() -> None:
    """Of each size and budget that has several."""
    nats = [1.0, 2.0, 3.0, np.nan], [3.0, 2.0, 1.0, np.nan]
    ranks = [1, 3, 50, 200], [11, 3, 50, 1]
    same = [(Model("", f"d1-s{k}", 10, 20, "", "", 64, True, 400), outcome(ranks[k], nats[k])) for k in range(2)]
    other = (Model("", "d1-s0", 10, 40, "", "", 64, True, 400), outcome(ranks[0], nats[0]))
    found = [r for r in rows(of_models([*same, other], "test"), "test", ASKED, CONFIG) if r.balance == "targets"]
    mean = found[-1]
    assert [(r.run, r.tokens, r.seeds) for r in found] == [("d1-s0", 20, 1), ("d1-s1", 20, 1), ("d1-s0", 40, 1), (None, 20, 2)]
    assert mean.recall_10 == pytest.approx((found[0].recall_10 + found[1].recall_10) / 2)
    assert mean.nats == pytest.approx(2.0)
    assert mean.params == 10


def test_ranks_of_other_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreceptorError, match=r"other targets(.|\n)*item-knn"):
        ranking(tmp_path, "item-knn", KNN, there=9)
