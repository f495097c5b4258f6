"""What a law expects of a new run, with its interval: the one place where the interval of a forecast is made."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from preceptor.scaling.fitted import FittedLaw

_LUCK = np.array([NormalDist().inv_cdf((k + 0.5) / 16) for k in range(16)])  # of a new run, in equal shares of probability
_LUCK /= _LUCK.std()


@dataclass(frozen=True)
class Expectation:
    """Losses [n] of new runs. interval_80, interval_95: (lo [n], hi [n]), None where `reason` says why."""

    loss: np.ndarray
    interval_80: tuple[np.ndarray, np.ndarray] | None
    interval_95: tuple[np.ndarray, np.ndarray] | None
    reason: str = ""


def expected(law: FittedLaw, params: np.ndarray | float, tokens: np.ndarray | float) -> Expectation:
    """The loss of one new run at each size and number of tokens [n], with 80 and 95 % prediction intervals.

    The intervals are those of resampled laws, each with the noise of a run: they know nothing of a form that is wrong.
    """
    loss = law.predict(params, tokens)
    if not len(law.draws):
        return Expectation(loss, None, None, law.interval_reason or "no resamples of this law")
    reducible = law.predict(params, tokens, law.draws) - law.floor
    luck = np.exp(run_noise(law) * _LUCK)
    losses = law.floor + (reducible[:, None, :] * luck[None, :, None]).reshape(-1, reducible.shape[1])
    lo95, lo80, hi80, hi95 = np.quantile(losses, [0.025, 0.1, 0.9, 0.975], axis=0)
    return Expectation(loss, (lo80, hi80), (lo95, hi95))


def run_noise(law: FittedLaw) -> float:
    """Standard deviation of the log of what a new run leaves above the floor: of the run, and of its point."""
    of_run, of_point = (law.noise.run, law.noise.point) if law.noise else (0.0, 0.0)
    return float(np.hypot(of_run, max(of_point, law.scale)))
