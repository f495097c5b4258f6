"""The stage of a real study: the very targets of the ranking stage, the law's known figures, and what is ranked of what."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from miniature import config, copied
from preceptor import study
from preceptor.core import artifact
from preceptor.core.artifact import Artifact
from preceptor.core.errors import PreceptorError
from preceptor.core.tables import row
from preceptor.core.tables.generator import RealityRow
from preceptor.core.tables.lm import Point
from preceptor.core.tables.ranking import ArmMean, ArmRun
from preceptor.core.tables.recommend import FittedRow, RecommendRow
from preceptor.data.log import Targets
from preceptor.ranking import calibrate, places
from preceptor.recommend.config import RecommendConfig
from preceptor.recommend.footing import opened
from preceptor.recommend.stage import STAGE, cost, ground_of, models_of


def inputs(out: Path) -> dict[str, Artifact]:
    return {name: artifact.load(out / name) for name in STAGE.needs}


@pytest.fixture(scope="module")
def every(miniature: Path) -> list[RecommendRow]:
    return row.read(miniature / "recommend", RecommendRow)


@pytest.fixture(scope="module")
def found(every: list[RecommendRow]) -> list[RecommendRow]:
    """The rows of the study itself."""
    return [r for r in every if not r.study_arm]


def number(miniature: Path, part: str) -> np.ndarray:
    return np.load(miniature / "recommend" / "targets" / f"{part}.npy")


def test_targets_and_ranks_of_the_other_arms_are_the_ranking_stage_s(miniature: Path, found: list[RecommendRow]) -> None:
    ranking = miniature / "ranking"
    judged = np.load(ranking / "ranks" / "temporal" / "validation" / "rows.npy")
    assert set(number(miniature, "validation")) <= set(judged)
    runs = [r for r in row.read(ranking, ArmRun) if r.split == "temporal"]
    assert {r.arm for r in found} == {"lm"} | {r.arm for r in runs}
    for arm in {r.arm for r in runs}:
        seeds = [r.seed for r in runs if r.arm == arm]
        rank = [np.load(places.file(ranking, "ranks", "temporal", "test", arm, s))[number(miniature, "test")] for s in seeds]
        ours = next(r for r in found if (r.arm, r.part, r.balance) == (arm, "test", "targets"))
        assert ours.recall_100 == pytest.approx(np.mean(np.array(rank) <= 100))
        assert ours.seeds == len(seeds)


def test_the_whole_sample_s_means_are_those_of_the_ranking_stage(miniature: Path, found: list[RecommendRow]) -> None:
    """All test targets are in it here, so that these are the numbers of its own table."""
    for r in row.read(miniature / "ranking", ArmMean):
        if (r.split, r.metric, r.k, r.balance) == ("temporal", "ndcg", 10, "target"):
            ours = next(x for x in found if (x.arm, x.part, x.balance) == (r.arm, "test", "targets"))
            assert (ours.targets, ours.users) == (r.targets, r.users)
            assert ours.ndcg_10 == pytest.approx(r.mean)


def test_the_law_here_is_the_law_whose_cost_on_reality_is_known(miniature: Path) -> None:
    known = {r.part: r for r in row.read(miniature / "reality", RealityRow) if r.law == "all"}
    for name, part in opened(ground_of(config().recommend, inputs(miniature))).items():
        assert part.law is not None
        judged = calibrate.judge(part.law, part.offered)
        assert len(part.number) == known[name].targets  # the sample is all of them
        assert int(part.offered.inside.sum()) == known[name].inside
        assert np.nanmean(judged.nats) == pytest.approx(known[name].nats, abs=1e-4)
        assert np.mean(judged.rank <= 100) == pytest.approx(known[name].recall_100, abs=2 / len(part.number))  # float32 may tie


def test_every_arm_is_ranked_on_the_same_targets(miniature: Path, found: list[RecommendRow]) -> None:
    sizes = {p.params for p in row.read(miniature / "lm", Point)}
    held_out = np.load(miniature / "codes" / "held_out.npy").astype(bool)
    for part in ("validation", "test"):
        item = Targets.load(miniature / "data" / part).item[number(miniature, part)]
        for balance in ("targets", "users"):
            rows = [r for r in found if (r.part, r.balance) == (part, balance)]
            assert len({(r.targets, r.users, r.inside) for r in rows}) == 1
            assert {r.held_out for r in rows} == {int(held_out[item].sum())}
            assert sum(r.arm == "lm" for r in rows) == 3 * len(sizes)
    lm = [r for r in found if r.arm == "lm"]
    assert {(r.params, r.tokens) for r in lm} == {(n, 16_384) for n in sizes}  # items have codes: the largest budget alone
    assert {r.form for r in lm} == {"alone", "calibrated", "generator"}
    assert all(0 <= r.model <= 1 for r in row.read(miniature / "recommend", FittedRow) if r.form == "calibrated")


def test_where_items_are_tokens_every_point_that_was_kept_is_ranked(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    stream = out / "curriculum" / "stream.json"
    stream.write_text(stream.read_text().replace('"n_codes": 3', '"n_codes": 1'))
    run = out / "lm" / "runs" / "d1-s0"
    (run / "D4096").mkdir()
    (run / "D4096" / "config.json").write_text("{}")
    arms = models_of(RecommendConfig(), inputs(out))
    assert [(a.run, a.tokens) for a in arms][:2] == [("d1-s0", 4096), ("d1-s0", 16_384)]
    assert [a.params for a in arms] == sorted(a.params or 0 for a in arms)
    assert len(arms) == 5


def test_an_arm_of_item_tokens_is_ranked_beside_the_others(
    miniature: Path, every: list[RecommendRow], found: list[RecommendRow]
) -> None:
    plain = [r for r in every if r.study_arm == "plain"]
    assert {r.arm for r in plain} == {r.arm for r in found}
    assert {(r.run, r.tokens) for r in plain if r.arm == "lm"} == {("d1-s0", 4096)}  # the one whose checkpoint was kept
    assert {r.held_out for r in plain} == {0}
    for r in plain:
        same = [x for x in found if (x.part, x.balance, x.arm, x.form) == (r.part, r.balance, r.arm, r.form)]
        assert r.arm == "lm" or dataclasses.replace(r, study_arm="", held_out=same[0].held_out) == same[0]


def test_an_arm_of_the_study_is_ranked_too_but_not_what_it_shares(
    miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEPTOR_WORKERS", "1")  # processes cost more to start than they save here
    own, its = inputs(miniature), inputs(copied(miniature, tmp_path / "its"))
    for at in (tmp_path / "its" / "lm" / "runs").glob("d[234]-*/D*/config.json"):
        at.unlink()
    shared = {f"{stage}@shared": own[stage] for stage in STAGE.arms}
    other = {f"{stage}@other": its[stage] for stage in STAGE.arms}
    given, small = {**own, **shared, **other}, dataclasses.replace(config().recommend, trie_targets=12)
    (tmp_path / "made").mkdir()
    counts = STAGE.build(small, given, tmp_path / "made")
    assert (counts["ranked"], counts["ranked@other"]) == (4, 1)
    rows = row.read(tmp_path / "made", RecommendRow)
    assert {r.study_arm for r in rows} == {"", "other"}
    lm = [r for r in rows if (r.study_arm, r.arm) == ("other", "lm")]
    assert {r.run for r in lm} == {"d1-s0"}
    assert all(dataclasses.replace(r, study_arm="") in rows for r in rows)  # here it is the same model
    assert {r.targets for r in rows} == {12}
    assert (
        np.load(tmp_path / "made/arms/other/targets/test.npy").tolist() == np.load(tmp_path / "made/targets/test.npy").tolist()
    )


def test_test_part_stays_shut_where_it_is_not_to_be_opened(miniature: Path) -> None:
    settings = dataclasses.replace(config().recommend, test=False)
    assert ground_of(settings, inputs(miniature)).parts == ("validation",)
    both = cost(config().recommend, inputs(miniature)).amount
    alone = cost(settings, inputs(miniature)).amount
    assert both is not None
    assert alone is not None
    assert 0 < alone < both


def test_curriculum_without_histories_leaves_the_other_arms(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    (out / "curriculum" / "sources" / "uih_item_tokens.npy").unlink()
    assert models_of(RecommendConfig(), inputs(out)) == []


@pytest.mark.parametrize("setting", ["targets=0", "trie_targets=0", "confidence=1", "threads=0", "bootstraps=0", "beam=0"])
def test_settings_out_of_range_are_refused(setting: str) -> None:
    with pytest.raises(PreceptorError, match=rf"recommend\.{setting.partition('=')[0]}"):
        study.check(study.load_config("miniature", None, [f"recommend.{setting}"]), "recommend")
