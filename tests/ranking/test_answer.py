"""The words follow from the tables: use it, can't tell, keep real, or no verdict."""

import dataclasses

import numpy as np
import pytest

from preceptor.core.tables.ranking import Answer, ArmMean, ArmRun, Paired
from preceptor.ranking.answer import Shown, answer
from preceptor.ranking.config import RankingConfig

USERS = 50


def run(arm: str, ndcg: float, verdict: str = "", nats: float = 5.0, **more: object) -> ArmRun:
    rest = dict.fromkeys(("temperature", "alpha", "model", "popularity", "uniform", "a", "b"))
    found = {"change": 0.01, "change_error": 0.01, "error": 0.05, "updates": 880, "epochs": 30.0, **more}
    return ArmRun("temporal", arm, 0, "", 800, verdict, **found, nats=nats, ndcg=ndcg, **rest)  # type: ignore[arg-type]


def shown(gain: float, lo: float, hi: float, reading: str, verdict: str = "converged", **more: object) -> Shown:
    """real ⊕ generator has the fewest validation nats; `gain` is what the test gives it."""
    together = "real-x-generator"
    runs = [
        run("real", 0.10, verdict, **more), run("generator", 0.08), run("real+synthetic", 0.09, "turned"),
        run(together, 0.12, verdict, nats=4.8), run("real-plus-generator", 0.2, verdict, nats=4.9),
    ]  # fmt: skip
    means = [
        ArmMean("temporal", r.arm, "target", "ndcg", 10, r.ndcg, r.ndcg, r.ndcg, None, 1, USERS, 99, r.verdict) for r in runs
    ]
    pairs = [
        Paired("temporal", together, "real", "target", "ndcg", 10, 1.2, 1.1, 1.3, gain, lo, hi, reading),
        Paired("temporal", "real+synthetic", together, "target", "ndcg", 10, 0.8, 0.7, 0.9, -0.01, -0.02, -0.005, "worse"),
    ]
    random = np.random.default_rng(0)
    real = random.random(USERS)
    ndcg = {"real": real, together: real + gain + 0.05 * random.standard_normal(USERS)}
    return Shown("temporal", means, pairs, runs, ndcg, np.arange(USERS), [], RankingConfig(arms=("real", "real+synthetic")))


def said(found: Answer) -> str:
    return " ".join(found.sentences)


def test_a_gain_that_is_shown_is_recommended() -> None:
    found = answer(shown(0.02, 0.01, 0.03, "better"))
    assert (found.reading, found.recipe, found.gain) == ("use", "real-x-generator", 0.02)
    assert found.sentences[0].startswith("Use real ⊕ generator, multiplied: NDCG@10 0.1200 on 50 test users, +0.0200 [+0.0100")
    assert "Complementarity" in said(found)
    assert "Distillation (one model on real + synthetic against real ⊕ generator, multiplied): NDCG@10 −0.0100" in said(found)
    assert "real+synthetic: best at 800 updates, worse with twice as many" in said(found)


def test_a_log_that_cannot_tell_says_how_many_users_could() -> None:
    found = answer(shown(0.002, -0.01, 0.014, "not told apart"))
    assert (found.reading, found.recipe) == ("can't tell", "real-x-generator")
    assert found.sentences[0].startswith("Your log can't tell")
    assert found.needed is not None
    sigma = 0.05  # of the differences that were drawn
    assert found.needed == pytest.approx((2.8 * sigma / 0.002) ** 2, rel=0.4)
    assert found.needed_5 is not None
    assert found.needed_5 < found.needed
    assert f"about {found.needed:,} test users" in found.sentences[0]


def test_what_the_test_refutes_is_not_recommended() -> None:
    found = answer(shown(-0.02, -0.03, -0.01, "worse"))
    assert found.reading == "keep real"
    assert found.sentences[0].startswith("Use SASRec on the real log alone")


def test_no_verdict_where_real_has_not_converged() -> None:
    found = answer(shown(0.02, 0.01, 0.03, "no verdict", "no verdict", change=0.2))
    assert found.reading == "no verdict"
    assert found.gain is None
    assert "still getting better at 800 updates (the last doubling gained 0.200 nats" in found.sentences[0]
    assert "ranking.doublings=4" in found.sentences[0]
    assert "Complementarity (real ⊕ generator, multiplied against real alone): no verdict" in said(found)


def test_less_than_an_epoch_is_said() -> None:
    found = answer(shown(0.02, 0.01, 0.03, "no verdict", "no verdict", epochs=0.25))
    assert "had seen 25% of the log after 800 updates" in found.sentences[0]


def test_the_best_baseline_is_named_beside_real() -> None:
    given = shown(0.02, 0.01, 0.03, "better")
    baseline = run("ease", 0.11)
    mean = ArmMean("temporal", "ease", "target", "ndcg", 10, 0.105, 0.1, 0.11, None, 1, USERS, 99, "")
    pair = Paired("temporal", "ease", "real", "target", "ndcg", 10, 1.05, 1.0, 1.1, 0.005, 0.001, 0.009, "better")
    more = dataclasses.replace(given, runs=[*given.runs, baseline], means=[*given.means, mean], pairs=[*given.pairs, pair])
    assert "Of the untrained baselines EASE is best: NDCG@10 0.1050, +0.0050 [+0.0010, +0.0090]" in said(answer(more))


def test_validation_nats_choose_recipe_and_form() -> None:
    """The added form has the higher NDCG@10 on validation here, but more nats."""
    assert answer(shown(0.02, 0.01, 0.03, "better")).recipe == "real-x-generator"


def test_variants_are_shown_and_never_recommended() -> None:
    given = shown(0.02, 0.01, 0.03, "better")
    runs = [*given.runs, run("real-bce", 0.3, "converged", nats=1.0)]
    means = [*given.means, dataclasses.replace(given.means[0], arm="real-bce", mean=0.03)]
    pair = Paired("temporal", "real-bce", "real", "target", "ndcg", 10, 0.3, 0.2, 0.4, -0.07, -0.08, -0.06, "worse")
    config = RankingConfig(arms=("real", "real+synthetic", "real-bce"))
    found = answer(dataclasses.replace(given, runs=runs, means=means, pairs=[*given.pairs, pair], config=config))
    assert found.recipe == "real-x-generator"
    line = "SASRec on the real log, one-negative loss: NDCG@10 0.0300, −0.0700 [−0.0800, −0.0600] against real alone, worse."
    assert line in found.sentences
