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
from preceptor.core.tables.ranking import RankedModel
from preceptor.core.tables.recommend import FittedRow, RecommendRow
from preceptor.data.log import Targets, TrainSplit
from preceptor.recommend.arms import Outcome
from preceptor.recommend.config import RecommendConfig
from preceptor.recommend.stage import STAGE, cost, ground_of, language_arms


def inputs(out: Path) -> dict[str, Artifact]:
    return {name: artifact.load(out / name) for name in STAGE.needs}


@pytest.fixture(scope="module")
def found(miniature: Path) -> list[RecommendRow]:
    return row.read(miniature / "recommend", RecommendRow)


def test_targets_are_those_of_the_ranking_stage(miniature: Path) -> None:
    """Its ranks, of the targets named here, are ours, but that items nobody met are no candidates here."""
    number = np.load(miniature / "recommend" / "targets" / "test.npy")
    untouched = int((TrainSplit.load(miniature / "data" / "train").popularity == 0).sum())
    tested = [t for t in row.read(miniature / "ranking", RankedModel) if t.split == "temporal"]
    assert {t.arm for t in tested} == {"real", "synthetic", "popularity", "item-knn"}
    for one in tested:
        theirs = np.load(miniature / "ranking" / one.ranks)[number, 0]
        outcome = Outcome.load(miniature / "recommend" / "judged" / f"{one.arm}-seed{one.seed}.safetensors")
        fewer = theirs - outcome.judged["alone"]["test"].rank
        inside = np.isfinite(outcome.judged["calibrated"]["test"].nats)
        assert inside.any()
        assert ((fewer >= 0) & (fewer <= untouched))[inside].all()


def test_the_law_s_figures_are_those_of_reality(miniature: Path, found: list[RecommendRow]) -> None:
    known = {r.part: r for r in row.read(miniature / "reality", RealityRow) if r.law == "all"}
    for part in ("validation", "test"):
        ours = next(r for r in found if (r.arm, r.part, r.balance) == ("generator", part, "targets"))
        assert ours.targets == known[part].targets  # the sample is all of them
        assert ours.inside == known[part].inside
        assert ours.nats == pytest.approx(known[part].nats, abs=1e-4)
        assert ours.recall_100 == pytest.approx(known[part].recall_100, abs=2 / ours.targets)  # float32 may tie
        assert ours.ndcg_10 == pytest.approx(known[part].ndcg_10, abs=2 / ours.targets)


def test_every_arm_is_ranked_in_its_forms_on_the_same_targets(miniature: Path, found: list[RecommendRow]) -> None:
    forms = {"lm": 3, "generator": 1, "real": 3, "synthetic": 3, "popularity": 2, "item-knn": 2, "ease": 2}
    sizes = {p.params for p in row.read(miniature / "lm", Point)}
    for part in ("validation", "test"):
        for balance in ("targets", "users"):
            rows = [r for r in found if (r.part, r.balance) == (part, balance)]
            assert len({(r.targets, r.users, r.inside, r.held_out) for r in rows}) == 1
            for arm, n in forms.items():
                assert sum(r.arm == arm for r in rows) == n * (len(sizes) if arm == "lm" else 1)
    lm = [r for r in found if r.arm == "lm"]
    assert {(r.params, r.tokens) for r in lm} == {(n, 16_384) for n in sizes}  # items have codes: the largest budget alone
    held_out = np.load(miniature / "codes" / "held_out.npy").astype(bool)
    number = np.load(miniature / "recommend" / "targets" / "test.npy")
    item = Targets.load(miniature / "data" / "test").item[number]
    assert {r.held_out for r in found if r.part == "test"} == {int(held_out[item].sum())}
    assert all(0 <= r.model <= 1 for r in row.read(miniature / "recommend", FittedRow) if r.form == "prior")


def test_where_items_are_tokens_every_point_that_was_kept_is_ranked(miniature: Path, tmp_path: Path) -> None:
    out = copied(miniature, tmp_path)
    stream = out / "curriculum" / "stream.json"
    stream.write_text(stream.read_text().replace('"n_codes": 3', '"n_codes": 1'))
    run = out / "lm" / "runs" / "d1-s0"
    (run / "D4096").mkdir()
    (run / "D4096" / "config.json").write_text("{}")
    arms = language_arms(RecommendConfig(), inputs(out))
    assert [(a.run, a.tokens) for a in arms][:2] == [("d1-s0", 4096), ("d1-s0", 16_384)]
    assert [a.params for a in arms] == sorted(a.params or 0 for a in arms)
    assert len(arms) == 5


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
    assert language_arms(RecommendConfig(), inputs(out)) == []


@pytest.mark.parametrize("setting", ["targets=0", "trie_targets=0", "confidence=1", "threads=0", "bootstraps=0", "beam=0"])
def test_settings_out_of_range_are_refused(setting: str) -> None:
    with pytest.raises(PreceptorError, match=rf"recommend\.{setting.partition('=')[0]}"):
        study.check(study.load_config("miniature", None, [f"recommend.{setting}"]), "recommend")
