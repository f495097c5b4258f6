"""What each arm may try: the same number of settings an arm, with the generator's choices counted among the synthetic arm's."""

from __future__ import annotations

import itertools
from typing import Any

from preceptor.core import rng
from preceptor.ranking.config import RankingConfig, Recipe

ARMS = {"real": "sasrec", "synthetic": "sasrec", "popularity": "popularity", "item-knn": "item-knn"}
TRAINED = ("real", "synthetic")

Settings = dict[str, Any]


def settings(arm: str, config: RankingConfig) -> list[Settings]:
    """The settings that `arm` tries, at most config.trials and all different.

    Trial 0 takes the first of every choice; the others are a keyed sample of the rest.
    """
    space = _space(arm, config)
    every = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    order = [0, *(1 + i for i in rng.permutation(config.seed, f"trials/{arm}", len(every) - 1))]
    return [every[i] for i in order[: config.trials]]


def recipe(chosen: Settings, config: RankingConfig) -> Recipe:
    """The full recipe of a trained arm's settings."""
    return Recipe(dim=config.dim, layers=config.layers, heads=config.heads, **chosen)


def _space(arm: str, config: RankingConfig) -> dict[str, tuple[Any, ...]]:
    if arm == "popularity":
        return {"recent": config.recents}
    if arm == "item-knn":
        return {"neighbours": config.neighbours, "decay": config.decays}
    model: dict[str, tuple[Any, ...]] = {
        "length": config.lengths,
        "dropout": config.dropouts,
        "learning_rate": config.learning_rates,
        "loss": config.losses,
    }
    return {**model, "start": config.starts} if arm == "synthetic" else model
