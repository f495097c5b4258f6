"""The arms of the comparison, and what each may try."""

from __future__ import annotations

import itertools
from typing import Any

from preceptor.core import rng
from preceptor.ranking.config import VARIANTS, RankingConfig, Recipe

BASELINES = ("popularity", "item-knn", "rp3beta", "ease")
GENERATOR = "generator"
AGAIN = "real, another seed"  # the control's second model: not an arm of its own
TOGETHER = {  # arm: (one, other, form), fitted on validation
    f"{one}-{sign}-{other}": (one, AGAIN if other == "real" else other, form)
    for one, other in (("real", GENERATOR), ("real+synthetic", GENERATOR), ("real", "real"))
    for sign, form in (("x", "multiplied"), ("plus", "added"))
}
EASE_ITEMS = 5000  # beyond, EASE is left out: a dense inverse of the catalogue takes minutes and gigabytes

Settings = dict[str, Any]


def settings(arm: str, config: RankingConfig) -> list[Settings]:
    """The settings that a trained arm tries, at most config.trials and all different.

    Trial 0 takes the first of every choice; the others are a keyed sample of the rest.
    """
    base, fixed = VARIANTS.get(arm, (arm, {}))
    choices: dict[str, tuple[Any, ...]] = {
        "length": config.lengths,
        "dropout": config.fresh_dropouts if base == "synthetic" else config.dropouts,
        "learning_rate": config.learning_rates,
        "loss": config.losses,
    }
    every = _product(choices | {name: (value,) for name, value in fixed.items()})
    order = [0, *(1 + i for i in rng.permutation(config.seed, f"trials/{arm}", len(every) - 1))]
    return [every[i] for i in order[: config.trials]]


def grid(baseline: str, config: RankingConfig) -> list[Settings]:
    """The settings that an untrained ranker tries: all there are, for they cost seconds."""
    spaces: dict[str, dict[str, tuple[Any, ...]]] = {
        "popularity": {"recent": config.recents},
        "item-knn": {"neighbours": config.neighbours, "decay": config.decays},
        "rp3beta": {"neighbours": config.neighbours, "beta": config.betas, "decay": config.decays},
        "ease": {"ridge": config.ridges, "decay": config.decays},
    }
    return _product(spaces[baseline])


def recipe(chosen: Settings, config: RankingConfig) -> Recipe:
    """The full recipe of a trained arm's settings."""
    return Recipe(dim=config.dim, layers=config.layers, heads=config.heads, **chosen)


def taught(arm: str) -> str:
    """What a trained arm learns from: real, synthetic or real+synthetic."""
    return VARIANTS[arm][0] if arm in VARIANTS else arm


def parts(arm: str) -> tuple[str, ...]:
    """The trained arms that an arm rests on: itself, those put together in it, or none."""
    if arm in TOGETHER:
        one, other, _ = TOGETHER[arm]
        return tuple(p for p in (one, other) if p not in (GENERATOR, AGAIN))
    return () if arm in (*BASELINES, GENERATOR) else (arm,)


def _product(space: dict[str, tuple[Any, ...]]) -> list[Settings]:
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
