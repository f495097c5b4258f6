"""Laws put together by hand, so that what is planned with them is known exactly, and nothing need be fitted."""

from __future__ import annotations

import numpy as np

from preceptor.core.relation import METRICS
from preceptor.core.tables.lm import Point
from preceptor.core.tables.recommend import RecommendRow
from preceptor.scaling.fitted import FittedLaw, Parameter, SetLaws
from preceptor.scaling.law import Law
from preceptor.scaling.noise import Noise

FLOOR, A, ALPHA, B, BETA = 2.0, 15.0, 0.3, 60.0, 0.4
SIZES = (2e4, 1e5, 7e5)
COST = {n: 6 * n + 2e3 * n**0.4 for n in SIZES}


def joint_law(cost: dict[float, float] | None = None, draws: int = 80, identified: bool = True) -> Law:
    """loss = 2 + 15·N^−0.3 + 60·D^−0.4 over sizes 20k–700k and 30k–1M tokens, its parameters known to about 2 %."""
    theta = np.array([-1e3, np.log(A), ALPHA, np.log(B), BETA])
    return _law(_fitted("joint-excess", None, theta, np.zeros(2), draws, identified), cost=cost or {})


def laws_of_sizes(cost: dict[float, float] | None = None) -> Law:
    """The same at each size alone, as laws of tokens over the loss that the size ends at; no joint law."""
    laws = [_fitted("excess", n, np.array([-1e3, np.log(B) - 0.1 * k, BETA]), np.zeros(1), 80) for k, n in enumerate(SIZES)]
    return _law(*laws, cost=cost or {}, chosen=None)


def _law(*laws: FittedLaw, cost: dict[float, float], chosen: str | None = "joint-excess") -> Law:
    entry = SetLaws("uih", "item", FLOOR, laws, chosen, {"joint": "2 different value(s) of params"}, {})
    return Law({"uih": entry}, (7e5, 1e6), (2e4, 7e5), (3e4, 1e6), flops_per_token=cost)


def _fitted(
    form: str, params: float | None, theta: np.ndarray, centre: np.ndarray, draws: int, identified: bool = True
) -> FittedLaw:
    gen = np.random.default_rng(7)
    drawn = np.repeat(theta[None], draws, axis=0)
    for k in range(2, len(theta), 2):  # exponents, and coefficients so that the term amid the data stays
        by = 0.02 * theta[k] * gen.standard_normal(draws)
        drawn[:, k] += by
        drawn[:, k - 1] += by * np.log(2e5) + 0.005 * gen.standard_normal(draws)
    symbols = ("A", "alpha", "B", "beta")[: len(theta) - 1]
    why = "" if identified else "0 fits as well"
    known = {s: Parameter(1.0, identified, why, None, (None, None)) for s in symbols}
    return FittedLaw(
        form, params, known, theta, centre, FLOOR, 50, 0.01, 0.01, Noise(0.01, 0.005, 10, 10),
        {"at_best_optimum": 1, "starts": 1}, "parametric bootstrap", "", drawn,
    )  # fmt: skip


def value(params: float, tokens: float) -> float:
    return float(FLOOR + A * params**-ALPHA + B * tokens**-BETA)


def measured(law: Law, recall: tuple[float, float] = (0.7, 0.2)) -> tuple[list[Point], list[RecommendRow]]:
    """Models of three sizes and six budgets, whose recall falls with the loss: recall[0] − recall[1]·(loss − floor)."""
    gen = np.random.default_rng(3)
    points, ranks = [], []
    for n in SIZES:
        for d in np.geomspace(3e4, 1e6, 6):
            loss = value(n, float(d))
            points.append(
                Point(int(n), int(d), loss, f"n{n:.0f}", 0, "uih", int(n), 2, "item", FLOOR, None, None, flops_per_token=None)
            )
            found = recall[0] - recall[1] * (loss - FLOOR) + 0.002 * gen.standard_normal()
            ranks.append(_ranked(f"n{n:.0f}", int(n), int(d), float(found)))
    return points, ranks


def _ranked(run: str, params: int, tokens: int, recall: float) -> RecommendRow:
    values = {"ndcg_10": 0.0}
    for metric in METRICS:
        values |= {metric: recall, f"{metric}_lo": recall - 0.02, f"{metric}_hi": recall + 0.02}
    bounded = ("nats", "ndcg_10", "over_knn", "over_law", "nats_over_law")
    rest = {f"{name}{end}": None for name in bounded for end in ("", "_lo", "_hi") if name + end != "ndcg_10"}
    return RecommendRow(
        part="test", study_arm="", arm="lm", form="calibrated", run=run, params=params, tokens=tokens, seeds=1, verdict="",
        balance="targets", targets=900, users=100, inside=900, held_out=0, **values, **rest,  # type: ignore[arg-type]
    )  # fmt: skip
