"""Every trained arm tries as many settings; untrained rankers try all."""

from preceptor.core.tables.ranking import NAMES
from preceptor.ranking.config import TRAINED, VARIANTS, RankingConfig
from preceptor.ranking.trials import TOGETHER, grid, parts, recipe, settings, taught


def test_arms_try_equally_often_and_no_setting_twice() -> None:
    for trials in (1, 2, 4):
        config = RankingConfig(trials=trials, lengths=(20, 50))
        for arm in TRAINED:
            tried = settings(arm, config)
            assert len(tried) == trials
            assert len({str(s) for s in tried}) == trials
    assert len(settings("real", RankingConfig(trials=9))) == 2


def test_the_first_trial_takes_the_first_of_every_choice() -> None:
    config = RankingConfig(lengths=(7, 9))
    first = {"length": 7, "dropout": 0.2, "learning_rate": 2e-3, "loss": "full"}
    assert settings("real", config)[0] == settings("real+synthetic", config)[0] == first
    assert settings("synthetic", config)[0] == {**first, "dropout": 0.0}
    assert recipe(first, config).length == 7


def test_untrained_rankers_try_everything() -> None:
    assert len(grid("item-knn", RankingConfig(neighbours=(1, 2), decays=(0.5, 1.0)))) == 4
    found = grid("rp3beta", RankingConfig(neighbours=(5,), betas=(0.0, 0.5), decays=(1.0,)))
    assert found == [{"neighbours": 5, "beta": beta, "decay": 1.0} for beta in (0.0, 0.5)]
    assert grid("popularity", RankingConfig(recents=(1.0, 0.5))) == [{"recent": 1.0}, {"recent": 0.5}]


def test_an_arm_rests_on_the_models_that_are_trained_for_it() -> None:
    assert parts("real") == ("real",)
    assert parts("generator") == parts("ease") == ()
    assert parts("real+synthetic-x-generator") == ("real+synthetic",)
    assert {parts(arm) for arm in TOGETHER} == {("real",), ("real+synthetic",)}


def test_a_variant_differs_in_what_it_is_named_for_and_in_nothing_else() -> None:
    config = RankingConfig(trials=9, losses=("full", "bce"))
    assert {s["loss"] for s in settings("real-bce", config)} == {"bce"}
    assert {s["loss"] for s in settings("real-gru4rec", config)} == {"full", "bce"}
    for arm, (base, fixed) in VARIANTS.items():
        assert settings(arm, config)[0] == settings(base, config)[0] | fixed
        assert taught(arm) == base
        assert parts(arm) == (arm,)
        assert arm in NAMES
    assert recipe(settings("synthetic-gru4rec", config)[0], config).model == "gru4rec"
    assert taught("real+synthetic") == "real+synthetic"
