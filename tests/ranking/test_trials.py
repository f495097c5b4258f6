"""Every arm tries as many settings; the generator's choices count among the synthetic arm's."""

from preceptor.ranking.config import RankingConfig
from preceptor.ranking.trials import ARMS, recipe, settings


def test_arms_try_equally_often_and_no_setting_twice() -> None:
    for trials in (1, 3, 4):
        config = RankingConfig(trials=trials)
        for arm in ("real", "synthetic", "item-knn"):
            tried = settings(arm, config)
            assert len(tried) == trials
            assert len({str(s) for s in tried}) == trials
        assert all(len(settings(arm, config)) <= trials for arm in ARMS)


def test_the_first_trial_takes_the_first_of_every_choice() -> None:
    config = RankingConfig(lengths=(7, 9), starts=("uniform", "popularity"))
    assert settings("synthetic", config)[0] == {
        "length": 7,
        "dropout": 0.2,
        "learning_rate": 2e-3,
        "loss": "full",
        "start": "uniform",
    }
    assert {s["start"] for s in settings("synthetic", RankingConfig(trials=8))} == {"uniform", "popularity"}
    assert "start" not in settings("real", config)[0]
    assert recipe(settings("real", config)[0], config).length == 7
