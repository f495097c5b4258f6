"""Settings of the ranking comparison (train on synthetic, test on real)."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, each, one_of, positive, require, share

LOSSES = ("full", "bce")
STARTS = ("popularity", "uniform")


@dataclass(frozen=True)
class Recipe:
    """One way to train a model: what a trial may vary, and what both arms of a comparison share.

    length: longest history the model sees (its last items); training sequences have at most length + 1 items.
    dim, layers, heads: size of the transformer.
    dropout: share of the units dropped.
    learning_rate: peak, reached after `warmup` updates (Adam), then constant.
    warmup: updates of linear warm-up.
    loss: full (cross-entropy over the catalogue) or bce (the original SASRec's, one random negative a position).
    start: items where walks begin (synthetic arm): uniform over items with an edge, or by popularity.
    """

    length: int = 50
    dim: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    learning_rate: float = 2e-3
    warmup: int = 20
    loss: str = "full"
    start: str = "popularity"


@dataclass(frozen=True)
class RankingConfig:
    """How arms are tuned, trained and compared. Every arm has the same trials, updates, batch and stopping rule.

    trials: settings tried per arm; what the generator of histories may vary counts among them.
    seeds: trained models per arm, at least 3; seed number 0 is the chosen trial itself.
    lengths, dropouts, learning_rates, losses: what trials choose from (both arms).
    starts: what trials of the synthetic arm choose from besides.
    neighbours, decays: what trials of item-kNN choose from.
    recents: shares of the newest training interactions that trials of popularity choose from.
    dim, layers, heads: size of SASRec, the same for all.
    positions: predicted positions an update, padding included.
    max_updates, eval_every, patience: train for at most so many updates, look at validation NDCG@10 every so many, stop
        after so many looks without a better one, and keep the best.
    validation_targets: at most so many validation targets decide (a keyed sample; 0: all).
    mask_history: items of the history are not offered. None: masked where the training log never repeats an item to a user
        (less than 1 in 1,000 interactions does), offered otherwise. The same for every arm.
    threads: compute threads of a training process; a result depends on it.
    bootstraps: resamples of the users behind each interval.
    confidence: of the intervals.
    seed: decides initial weights, batches, walks and resamples.
    """

    trials: int = 3
    seeds: int = 3
    lengths: tuple[int, ...] = (20, 50)
    dropouts: tuple[float, ...] = (0.2, 0.5)
    learning_rates: tuple[float, ...] = (2e-3,)
    losses: tuple[str, ...] = ("full",)
    starts: tuple[str, ...] = ("popularity", "uniform")
    neighbours: tuple[int, ...] = (50, 200)
    decays: tuple[float, ...] = (0.9, 1.0)
    recents: tuple[float, ...] = (1.0, 0.3, 0.1)
    dim: int = 64
    layers: int = 2
    heads: int = 2
    positions: int = 3200
    max_updates: int = 300
    eval_every: int = 25
    patience: int = 4
    validation_targets: int = 1000
    mask_history: bool | None = None
    threads: int = 1
    bootstraps: int = 2000
    confidence: float = 0.95
    seed: int = 0


def check(config: RankingConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "ranking",
        config,
        {
            "trials": at_least(config.trials, 1),
            "seeds": at_least(config.seeds, 1),
            "lengths": each(config.lengths, at_least, 1),
            "dropouts": each(config.dropouts, share, False),
            "learning_rates": each(config.learning_rates, positive),
            "losses": each(config.losses, one_of, *LOSSES),
            "starts": each(config.starts, one_of, *STARTS),
            "neighbours": each(config.neighbours, at_least, 1),
            "decays": each(config.decays, positive),
            "recents": each(config.recents, positive),
            "layers": at_least(config.layers, 1),
            "heads": at_least(config.heads, 1),
            "dim": (config.dim >= 1 and config.dim % max(config.heads, 1) == 0, f"a multiple of heads ({config.heads})"),
            "positions": at_least(config.positions, 1),
            "max_updates": at_least(config.max_updates, 1),
            "eval_every": at_least(config.eval_every, 1),
            "patience": at_least(config.patience, 1),
            "validation_targets": at_least(config.validation_targets, 0),
            "threads": at_least(config.threads, 1),
            "bootstraps": at_least(config.bootstraps, 1),
            "confidence": (0 < config.confidence < 1, "between 0 and 1"),
        },
    )
