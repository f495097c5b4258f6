"""Edge weights from co-occurrence strengths.

With S the strength of a pair, n_a and n_b the distinct users of its items and N the users of the log:

count     S
cosine    S / √(n_a·n_b)
lift      S·N / (n_a·n_b)
rp3beta   S′ / (n_a^α · n_b^β), S′ = Σ_u d_u^−α over the users of both, d_u the distinct items of user u: the three-step
          walk item → user → item, its transition probabilities raised to α, the target's popularity discounted by β
          (Christoffel et al., RecSys 2015; Paudel et al., TiiS 2016)

Each is multiplied by S / (S + shrinkage) (significance of few meetings, Bell & Koren 2007) and raised to gamma when the
graph is built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from preceptor.core.errors import PreceptorError
from preceptor.graph.config import WEIGHTS as NAMES


@dataclass(frozen=True)
class Weighting:
    """A named weight and its parameters. n_users: N; alpha and beta are those of rp3beta."""

    name: str
    n_users: int = 1
    shrinkage: float = 0.0
    alpha: float = 1.0
    beta: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise PreceptorError("Unknown edge weight", found=self.name, expected=" | ".join(NAMES))

    @property
    def user_power(self) -> float:
        """A user counts (distinct items) ** −user_power in the strength."""
        return self.alpha if self.name == "rp3beta" else 0.0

    def kernel_arguments(self) -> tuple[int, float, float, float, float]:
        return NAMES.index(self.name), float(self.n_users), float(self.shrinkage), float(self.alpha), float(self.beta)

    def factors(self, users_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Per item, as source (float64 [I]) and as target (float32 [I], rounded up).

        A weight is strength × source × target but for rounding, or less with shrinkage.
        """
        users = np.maximum(users_of, 1).astype(np.float64)
        powers = {"count": (0.0, 0.0), "cosine": (0.5, 0.5), "lift": (1.0, 1.0), "rp3beta": (self.alpha, self.beta)}
        of_source, of_target = powers[self.name]
        source = users**-of_source * (self.n_users if self.name == "lift" else 1)
        return source, np.nextafter((users**-of_target).astype(np.float32), np.float32(np.inf))

    def weight(self, strength: np.ndarray, users_a: np.ndarray, users_b: np.ndarray) -> np.ndarray:
        """Weight a → b of each pair, float64; the arguments are of one length."""
        out = np.empty(len(strength))
        _scores(
            self.kernel_arguments(),
            np.asarray(strength, np.float64),
            users_a.astype(np.float64),
            users_b.astype(np.float64),
            out,
        )
        return out

    def of_rows(self, indptr: np.ndarray, indices: np.ndarray, strength: np.ndarray, users_of: np.ndarray) -> np.ndarray:
        """Weight of each pair in rows, float64, with nothing else of that size held. users_of: of the items."""
        out = np.empty(len(strength))
        _scores_of_rows(self.kernel_arguments(), indptr, indices, strength, users_of.astype(np.float64), out)
        return out


@njit(nogil=True, cache=True)
def score(weighting, strength, users_a, users_b):  # type: ignore[no-untyped-def]
    """Weight a → b for jitted code; `weighting` from kernel_arguments()."""
    name, n_users, shrinkage, alpha, beta = weighting
    worth = strength
    if name == 1:
        worth = strength / math.sqrt(users_a * users_b)
    elif name == 2:
        worth = strength * n_users / (users_a * users_b)
    elif name == 3:
        worth = strength / (users_a**alpha * users_b**beta)
    return worth * (strength / (strength + shrinkage))


@njit(nogil=True, cache=True)
def _scores(weighting, strength, users_a, users_b, out):  # type: ignore[no-untyped-def]
    for i in range(len(out)):
        out[i] = score(weighting, strength[i], users_a[i], users_b[i])


@njit(nogil=True, cache=True)
def _scores_of_rows(weighting, indptr, indices, strength, users_of, out):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        for e in range(indptr[row], indptr[row + 1]):
            out[e] = score(weighting, float(strength[e]), users_of[row], users_of[indices[e]])
