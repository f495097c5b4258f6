"""Settings of the scaling stage."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, one_of, positive, require


@dataclass(frozen=True)
class ScalingConfig:
    """How laws are fitted.

    seed: of the optimiser's starts and of the bootstraps.
    starts: optimiser starts a fit; the status of each is kept.
    delta: where the Huber loss of the log residuals turns linear (Hoffmann et al. 2022: 1e-3).
    bootstraps: resamples for intervals; 0 for none.
    bootstrap_starts: optimiser starts a resample, the best optimum of the whole sample first.
    forecast: hold out the largest sizes, the largest budgets and the corner of both, predict them, and choose between forms by
    that error.
    burn_in: points enter from the first number of tokens at which every size is below this reference, where the table has it:
    unigram | bigram | none.
    """

    seed: int = 0
    starts: int = 200
    delta: float = 1e-3
    bootstraps: int = 200
    bootstrap_starts: int = 4
    forecast: bool = True
    burn_in: str = "unigram"


def check(config: ScalingConfig) -> None:
    """Refuse settings out of range; PreceptorError names the field."""
    require(
        "scaling",
        config,
        {
            "starts": at_least(config.starts, 1),
            "delta": positive(config.delta),
            "bootstraps": at_least(config.bootstraps, 0),
            "bootstrap_starts": at_least(config.bootstrap_starts, 1),
            "burn_in": one_of(config.burn_in, "unigram", "bigram", "none"),
        },
    )
