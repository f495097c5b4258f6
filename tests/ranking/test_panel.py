"""What validation fitted is asked on the test, in blocks of any size; the generator's arm is the law itself."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from preceptor.data.log import Targets
from preceptor.generator.config import GeneratorConfig
from preceptor.generator.score import score
from preceptor.ranking import jobs, judging, panel, places
from preceptor.ranking.config import RankingConfig
from preceptor.ranking.panel import Panel
from preceptor.ranking.schedule import Schedule
from ranking.laws import law_and_split

CONFIG = RankingConfig(seeds=2, dim=8, layers=1, heads=1, positions=120, mask_history=True)
SETTINGS = {"length": 8, "dropout": 0.0, "learning_rate": 2e-3, "loss": "full"}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """A real model, another seed of it, popularity and the law, calibrated and put together on validation."""
    folder = tmp_path_factory.mktemp("panel")
    law, split = law_and_split()
    for name in ("train", "validation", "test"):
        getattr(split, name).save(folder / name)
    law.save(folder / "law")
    source = jobs.Source("temporal", str(folder), str(folder / "law"), GeneratorConfig())
    stems = [str(folder / f"real-{seed}") for seed in range(2)]
    for seed, stem in enumerate(stems):
        jobs.train_job(jobs.Job(source, "real", SETTINGS, seed, Schedule(4, 0), stem), CONFIG)
    made = Panel(source, 0, {"real": stems[0]}, stems[1], {"popularity": {"recent": 1.0}}, True, True, str(folder / "all"))
    panel.fit_job(made, str(folder), CONFIG)
    return made


def targets(fitted: Panel, part: str) -> Targets:
    return Targets.load(Path(fitted.source.data) / part)


def test_arms_are_single_rankers_and_those_put_together(fitted: Panel) -> None:
    together = ["real-x-generator", "real-plus-generator", "real-x-real", "real-plus-real"]
    assert fitted.arms == ["real", "popularity", "generator", *together]


def test_blocks_give_what_all_targets_at_once_give(fitted: Panel) -> None:
    test = targets(fitted, "test")
    every = range(len(test))
    whole, few = (panel.judged([fitted], CONFIG, test, every, **more)[0] for more in ({}, {"cells": 7 * 40}))
    assert np.allclose(whole["nats"], few["nats"], rtol=1e-4, equal_nan=True)
    assert (whole["rank"] == few["rank"]).mean() > 0.99  # a batch's padding may turn a tie
    assert (whole["top"] == few["top"]).mean() > 0.99


def test_what_seeds_share_is_the_same_alone(fitted: Panel) -> None:
    folder = Path(fitted.source.data)
    assert fitted.again is not None
    other = dataclasses.replace(
        fitted, seed=1, trained={"real": fitted.again}, again=fitted.trained["real"], baselines={}, alone=False,
        stem=str(folder / "all-1"),
    )  # fmt: skip
    panel.fit_job(other, str(folder), CONFIG)
    test = targets(fitted, "test")
    both = panel.judged([fitted, other], CONFIG, test, range(50))
    for one, found in zip((fitted, other), both, strict=True):
        alone = panel.judged([one], CONFIG, test, range(50))[0]
        assert all(np.array_equal(alone[name], found[name], equal_nan=True) for name in alone)


def test_ranks_are_those_of_the_targets_in_order(fitted: Panel, tmp_path: Path) -> None:
    test = targets(fitted, "test")
    for part in range(panel.PARTS):
        panel.test_job([fitted], part, CONFIG)
    lists = panel.gather(fitted, tmp_path)
    whole = panel.judged([fitted], CONFIG, test, range(len(test)))[0]
    for n, arm in enumerate(fitted.arms):
        kept = np.load(places.file(tmp_path, "ranks", "temporal", "test", arm, 0))
        assert (kept == whole["rank"][n]).mean() > 0.99
        hit = kept <= lists[arm].shape[1]
        assert (lists[arm][hit, kept[hit] - 1] == test.item[hit]).mean() > 0.9  # a tie counts against the target


def test_the_generator_ranks_as_the_law_does(fitted: Panel) -> None:
    law, _ = law_and_split()
    test = targets(fitted, "test")
    known = score(law, test)
    n = fitted.arms.index("generator")
    found = panel.judged([fitted], CONFIG, test, range(len(test)))[0]
    assert np.array_equal(np.isfinite(found["nats"][n]), known.inside)
    frozen = panel.Frozen.read(fitted.stem)
    assert frozen.calibrations["generator"].model > 0.5
    raw = dict(frozen.calibrations, generator=dataclasses.replace(frozen.calibrations["generator"], temperature=1.0, model=1.0,
                                                                  popularity=0.0, uniform=0.0))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel.Frozen, "read", lambda _: dataclasses.replace(frozen, calibrations=raw))
        itself = panel.judged([fitted], CONFIG, test, range(len(test)))[0]
    assert np.allclose(itself["nats"][n], known.nats, atol=1e-3, equal_nan=True)
    assert (itself["rank"][n] == known.rank).mean() > 0.95  # float32 may tie


def test_validation_is_kept_with_its_numbers(fitted: Panel) -> None:
    capped = dataclasses.replace(CONFIG, validation_targets=20)
    rows = jobs.validation_rows(fitted.source, capped)
    assert len(rows) == 20
    assert (np.diff(rows) > 0).all()
    offered = jobs.seen(fitted.source, capped)
    assert np.array_equal(offered.targets.item, targets(fitted, "validation").item[rows])
    kept = np.load(places.file(Path(fitted.source.data), "ranks", "temporal", "validation", "real", 0))
    assert len(kept) == len(targets(fitted, "validation"))


def test_large_catalogues_take_fewer_validation_targets(fitted: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "CELLS", 40 * 11)
    assert len(jobs.validation_rows(fitted.source, CONFIG)) == 11
    everything = dataclasses.replace(CONFIG, validation_targets=0)
    assert len(jobs.validation_rows(fitted.source, everything)) == 11
