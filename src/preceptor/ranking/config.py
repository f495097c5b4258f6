"""Settings of the ranking comparison (train on synthetic, test on real)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from preceptor.core.checks import at_least, each, one_of, positive, require, share

LOSSES = ("full", "bce", "adjusted")
TRAINED = ("real", "synthetic", "real+synthetic")
MODELS = ("sasrec", "gru4rec")
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {  # arm: (the arm that it varies, what is set in it)
    "real-bce": ("real", {"loss": "bce"}),
    "real-adjusted": ("real", {"loss": "adjusted"}),
    **{f"{arm}-gru4rec": (arm, {"model": "gru4rec"}) for arm in TRAINED},
}
ARMS = (*TRAINED, *VARIANTS)


@dataclass(frozen=True)
class Recipe:
    """One way to train a model: what a trial may vary, and what all arms share.

    length: longest history the model sees (its last items); training sequences have at most length + 1 items.
    dim, layers, heads: size of the transformer.
    dropout: share of the units dropped.
    learning_rate: peak, reached after `warmup` updates (Adam), then constant until the budget's decay.
    warmup: updates of linear warm-up.
    loss: full (cross-entropy over the catalogue), bce (the original SASRec's, one random negative a position) or adjusted
        (cross-entropy whose logits have the items' log-shares added, in training alone).
    model: sasrec or gru4rec (which has no heads).
    """

    length: int = 50
    dim: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    learning_rate: float = 2e-3
    warmup: int = 50
    loss: str = "full"
    model: str = "sasrec"


@dataclass(frozen=True)
class RankingConfig:
    """How arms are tuned, trained to convergence, calibrated, put together with the generator, and compared.

    arms: models that are trained: real (the log), synthetic (histories of the study's generator), real+synthetic (half of
        each update from either). real is always among them. real-bce and real-adjusted are the real arm under that loss;
        real-gru4rec, synthetic-gru4rec and real+synthetic-gru4rec have GRU4Rec in place of SASRec.
    trials: settings tried per trained arm, for the first two budgets each; the best by calibrated validation nats is frozen.
    seeds: trained models per arm. Seed 0 decides the budget, the others train for it.
    first, doublings: budgets are first · 2^k updates, k up to `doublings`, each a finished run with its own decay. An arm has
        converged when the last doubling changes its validation nats by less than one standard error.
    lengths, dropouts, learning_rates, losses: what trials choose from.
    fresh_dropouts: takes the place of `dropouts` for arm synthetic, whose histories never come again.
    neighbours, decays: what trials of item-kNN choose from. neighbours, betas, decays: of RP3beta. ridges, decays: of EASE.
        recents: of popularity, shares of the newest training interactions. These are untrained and try everything.
    dim, layers, heads: size of the model, the same for all arms.
    positions: predicted positions per update, padding included.
    validation_targets: at most so many validation targets decide (a keyed sample; 0: all). Large catalogues take fewer, so
        that scores of all of them fit in memory.
    second_split: also train and test on the leave-last-out split, where the data stage left one.
    mask_history: items of the history are not offered. None: masked where the training log never repeats an item to a user
        (less than 1 in 1,000 interactions does), offered otherwise. The same for every arm.
    baseline: path of a file with lists of your own recommender, one for each test user (user_id, item_id, rank or score), to be
        judged on the same targets. None: no such arm.
    impressions: path of a file with what people were shown (user_id, item_id, taken), a second test set: each arm is judged by
        whether it puts what they took above what they left. None: no such set.
    threads: compute threads of a training process; a result depends on it.
    device: cpu, or cuda (float32 too), on which models are trained; a result depends on it.
    bootstraps: resamples of the users behind each interval.
    confidence: of the intervals.
    seed: decides initial weights, batches, histories and resamples.
    """

    arms: tuple[str, ...] = TRAINED
    trials: int = 2
    seeds: int = 3
    first: int = 400
    doublings: int = 3
    lengths: tuple[int, ...] = (50,)
    dropouts: tuple[float, ...] = (0.2, 0.5)
    fresh_dropouts: tuple[float, ...] = (0.0, 0.2)
    learning_rates: tuple[float, ...] = (2e-3,)
    losses: tuple[str, ...] = ("full",)
    neighbours: tuple[int, ...] = (50, 200)
    decays: tuple[float, ...] = (0.9, 1.0)
    betas: tuple[float, ...] = (0.4, 0.6)
    ridges: tuple[float, ...] = (100.0, 1000.0)
    recents: tuple[float, ...] = (1.0, 0.3, 0.1)
    dim: int = 64
    layers: int = 2
    heads: int = 2
    positions: int = 3200
    validation_targets: int = 3000
    second_split: bool = True
    mask_history: bool | None = None
    baseline: str | None = None
    impressions: str | None = None
    threads: int = 1
    device: str = "cpu"
    bootstraps: int = 2000
    confidence: float = 0.95
    seed: int = 0


def check(config: RankingConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "ranking",
        config,
        {
            "arms": (
                "real" in config.arms and set(config.arms) <= set(ARMS) and len(set(config.arms)) == len(config.arms),
                f"real, and others of {', '.join(ARMS)}, each once",
            ),
            "trials": at_least(config.trials, 1),
            "seeds": at_least(config.seeds, 1),
            "first": at_least(config.first, 1),
            "doublings": at_least(config.doublings, 0),
            "lengths": each(config.lengths, at_least, 1),
            "dropouts": each(config.dropouts, share, False),
            "fresh_dropouts": each(config.fresh_dropouts, share, False),
            "learning_rates": each(config.learning_rates, positive),
            "losses": each(config.losses, one_of, *LOSSES),
            "neighbours": each(config.neighbours, at_least, 1),
            "decays": each(config.decays, positive),
            "betas": each(config.betas, at_least, 0),
            "ridges": each(config.ridges, positive),
            "recents": each(config.recents, positive),
            "layers": at_least(config.layers, 1),
            "heads": at_least(config.heads, 1),
            "dim": (config.dim >= 1 and config.dim % max(config.heads, 1) == 0, f"a multiple of heads ({config.heads})"),
            "positions": at_least(config.positions, 2),
            "validation_targets": at_least(config.validation_targets, 0),
            "baseline": (config.baseline is None or Path(config.baseline).is_file(), "the path of a file"),
            "impressions": (config.impressions is None or Path(config.impressions).is_file(), "the path of a file"),
            "threads": at_least(config.threads, 1),
            "device": one_of(config.device, "cpu", "cuda"),
            "bootstraps": at_least(config.bootstraps, 1),
            "confidence": (0 < config.confidence < 1, "between 0 and 1"),
        },
    )
