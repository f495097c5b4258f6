"""What is made of an arm's scores: known ranks, the calibration that every arm has, and nothing fitted on test targets."""

from pathlib import Path

import numpy as np
import pytest

from preceptor.data.log import Targets
from preceptor.ranking import calibrate
from preceptor.recommend.arms import ALONE, CALIBRATED, GENERATOR, Model, Outcome, judged, of_scores
from preceptor.recommend.footing import Ground, Part, judged_numbers, sample

ITEMS = 30
LM = Model("", "d1-s0", 10, 20, "", "", 64, True, 400)


class Fixed:
    """A model that gives the same logarithms after every history."""

    def __init__(self, log_p: np.ndarray) -> None:
        self.log_p = log_p.astype(np.float32)

    def scores(self, targets: Targets, rows: np.ndarray) -> np.ndarray:
        return np.tile(self.log_p, (len(rows), 1))


def asked(item: np.ndarray) -> Targets:
    """Targets after item 0."""
    sequence = np.stack([np.zeros(len(item), np.int32), item.astype(np.int32)], axis=1).ravel()
    start = 2 * np.arange(len(item))
    return Targets(np.arange(len(item)), sequence, start, start + 1)


def part(item: np.ndarray, law: np.ndarray | None = None, popularity: np.ndarray | None = None) -> Part:
    worth = np.ones(ITEMS, np.int64) if popularity is None else popularity
    offered = calibrate.offer(asked(item), worth, repeats=True)
    return Part(np.arange(len(item)), offered, None if law is None else np.tile(law.astype(np.float32), (len(item), 1)))


def test_ranks_and_nats_are_those_of_the_scores() -> None:
    p = np.arange(1, ITEMS + 1) / np.arange(1, ITEMS + 1).sum()  # the last item is the likeliest
    given = part(np.array([ITEMS - 1, 0, 10]))
    for scores in (np.log(p), np.log(p) + 5):  # whatever a model gives to what is no item
        found = judged(LM, Fixed(scores), {"validation": given}).judged
        assert list(found) == [ALONE, CALIBRATED]  # no law was given
        assert found[ALONE]["validation"].rank.tolist() == [1, ITEMS, ITEMS - 10]
        np.testing.assert_allclose(found[ALONE]["validation"].nats, -np.log(p[[ITEMS - 1, 0, 10]]), rtol=1e-5)


def test_equal_scores_count_against_the_model() -> None:
    offered = part(np.array([3])).offered
    found = of_scores(calibrate.dense(Fixed(np.zeros(ITEMS)), offered), offered)
    assert found.rank.tolist() == [ITEMS]
    np.testing.assert_allclose(found.nats, np.log(ITEMS))


def test_calibration_finds_the_temperature_and_the_shares_that_made_the_targets() -> None:
    rng = np.random.default_rng(0)
    scores, popularity = rng.normal(size=ITEMS) * 2, rng.integers(1, 1000, ITEMS)
    signal = np.exp(scores / 0.7)
    law = 0.7 * signal / signal.sum() + 0.3 * popularity / popularity.sum()
    item = rng.choice(ITEMS, 20_000, p=law)
    parts = {"validation": part(item, law, popularity), "test": part(item[:50], law, popularity)}
    found = judged(LM, Fixed(scores), parts)
    by_form = {r.form: r for r in found.fitted}
    fitted = by_form[CALIBRATED]
    assert fitted.model + fitted.popularity + fitted.uniform == pytest.approx(1)
    assert fitted.law is by_form[GENERATOR].temperature is None
    nats = {form: float(found.judged[form]["validation"].nats.mean()) for form in found.judged}
    assert nats[CALIBRATED] == pytest.approx(-np.log(law[item]).mean(), abs=2e-3)
    assert nats[CALIBRATED] < nats[ALONE] - 0.05
    assert nats[GENERATOR] <= nats[CALIBRATED] + 1e-6  # multiplied with the law that made the targets it can't get worse


def test_candidates_that_a_beam_has_lost_keep_what_calibration_gives_to_all() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=ITEMS)
    scores[20:] = -np.inf
    found = judged(LM, Fixed(scores), {"validation": part(rng.integers(0, ITEMS, 500))})
    assert np.isfinite(found.judged[CALIBRATED]["validation"].nats).all()
    assert not np.isfinite(found.judged[ALONE]["validation"].nats).all()


def test_nothing_of_test_targets_shapes_what_is_fitted() -> None:
    rng = np.random.default_rng(1)
    law = rng.dirichlet(np.ones(ITEMS))
    seen = part(rng.integers(0, ITEMS, 300), law)
    one, other = ({"validation": seen, "test": part(rng.integers(0, ITEMS, 40), law)} for _ in range(2))
    scorer = Fixed(np.log(rng.dirichlet(np.ones(ITEMS))))
    a, b = judged(LM, scorer, one), judged(LM, scorer, other)
    assert a.fitted == b.fitted != []
    for form in a.judged:
        assert np.array_equal(a.judged[form]["validation"].rank, b.judged[form]["validation"].rank)
        assert not np.array_equal(a.judged[form]["test"].rank, b.judged[form]["test"].rank)


def test_outcome_reads_back_as_it_was_written(tmp_path: Path) -> None:
    made = judged(LM, Fixed(np.arange(ITEMS)), {"validation": part(np.arange(5), np.full(ITEMS, 1 / ITEMS))})
    made.save(tmp_path / "x.safetensors")
    found = Outcome.load(tmp_path / "x.safetensors")
    assert found.fitted == made.fitted
    assert list(found.judged) == list(made.judged) == [ALONE, CALIBRATED, GENERATOR]
    for form in made.judged:
        assert np.array_equal(found.judged[form]["validation"].rank, made.judged[form]["validation"].rank)
        assert np.array_equal(found.judged[form]["validation"].nats, made.judged[form]["validation"].nats)


def ground(ranking: Path) -> Ground:
    return Ground("", str(ranking), "temporal", None, False, (), 2000, 0)


def test_sample_is_keyed_by_part_and_smaller_in_a_large_catalogue() -> None:
    every, here = np.arange(10_000), ground(Path())
    found = sample("test", every, 100, here)
    assert len(found) == 2000
    assert (np.diff(found) > 0).all()
    assert np.array_equal(found, sample("test", every, 100, here))
    assert not np.array_equal(found, sample("validation", every, 100, here))
    assert len(sample("test", every, 1_000_000, here)) == 500
    assert sample("test", every[:7], 100, here).tolist() == list(range(7))


def test_only_targets_that_the_ranking_stage_has_judged_are_ranked(tmp_path: Path) -> None:
    (tmp_path / "ranks/temporal/validation").mkdir(parents=True)
    np.save(tmp_path / "ranks/temporal/validation/rows.npy", np.array([3, 8, 11]))
    here = ground(tmp_path)
    assert judged_numbers(here, "test", 5).tolist() == [0, 1, 2, 3, 4]
    assert sample("validation", judged_numbers(here, "validation", 20), 100, here).tolist() == [3, 8, 11]
