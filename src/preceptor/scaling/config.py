"""Settings of the scaling stage."""

from __future__ import annotations

from dataclasses import dataclass

from preceptor.core.checks import at_least, positive, require


@dataclass(frozen=True)
class ScalingConfig:
    """How laws are fitted.

    seed: of the optimiser's starts and of the bootstraps.
    starts: optimiser starts a fit; the status of each is kept.
    delta: where the Huber loss of the log residuals turns linear (Hoffmann et al. 2022: 1e-3).
    bootstraps: resamples for intervals; 0 for none.
    bootstrap_starts: optimiser starts a resample, the best optimum of the whole sample first.
    forecast: hold out the largest (N, D) corner, predict it, and choose between forms by that error.
    """

    seed: int = 0
    starts: int = 200
    delta: float = 1e-3
    bootstraps: int = 200
    bootstrap_starts: int = 4
    forecast: bool = True


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
        },
    )
